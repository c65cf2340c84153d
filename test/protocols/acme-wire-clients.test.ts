import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { Json } from '../helpers/acmeClient.ts'
import { useAcmeListener } from '../helpers/acmeListener.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const root = `${BASE_URL}/acme/default`

/** What clients that ran against other servers sent, and what they stumbled over. */
describe('what clients depend on', () => {
  const acme = useAcme(openSqlite)
  const { raw } = useAcmeListener(acme)

  async function issued(names: string[], options: { subject?: Record<string, string> } = {}) {
    const { client, order } = await acme.app.ready(names)
    const done = await client.finalize(order, (await newCsr(names, options)).der)
    const chain = await client.post(String(done.json.certificate))
    return { client, order, leaf: new X509Certificate(chain.text) }
  }

  it('dehydrated reads the nonce behind one space, and asks before each POST', async () => {
    const answer = await raw(['HEAD /acme/default/new-nonce HTTP/1.1'])
    expect(answer).toMatch(/^Replay-Nonce: [A-Za-z0-9_-]{22,}\r$/im)
  })

  it('a nonce is good for as long as a person takes to change a DNS record', async () => {
    const client = await acme.app.client()
    const nonce = await client.nonce()
    acme.app.world.time.pass(55 * 60_000)
    expect((await client.post(client.kid ?? '', '', { header: { nonce } })).status).toBe(200)
  })

  it('acme-client registers a known key, and sends {} to its account', async () => {
    const client = await acme.app.client()
    const url = client.kid ?? ''
    expect((await client.register()).status).toBe(200)
    const reply = await client.post(url, {})
    expect([reply.status, reply.json.status]).toEqual([200, 'valid'])
  })

  it('python-acme posts the whole account object to find its account', async () => {
    const client = await acme.app.client()
    const { json } = await client.post(client.kid ?? '')
    const reply = await client.register({ ...json, onlyReturnExisting: true, key: client.key.jwk, id: 7 })
    expect(reply.status).toBe(200)
    expect(reply.json).toEqual(json)
  })

  it('certbot sends members of older drafts along', async () => {
    const client = await acme.app.client({ register: false })
    const old = { resource: 'new-reg', type: 'x', onlyReturnExisting: false, contact: [] }
    expect((await client.register({ ...old, termsOfServiceAgreed: true })).status).toBe(201)
    const identifiers = [{ type: 'dns', value: 'old.localhost', resource: 'x' }]
    expect((await client.post(`${root}/new-order`, { resource: 'new-order', identifiers })).status).toBe(201)
  })

  it('certbot --dry-run and lego give authorizations up; the next order has a new, pending one', async () => {
    const { client, order } = await issued(['given-up.localhost'])
    const [url = ''] = order.authorizations
    expect((await client.post(url, { status: 'deactivated' })).json.status).toBe('deactivated')
    expect((await client.post(order.url)).json.status).toBe('valid')
    const next = await client.order(['given-up.localhost'])
    expect(next.status).toBe('pending')
    expect(next.authorizations).not.toContain(url)
  })

  it('lego polls the challenge by POST-as-GET: Link up, and Retry-After, without which it waits five seconds', async () => {
    const client = await acme.app.client()
    const order = await client.order(['poll.localhost'])
    const [url = ''] = order.authorizations
    const [challenge] = (await client.post(url)).json.challenges as Json[]
    const reply = await client.post(String(challenge?.url))
    expect(reply.headers.get('link')).toContain(`<${url}>;rel="up"`)
    expect(reply.headers.get('retry-after')).toBe('1')
  })

  it('a name of more than 64 octets is certified, and not as common name', async () => {
    const long = `${'a'.repeat(60)}.${'b'.repeat(20)}.localhost`
    const { leaf } = await issued([long])
    expect(leaf.subjectAltName).toBe(`DNS:${long}`)
    expect(leaf.subject ?? '').not.toContain('CN=')
  })

  it('dehydrated follows caIssuers, which is plain http', async () => {
    const { leaf } = await issued(['aia.localhost'])
    expect(leaf.infoAccess).toMatch(/CA Issuers - URI:http:\/\//)
    expect(leaf.infoAccess).toMatch(/OCSP - URI:http:\/\//)
  })

  it('certbot and python-acme find the order by the Location of newOrder, and finalize by its URL', async () => {
    const client = await acme.app.client()
    const reply = await client.post(`${root}/new-order`, { identifiers: [{ type: 'dns', value: 'at.localhost' }] })
    const url = reply.headers.get('location') ?? ''
    expect((await client.post(url)).json).toEqual(reply.json)
    expect(reply.json.finalize).toBe(`${url}/finalize`)
  })

  it('Proxmox asks for names beside those of the order: badCSR names each', async () => {
    const { client, order } = await acme.app.ready(['node.localhost'])
    const reply = await client.finalize(order, (await newCsr(['node.localhost', 'extra.localhost'])).der)
    expectProblem(reply, 400, 'badCSR', /extra\.localhost is in the CSR/)
    expect(reply.json.subproblems).toMatchObject([{ identifier: { type: 'dns', value: 'extra.localhost' } }])
  })
})
