import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { Json, Reply } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { useAcmeListener } from '../helpers/acmeListener.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const root = `${BASE_URL}/acme/default`

describe('answers of ACME over a real HTTPS listener', () => {
  const acme = useAcme(openSqlite)
  const { client, raw, post, plain } = useAcmeListener(acme)

  it('section 6.1: is not served without TLS', async () => {
    expect(await plain(['GET /acme/default/directory HTTP/1.1'])).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('wire 2: every answer to a POST has one nonce, good for the next request', async () => {
    const by = await client()
    const ended = await client()
    await ended.post(ended.kid ?? '', { status: 'deactivated' })
    const good = () => by.jws(`${root}/new-order`, { identifiers: [{ type: 'dns', value: 'nonce.test' }] })
    const answers: [number, string][] = [
      [201, await post(`${root}/new-order`, await good())],
      [200, await post(by.kid ?? '', await by.jws(by.kid ?? '', ''))],
      [400, await post(`${root}/new-order`, '{}')],
      [400, await post(`${root}/new-order`, '')],
      [400, await post(`${root}/new-order`, await by.jws(`${root}/new-order`, {}, { header: { nonce: 'AAAA' } }))],
      [401, await post(ended.kid ?? '', await ended.jws(ended.kid ?? '', ''))],
      [403, await post(`${root}/new-order`, await by.jws(`${root}/new-authz`, {}))],
      [404, await post(`${root}/no-such-thing`, await by.jws(`${root}/no-such-thing`, {}))],
      [400, await post(`${BASE_URL}/acme/nobody/new-order`, '')],
      [404, await post(`${BASE_URL}/acme/%00/new-order`, '')],
      [405, await post(`${root}/renewal-info/AAAA.AAAA`, await good())],
      [413, await post(`${root}/new-order`, 'x'.repeat(70_000))],
      [415, await post(`${root}/new-order`, await good(), ['Content-Type: application/json'])],
      [415, await post(`${root}/new-order`, await good(), [])],
    ]
    for (const [status, answer] of answers) {
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      const nonces = [...answer.matchAll(/^Replay-Nonce: ([A-Za-z0-9_-]+)\r$/gim)].map((match) => match[1])
      expect(nonces, answer).toHaveLength(1)
      const header = { nonce: nonces[0] }
      expect((await by.post(by.kid ?? '', '', { header })).status, answer).toBe(200)
    }
  })

  it('wire 8: bodies are sent as they are, without a charset on the chain, whatever the client would take', async () => {
    const by = await client()
    acme.app.serveChallenges(by)
    const order = await by.order(['plain.localhost'])
    await by.answer(order, 'http-01')
    const { json } = await by.finalize(order, (await newCsr(['plain.localhost'])).der)
    const headers = ['Content-Type: application/jose+json', 'Accept-Encoding: gzip, br', 'Accept: text/html']
    const url = String(json.certificate)
    const answers: [string, string][] = [
      ['application/pem-certificate-chain', await post(url, await by.jws(url, ''), headers)],
      ['application/json', await post(order.url, await by.jws(order.url, ''), headers)],
      ['application/problem+json', await post(order.url, await by.jws(order.url, {}), headers)],
    ]
    for (const [type, answer] of answers) {
      expect(answer.match(/^Content-Type: (.*)\r$/im)?.[1]).toBe(type)
      expect(answer).not.toMatch(/^(Content-Encoding|Transfer-Encoding):/im)
    }
  })

  it('wire 9: header names in any letter case, and header values in ASCII', async () => {
    const by = await client()
    const body = await by.jws(`${root}/new-order`, { identifiers: [{ type: 'dns', value: 'bücher.test' }] })
    for (const name of ['content-type', 'CONTENT-TYPE', 'cOnTeNt-TyPe']) {
      const answer = await post(`${root}/new-order`, body, [`${name}: application/jose+json`])
      expect(answer).not.toMatch(/^HTTP\/1\.1 415/)
      expect(answer.split('\r\n\r\n')[0]).toMatch(/^[\x20-\x7e\r\n]*$/)
    }
  })

  it('wire 13: a client may leave out User-Agent, and ask for any language', async () => {
    const by = await client()
    const body = await by.jws(by.kid ?? '', '')
    const headers = ['Content-Type: application/jose+json', 'Accept-Language: tlh, *;q=0.1']
    const answer = await post(by.kid ?? '', body, headers)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toMatch(/^Access-Control-Allow-Origin: \*\r$/im)
  })

  it('a request in chunks is read like any other', async () => {
    const by = await client()
    const body = await by.jws(`${root}/new-order`, { identifiers: [{ type: 'dns', value: 'chunks.test' }] })
    const chunks = [body.slice(0, 100), body.slice(100)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`)
    const head = ['Content-Type: application/jose+json', 'Transfer-Encoding: chunked']
    const answer = await raw(['POST /acme/default/new-order HTTP/1.1', ...head], `${chunks.join('')}0\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 201 /)
  })
})

describe('answers of ACME', () => {
  const acme = useAcme(openSqlite)

  it('wire 11: 201 where something was made, 200 everywhere else, and never a redirect', async () => {
    const client = await acme.app.client({ register: false })
    acme.app.serveChallenges(client)
    const identifiers = [{ type: 'dns', value: 'codes.localhost' }]
    const made = await client.register()
    const known = await client.register()
    const authorization = await client.post(client.directory.newAuthz ?? '', { identifier: identifiers[0] })
    const ordered = await client.post(client.directory.newOrder ?? '', { identifiers })
    for (const reply of [made, authorization, ordered]) {
      expect(reply.status).toBe(201)
      expect(reply.headers.get('location')).toMatch(/^https:\/\/acme\.test\//)
    }
    const order = { ...ordered.json, url: ordered.headers.get('location') ?? '' } as Parameters<typeof client.answer>[0]
    const read = [known, await client.post(order.url), await client.post(order.authorizations[0] ?? '')]
    const answered = await client.answer(order, 'http-01')
    const finalized = await client.finalize(order, (await newCsr(['codes.localhost'])).der)
    const chain = await client.post(String(finalized.json.certificate))
    const others = [await client.post(`${client.kid}/orders`), await client.post(client.kid ?? '', { contact: [] })]
    for (const reply of [...read, ...answered, finalized, chain, ...others]) {
      expect(reply.status).toBe(200)
      if (reply !== known && reply !== finalized && reply !== read[1]) expect(reply.headers.has('location')).toBe(false)
    }
  })

  it('wire 46: in an authorization that is decided no other state stands than its own', async () => {
    const client = await acme.app.client()
    const states = async (name: string): Promise<string[]> => {
      const { authorizations } = await client.order([name])
      const { json } = await client.post(authorizations[0] ?? '')
      const [challenge] = json.challenges as { url: string; token: string }[]
      const page = `/.well-known/acme-challenge/${challenge?.token}`
      const good = name.startsWith('good')
      acme.app.pages.set(page, good ? `${challenge?.token}.${client.key.thumbprint}` : 'wrong')
      await client.post(challenge?.url ?? '', {})
      const { text } = await client.post(authorizations[0] ?? '')
      return [...new Set([...text.matchAll(/"status":"(\w+)"/g)].map((match) => match[1] ?? ''))]
    }
    expect(await states('good.localhost')).toEqual(['valid'])
    expect(await states('bad.localhost')).toEqual(['invalid'])
  })

  it('wire 29: an xn-- label must be an A-label (RFC 8555 section 7.1.4)', async () => {
    const client = await acme.app.client()
    for (const name of ['xn--bcher-kva.test', 'xn--fiqs8s', '*.xn--bcher-kva.test', 'XN--BCHER-KVA.test'])
      expect((await client.order([name])).identifiers).toEqual([{ type: 'dns', value: name }])
    for (const name of ['xn--.test', 'xn--a.test', 'xn---.test', 'xn--\u00fc.test', 'a.xn--99999999.test']) {
      const identifiers = [{ type: 'dns', value: name }]
      expectProblem(await client.post(client.directory.newOrder ?? '', { identifiers }), 400, 'malformed')
    }
  })

  it('wire 51: a refusal of each kind has type, detail and status, and no identifier at its top (section 6.7.1)', async () => {
    const client = await acme.app.client()
    const order = async (value: string): Promise<Reply> =>
      client.post(client.directory.newOrder ?? '', { identifiers: [{ type: 'dns', value }] })
    const replies = [
      await order('under_score.test'),
      await client.post(client.directory.newOrder ?? '', { identifiers: [{ type: 'x', value: 'y' }] }),
      await client.post(client.directory.newOrder ?? '', {}, { header: { alg: 'none' } }),
      await client.post(`${root}/nothing`, {}),
    ]
    for (const { json, status, headers } of replies) {
      expect(json).toMatchObject({ type: expect.stringContaining(':error:'), detail: expect.any(String), status })
      expect(json).not.toHaveProperty('identifier')
      expect(headers.get('content-type')).toBe('application/problem+json')
      for (const problem of (json.subproblems ?? []) as Json[])
        expect(problem).toMatchObject({ type: expect.stringContaining(':error:'), detail: expect.any(String) })
    }
  })

  it('section 6.3: a payload of {} is no POST-as-GET, at any resource that is read so', async () => {
    const { client, order } = await acme.app.ready(['read.localhost'], {
      client: await acme.app.client({ key: newKey('EdDSA') }),
    })
    const { json } = await client.finalize(order, (await newCsr(['read.localhost'])).der)
    const urls = [order.url, order.authorizations[0], json.certificate, `${client.kid}/orders`, `${root}/directory`]
    for (const url of [...urls, `${root}/new-nonce`])
      expectProblem(await client.post(String(url), {}), 400, 'malformed')
  })
})
