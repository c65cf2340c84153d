import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cliJson } from '../helpers/cliUsers.ts'
import { bouncyCastleCmc } from '../helpers/cmcJava.ts'
import { verifyBelow } from '../helpers/estCurl.ts'
import { auto, type EstServer, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { serialOf } from '../helpers/openssl.ts'

const label = 'open'
const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }

describe('full CMC by the classes of Bouncy Castle, whose messages are BER', () => {
  let server: EstServer
  let client: Awaited<ReturnType<typeof bouncyCastleCmc>>

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: label, rules: { issue: [waits, ...auto] } })
    client = await bouncyCastleCmc(server)
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  /** By the command line, as an administrator does it. */
  async function shared(name: string): Promise<{ identification: string; secret: string; uuid: string }> {
    const words = ['cmc', 'create', '--profile', label, '--identification', name]
    return cliJson(server.process, words, { token: server.admin.token })
  }

  /** Files of a device that has enrolled by a shared secret. */
  async function enrolled(name: string, form: string) {
    const { identification, secret } = await shared(name)
    const files = { cert: server.file(`${name}.pem`), key: server.file(`${name}.key`) }
    const order = { dns: name, form, identification, secret, newkey: files.key, out: files.cert }
    const { status, read } = await client.exchange(label, order)
    expect([status, read[0]]).toEqual([200, 'simple'])
    await verifyBelow(server, { label, cert: files.cert, name })
    return files
  }

  test.each(['pkcs10', 'crmf'])(
    '%s: enrols by a shared secret, signed by its own key; renews by its certificate',
    async (form) => {
      const name = `${form}.localhost`
      const files = await enrolled(name, form)
      const next = server.file(`${name}-2.pem`)
      const renewal = { dns: name, form, ...files, newkey: server.file(`${name}-2.key`), transaction: '5', out: next }
      const { status, read } = await client.exchange(label, renewal)
      expect(status).toBe(200)
      expect(read.slice(0, 2)).toEqual(['status 0 part 1', 'transaction 5'])
      expect(read).toContain(`certificate CN=${name}`)
      expect(await serialOf(next)).not.toBe(await serialOf(files.cert))
    },
  )

  test('two in one message, and a wrong secret', async () => {
    const { identification, secret } = await shared('both')
    const two = { dns: 'one.localhost,two.localhost', form: 'crmf', identification, secret }
    const { status, read } = await client.exchange(label, two)
    expect(status).toBe(200)
    expect(read).toEqual(
      expect.arrayContaining(['simple', 'certificate CN=one.localhost', 'certificate CN=two.localhost']),
    )
    const wrong = await client.exchange(label, { ...two, secret: `${secret}x` })
    expect(wrong.status).toBe(403)
    expect(wrong.read[0]).toBe('status 2 part 3 part 4 fail 7')
  })

  test('a shared secret is listed without itself, and ends when it is revoked', async () => {
    const { identification, secret, uuid } = await shared('ends')
    const listed = await cliJson<{ name: string; uuid: string }[]>(server.process, ['cmc', 'ls', '--profile', label], {
      token: server.admin.token,
    })
    expect(listed).toContainEqual(expect.objectContaining({ name: 'ends', uuid }))
    expect(JSON.stringify(listed)).not.toContain(secret)
    await cliJson(server.process, ['cmc', 'revoke', uuid], { token: server.admin.token })
    const order = { dns: 'ends.localhost', identification, secret }
    expect((await client.exchange(label, order)).read[0]).toMatch(/^status 2 part 1 fail 2$/)
  })

  test('what waits is fetched by its token once a person has approved it', async () => {
    const files = await enrolled('asker.localhost', 'pkcs10')
    const order = { dns: 'waits-here.localhost', form: 'crmf', ...files }
    const first = await client.exchange(label, order)
    expect(first.status).toBe(202)
    const token = /^status 3 part 1 token ([0-9a-f]+)$/.exec(first.read[0] ?? '')?.[1]
    if (!token) throw new Error(first.read.join('\n'))
    await server.approve((await server.waiting('waits-here.localhost')).id)
    const fetched = await client.exchange(label, { query: token, ...files })
    expect(fetched.status).toBe(200)
    expect(fetched.read[0]).toBe('status 0 part 1')
    expect(fetched.read).toContain('certificate CN=waits-here.localhost')
  })

  test('revokes its certificate, once', async () => {
    const files = await enrolled('ending.localhost', 'pkcs10')
    const revoke = { revoke: files.cert, ...files }
    expect(await client.exchange(label, revoke)).toMatchObject({
      status: 200,
      read: ['status 0 part 1', expect.anything(), expect.anything()],
    })
    const again = await client.exchange(label, revoke)
    expect([again.status, again.read[0]]).toEqual([403, 'status 2 part 0 fail 7'])
  })
})
