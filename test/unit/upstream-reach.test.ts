import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../../src/authorities/acmeHttp.ts'
import { upstreamReach } from '../../src/reach/upstreamReach.ts'

/** Whom this server calls because somebody may add an authority. */

describe('an upstream CA', () => {
  let asked = 0
  const server = createServer((_, answer) => {
    asked += 1
    answer.end('{}')
  })
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  const get = (host: string, networks: string) => {
    const { port } = server.address() as AddressInfo
    return ask({ method: 'GET', url: new URL(`http://${host}:${port}/directory`), reach: upstreamReach(networks) })
  }

  it.each([
    ['127.0.0.1', 'public,private'],
    ['localhost', 'public,private'],
    ['0x7f.1', ''],
    ['[::ffff:127.0.0.1]', 'public'],
    ['[::1]', 'public,private'],
    ['10.1.2.3', 'public'],
    ['169.254.169.254', 'any'],
    ['[fd00:ec2::254]', 'any'],
    ['127.0.0.1', 'loopback,!127.0.0.1/32'],
  ])('at %s is not asked within %j', async (host, networks) => {
    const before = asked
    await expect(get(host, networks)).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('outside the networks that upstream CAs may be in'),
    })
    expect(asked).toBe(before)
  })

  it('does not tell to which address a name leads', async () => {
    const told = await get('localhost', 'public').catch((error: Error & { detail?: string }) => error)
    expect(told).toMatchObject({ detail: expect.stringContaining('localhost is outside the networks') })
    expect(JSON.stringify(told)).not.toMatch(/127\.0\.0\.1|::1/)
  })

  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.0.0.1', '127.0.0.0/8'],
    ['localhost', 'public,private,loopback'],
  ])('at %s is asked within %j', async (host, networks) => {
    expect((await get(host, networks)).status).toBe(200)
  })
})
