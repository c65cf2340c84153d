import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient } from '../helpers/acmeClient.ts'
import { useAcmeListener } from '../helpers/acmeListener.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const root = `${BASE_URL}/acme/default`
const newOrder = `${root}/new-order`
const payload = { identifiers: [{ type: 'dns', value: 'strict.test' }] }

/** Status and error type of an answer as it came. */
function read(answer: string): [number, string | undefined] {
  const type = /"type":"urn:ietf:params:acme:error:(\w+)"/.exec(answer)?.[1]
  return [Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), type]
}

interface Parts {
  protected: string
  payload: string
  signature: string
}

describe('requests that are no JWS of RFC 8555 section 6.2, over a real HTTPS listener', () => {
  const acme = useAcme(openSqlite)
  const { client, raw, post } = useAcmeListener(acme)

  const bodies: [string, (parts: Parts, text: string) => string | Buffer][] = [
    ['in compact serialization', (jws) => `${jws.protected}.${jws.payload}.${jws.signature}`],
    ['with its signature in a list', ({ payload, ...rest }) => JSON.stringify({ payload, signatures: [rest] })],
    ['with a second signature in a list', (jws) => JSON.stringify({ ...jws, signatures: [jws] })],
    ['in a list', (jws) => JSON.stringify([jws])],
    ['twice', (_, text) => text + text],
    ['as text', (_, text) => JSON.stringify(text)],
    ['with a byte order mark', (_, text) => `\ufeff${text}`],
    ['in UTF-16', (_, text) => Buffer.from(text, 'utf16le')],
    ['compressed', (_, text) => gzipSync(text)],
    ['as a form', (jws) => new URLSearchParams({ ...jws }).toString()],
    ['with padding in its payload', (jws) => JSON.stringify({ ...jws, payload: `${jws.payload}=` })],
    ['with padding in its signature', (jws) => JSON.stringify({ ...jws, signature: `${jws.signature}==` })],
    ['with a line break in its payload', (jws) => JSON.stringify({ ...jws, payload: `${jws.payload}\n` })],
    ['with a blank in its signature', (jws) => JSON.stringify({ ...jws, signature: ` ${jws.signature}` })],
    ['with its header as an object', (jws) => JSON.stringify({ ...jws, protected: {} })],
    ['with its header unprotected', ({ protected: header, ...jws }) => JSON.stringify({ ...jws, header })],
    ['with names in other letter case', (jws) => JSON.stringify(jws).replace('protected', 'Protected')],
    ['with the header of another request', (jws) => JSON.stringify({ ...jws, protected: 'e30' })],
  ]
  it.each(bodies)('one %s is malformed', async (_name, make) => {
    const by = await client()
    const text = await by.jws(newOrder, payload)
    expect(read(await post(newOrder, make(JSON.parse(text) as Parts, text)))).toEqual([400, 'malformed'])
  })

  it('a body that says it is compressed is none, whatever it holds', async () => {
    const by = await client()
    const headers = ['Content-Type: application/jose+json', 'Content-Encoding: gzip']
    expect(read(await post(newOrder, gzipSync(await by.jws(newOrder, payload)), headers))).toEqual([400, 'malformed'])
  })

  it.each([
    'application/jose+jsonx',
    'application/jose+json, text/plain',
    'text/plain; type="application/jose+json"',
    'application/jose +json',
    '*/*',
  ])('section 6.2: the content type %s is 415', async (type) => {
    const by = await client()
    const answer = await post(newOrder, await by.jws(newOrder, payload), [`Content-Type: ${type}`])
    expect(read(answer)).toEqual([415, 'malformed'])
  })

  it.each(['HEAD', 'GET', 'PUT', 'PATCH', 'DELETE'])('section 6.3: %s of an order is 405', async (method) => {
    const by = await client()
    const { url } = await by.order(['method.test'])
    const answer = await raw([`${method} ${url.slice(BASE_URL.length)} HTTP/1.1`])
    expect(read(answer)[0]).toBe(405)
    expect(answer).toMatch(/^Allow: POST, OPTIONS\r$/im)
  })

  it.each([
    '/acme/default/new%2Dorder',
    '/acme/default//new-order',
    '/acme/default/./new-order',
    '//acme/default/new-order',
  ])('section 6.4: the target %s is not that of the URL that was signed', async (target) => {
    const by = await client()
    const body = await by.jws(newOrder, payload)
    const head = ['Content-Type: application/jose+json', `Content-Length: ${body.length}`]
    const answer = await raw([`POST ${target} HTTP/1.1`, ...head], body)
    expect([403, 404]).toContain(read(answer)[0])
  })

  it('section 6.4: a query that was not signed is another URL', async () => {
    const by = await client()
    expect(read(await post(`${newOrder}?x=1`, await by.jws(newOrder, payload)))).toEqual([403, 'unauthorized'])
  })
})

describe('who signs what (RFC 8555 section 6.2)', () => {
  const acme = useAcme(openSqlite)

  /** Every resource of an account, with a payload that it would take. */
  async function resources(client: AcmeClient): Promise<[string, unknown][]> {
    const { order } = await acme.app.ready(['who.localhost'], { client })
    const pending = await client.order(['other.localhost'])
    const { json } = await client.finalize(order, (await newCsr(['who.localhost'])).der)
    const [authorization = ''] = pending.authorizations
    return [
      [`${root}/directory`, ''],
      [`${root}/new-nonce`, ''],
      [newOrder, payload],
      [`${root}/new-authz`, { identifier: payload.identifiers[0] }],
      [`${root}/key-change`, {}],
      [client.kid ?? '', {}],
      [`${client.kid}/orders`, ''],
      [order.url, ''],
      [pending.finalize, { csr: 'AAAA' }],
      [authorization, ''],
      [`${authorization.replace('/authz/', '/challenge/')}/http-01`, ''],
      [String(json.certificate), ''],
    ]
  }

  it('wire 16: what an account signs is not taken by its key alone', async () => {
    const client = await acme.app.client()
    for (const [url, sent] of await resources(client))
      expectProblem(await client.post(url, sent, { key: client.key }), 400, 'malformed', /kid/)
  })

  it('wire 16: nor by the key of another account under its kid', async () => {
    const client = await acme.app.client()
    const other = await acme.app.client()
    const header = { jwk: undefined, kid: client.kid }
    for (const [url, sent] of await resources(client))
      expectProblem(await client.post(url, sent, { key: other.key, header }), 400, 'malformed', /signature/)
  })

  it('wire 37: nothing of an account is another’s', async () => {
    const client = await acme.app.client()
    const other = await acme.app.client()
    const own = (await resources(client)).filter(([url]) => /account|order\/|authz\/|challenge|certificate/.test(url))
    expect(own).toHaveLength(7)
    for (const [url, sent] of own) expectProblem(await other.post(url, sent), 404, 'malformed')
  })
})

describe('what is too much (RFC 8555 section 7)', () => {
  const acme = useAcme(openSqlite)

  it('an order for more than a thousand names is malformed', async () => {
    const client = await acme.app.client()
    const identifiers = Array.from({ length: 1001 }, (_, at) => ({ type: 'dns', value: `n${at}.test` }))
    expectProblem(await client.post(newOrder, { identifiers }), 400, 'malformed')
  })

  it('more contacts than anybody reads are invalidContact', async () => {
    const client = await acme.app.client()
    const contact = Array.from({ length: 11 }, (_, at) => `mailto:a${at}@example.org`)
    expectProblem(await client.post(client.kid ?? '', { contact }), 400, 'invalidContact')
  })

  it('section 7.3: who sends a contact of another scheme is told which are taken', async () => {
    const client = await acme.app.client()
    expectProblem(await client.post(client.kid ?? '', { contact: ['tel:1'] }), 400, 'unsupportedContact', /mailto/)
  })

  it('section 7.3: what looks like a member of every object is none of ours', async () => {
    const client = await acme.app.client({ register: false })
    const text = '{"__proto__":{"onlyReturnExisting":true},"constructor":{},"toString":1}'
    expect((await client.post(client.directory.newAccount ?? '', text)).status).toBe(201)
  })
})
