import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const root = `${BASE_URL}/acme/default`
const id = '01890000-0000-7000-8000-000000000000'
const resources = [
  'directory',
  'new-nonce',
  'new-account',
  'new-order',
  `account/${id}`,
  `account/${id}/orders`,
  `order/${id}`,
  `order/${id}/finalize`,
  `authz/${id}`,
  `challenge/${id}/http-01`,
  `certificate/${id}`,
  'revoke-cert',
]
const posts = resources.slice(2)

describe('ACME transport', () => {
  const acme = useAcme(openSqlite)

  it('wire 1: newNonce answers HEAD with 200 and GET with 204, uncached, without a body (RFC 8555 section 7.2)', async () => {
    const client = await acme.app.client({ register: false })
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
    ] as const) {
      const reply = await client.get(`${root}/new-nonce`, method)
      expect(reply.status).toBe(status)
      expect(reply.text).toBe('')
      expect(reply.headers.get('cache-control')).toBe('no-store')
      expect(reply.headers.get('replay-nonce')).toMatch(/^[A-Za-z0-9_-]{36}$/)
      expect(reply.headers.get('link')).toBe(`<${root}/directory>;rel="index"`)
    }
  })

  it('wire 1: POST-as-GET reads newNonce and the directory (RFC 8555 section 6.3)', async () => {
    const client = await acme.app.client()
    expect((await client.post(`${root}/new-nonce`)).status).toBe(200)
    const directory = await client.post(`${root}/directory`)
    expect(directory.json).toEqual(client.directory)
    expect(directory.headers.get('replay-nonce')).toBeTruthy()
    expectProblem(await client.post(`${root}/new-nonce`, {}), 400, 'malformed', /POST-as-GET/)
  })

  it('wire 12: the directory holds what is served and nothing else, on absolute https URLs (section 7.1.1, wire 10)', async () => {
    const client = await acme.app.client({ register: false })
    const { headers, json, status } = await client.get(`${root}/directory`)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('link')).toBeUndefined()
    expect(headers.get('cache-control')).toMatch(/max-age=/)
    expect(json).toEqual({
      newNonce: `${root}/new-nonce`,
      newAccount: `${root}/new-account`,
      newAuthz: `${root}/new-authz`,
      newOrder: `${root}/new-order`,
      revokeCert: `${root}/revoke-cert`,
      keyChange: `${root}/key-change`,
      renewalInfo: `${root}/renewal-info`,
    })
  })

  it('wire 12: meta shows terms of service and website where the profile has them', async () => {
    const options = { termsOfService: 'https://ca.test/terms', website: 'https://ca.test/' }
    await acme.app.world.save('terms', { protocols: { acme: options } })
    const client = await acme.app.client({ profile: 'terms', register: false })
    expect(client.directory).toMatchObject({ meta: options })
  })

  it('a profile that does not exist, is built in or does not serve ACME is not found', async () => {
    await acme.app.world.save('no-acme', { protocols: {} })
    const client = await acme.app.client({ register: false })
    for (const name of ['nobody', 'no-acme', '@system', 'UPPER', '%00', 'a%2Fb']) {
      const reply = await client.get(`${BASE_URL}/acme/${name}/directory`)
      expect(reply.status).toBe(404)
      expect(reply.headers.get('content-type')).toBe('application/problem+json')
      const url = `${BASE_URL}/acme/${name}/new-account`
      expectProblem(await client.post(url, {}), 404, 'malformed')
    }
  })

  it('wire 2 and 22: GET, PUT and DELETE of what is read by POST-as-GET are 405 with Allow (section 6.3)', async () => {
    const client = await acme.app.client({ register: false })
    for (const path of posts) {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
        const reply = await client.get(`${root}/${path}`, method)
        expect(reply.status, path).toBe(405)
        expect(reply.json).toMatchObject({ type: 'urn:ietf:params:acme:error:malformed', status: 405 })
        expect(reply.headers.get('allow')).toBe('POST, OPTIONS')
      }
    }
    const reply = await client.get(`${root}/new-nonce`, 'DELETE')
    expect(reply.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS')
  })

  it('wire 2 and 51: an unknown path is a problem document with a nonce', async () => {
    const client = await acme.app.client()
    for (const path of [
      '',
      'nothing',
      'new-order/',
      'key-changes',
      'new-authzs',
      'renewal-info',
      'order',
      'challenge/x',
    ])
      expectProblem(await client.post(`${root}/${path}`, {}), 404, 'malformed')
  })

  it('wire 7: another content type is 415, whatever the resource; parameters and letter case do not matter', async () => {
    const client = await acme.app.client()
    for (const path of posts) {
      const url = `${root}/${path}`
      for (const type of ['application/json', 'application/jose', 'text/plain', ''])
        expectProblem(await client.post(url, '', { headers: { 'content-type': type } }), 415, 'malformed')
    }
    const headers = { 'content-type': 'Application/JOSE+JSON; charset=utf-8' }
    const reply = await client.post(
      `${root}/new-order`,
      { identifiers: [{ type: 'dns', value: 'a.test' }] },
      { headers },
    )
    expect(reply.status).toBe(201)
  })

  it('wire 14: an empty body is malformed, one over 64 KiB is 413', async () => {
    const client = await acme.app.client()
    for (const path of posts) {
      expectProblem(await client.send(`${root}/${path}`, ''), 400, 'malformed')
      const large = await client.send(`${root}/${path}`, Buffer.alloc(65_537, 0x20))
      expectProblem(large, 413, 'malformed')
      expect(large.headers.get('connection')).toBe('close')
    }
  })

  it('wire 13: browsers may call: CORS headers on answers and a preflight (section 6.1)', async () => {
    const client = await acme.app.client()
    const preflight = await client.get(`${root}/new-order`, 'OPTIONS')
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('Content-Type')
    for (const reply of [await client.get(`${root}/directory`), await client.post(`${root}/new-order`, {})]) {
      expect(reply.headers.get('access-control-allow-origin')).toBe('*')
      expect(reply.headers.get('access-control-expose-headers')).toBe('Link, Location, Replay-Nonce, Retry-After')
    }
  })

  it('wire 5, 6 and 31: each answer of an issuance has its links, its location and no empty members', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const index = `<${root}/directory>;rel="index"`
    const reply = await client.post(`${root}/new-order`, { identifiers: [{ type: 'dns', value: 'links.localhost' }] })
    expect(reply.headers.get('link')).toBe(index)
    const url = reply.headers.get('location') ?? ''
    expect(url).toMatch(/^https:\/\/acme\.test\/acme\/default\/order\/[0-9a-f-]{36}$/)
    const order = { ...(reply.json as { authorizations: string[]; finalize: string; status: string }), url }
    const [answer] = await client.answer(order, 'http-01')
    expect(answer?.headers.get('link')?.split(/,\s*/)).toEqual([index, `<${order.authorizations[0]}>;rel="up"`])
    const done = await client.finalize(order, (await newCsr(['links.localhost'])).der)
    expect(done.headers.get('location')).toBe(url)
    const polled = await client.post(url)
    expect(polled.json).toEqual(done.json)
    const chain = await client.post(String(done.json.certificate))
    expect(chain.headers.get('link')).toBe(index)
    expect(chain.headers.get('location')).toBeUndefined()
    for (const answered of [reply, answer, done]) expect(answered?.text).not.toMatch(/null|""/)
  })
})
