import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { useAcmeListener } from '../helpers/acmeListener.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

describe('ACME over a real HTTPS listener', () => {
  const acme = useAcme(openSqlite)
  const { client, raw, port } = useAcmeListener(acme)
  const headersOf = (answer: string) =>
    answer
      .split('\r\n\r\n')[0]
      ?.split('\r\n')
      .slice(1)
      .filter((line) => !/^(Date|Replay-Nonce|Keep-Alive|Connection):/i.test(line))
      .map((line) => line.toLowerCase())
      .sort()

  it('issues', async () => {
    const by = await client()
    acme.app.serveChallenges(by)
    const order = await by.order(['wire.localhost'])
    await by.answer(order, 'http-01')
    const done = await by.finalize(order, (await newCsr(['wire.localhost'])).der)
    expect(done.json.status).toBe('valid')
    const chain = await by.post(String(done.json.certificate))
    expect(chain.text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(chain.headers.get('content-type')).toBe('application/pem-certificate-chain')
  })

  it('wire 5: several links are several header lines', async () => {
    const by = await client()
    const order = await by.order(['links.localhost'])
    const { json } = await by.post(order.authorizations[0] ?? '')
    const [challenge] = json.challenges as { url: string }[]
    const body = await by.jws(challenge?.url ?? '', '')
    const path = challenge?.url.slice(BASE_URL.length)
    const answer = await raw(
      [`POST ${path} HTTP/1.1`, 'Content-Type: application/jose+json', `Content-Length: ${body.length}`],
      body,
    )
    expect(answer.match(/^Link: .*$/gm)).toEqual([
      `Link: <${BASE_URL}/acme/default/directory>;rel="index"`,
      `Link: <${order.authorizations[0]}>;rel="up"`,
    ])
  })

  it('wire 1: newNonce answers before the framework exactly as its route does', async () => {
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
    ] as const) {
      const fast = await raw([`${method} /acme/default/new-nonce HTTP/1.1`])
      const routed = await raw([`${method} /acme/default/new-nonce? HTTP/1.1`])
      for (const answer of [fast, routed]) {
        expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
        expect(answer).toMatch(/\r\nReplay-Nonce: [A-Za-z0-9_-]{36}\r\n/i)
        expect(answer.split('\r\n\r\n')[1]).toBe('')
      }
      expect(headersOf(fast)).toEqual(headersOf(routed))
    }
  })

  it('wire 14: no more is read than the limit, announced or chunked, and the connection ends', async () => {
    const head = ['POST /acme/default/new-order HTTP/1.1', 'Content-Type: application/jose+json']
    const announced = await raw([...head, 'Content-Length: 1000000000'], 'x'.repeat(1000))
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`
    const chunked = await raw([...head, 'Transfer-Encoding: chunked'], chunk.repeat(3))
    for (const answer of [announced, chunked]) {
      expect(answer).toMatch(/^HTTP\/1.1 413 /)
      expect(answer).toMatch(/^Connection: close/im)
      expect(answer).toMatch(/^Replay-Nonce: /im)
      expect(answer).toContain('urn:ietf:params:acme:error:malformed')
    }
  })

  it('a client that goes away in the middle of its body harms nobody', async () => {
    const half = ['POST /acme/default/new-order HTTP/1.1', 'Host: acme.test', 'Content-Length: 100', '', '{'].join(
      '\r\n',
    )
    await new Promise<void>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: port(), rejectUnauthorized: false }, () =>
        socket.write(half, () => socket.destroy()),
      )
      socket.once('close', () => resolve())
    })
    expect((await client()).kid).toBeTruthy()
  })

  it('wire 10: URLs come from the configuration, whatever Host says', async () => {
    const answer = await raw(['GET /acme/default/directory HTTP/1.1'], '', 'evil.test')
    expect(answer).toContain(`"newNonce":"${BASE_URL}/acme/default/new-nonce"`)
    expect(answer).not.toContain('evil')
  })
})
