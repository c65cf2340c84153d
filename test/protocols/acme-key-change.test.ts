import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acme as protocol } from '../../protocols/acme/index.ts'
import { appTransport, BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { AcmeClient, type Json, type Reply, type Tampering } from '../helpers/acmeClient.ts'
import { type ClientKey, newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { audited } from '../helpers/people.ts'
import { newCsr } from '../helpers/world.ts'

const url = `${BASE_URL}/acme/default/key-change`
const newAccount = `${BASE_URL}/acme/default/new-account`

/** The inner JWS, signed by the new key and without a nonce. */
async function inner(client: AcmeClient, key: ClientKey, payload?: unknown, more: Tampering = {}): Promise<Json> {
  const asked = payload ?? { account: client.kid, oldKey: client.key.jwk }
  const header = { nonce: undefined, ...more.header }
  return JSON.parse(await client.jws(url, asked, { key, ...more, header }))
}

async function change(client: AcmeClient, key: ClientKey): Promise<Reply> {
  return client.post(url, await inner(client, key))
}

/** The same account with another key. */
async function withKey(client: AcmeClient, key: ClientKey, transport = client.transport): Promise<AcmeClient> {
  const other = await new AcmeClient(client.directoryUrl, transport, key).load()
  other.kid = client.kid
  return other
}

describe.each(databases)('ACME account key rollover on $name', ({ open }) => {
  const acme = useAcme(open)

  it('section 7.3.5: the new key takes the account over, the old one stops at once', async () => {
    const client = await acme.app.client()
    await client.post(client.kid ?? '', { contact: ['mailto:a@example.org'] })
    const next = newKey()
    const reply = await change(client, next)
    expect(reply.status).toBe(200)
    expect(reply.json).toEqual({
      status: 'valid',
      contact: ['mailto:a@example.org'],
      orders: `${client.kid}/orders`,
    })
    const renewed = await withKey(client, next)
    expect((await renewed.post(client.kid ?? '')).status).toBe(200)
    expectProblem(await client.post(client.kid ?? ''), 400, 'malformed', /signature/)
    expect((await renewed.post(newAccount, {}, { key: next })).headers.get('location')).toBe(client.kid)
    expectProblem(
      await client.post(newAccount, { onlyReturnExisting: true }, { key: client.key }),
      400,
      'accountDoesNotExist',
    )
  })

  it('wire 28: the old key stops on every node', async () => {
    const client = await acme.app.client()
    const transport = appTransport(protocol.routes({ ...acme.app.host }))
    const elsewhere = await withKey(client, client.key, transport)
    expect((await elsewhere.post(client.kid ?? '')).status).toBe(200)
    const next = newKey()
    expect((await change(client, next)).status).toBe(200)
    expectProblem(await elsewhere.post(client.kid ?? ''), 400, 'malformed', /signature/)
    expect((await (await withKey(client, next, transport)).post(client.kid ?? '')).status).toBe(200)
  })

  it('inner and outer algorithm may differ, and it may be done again', async () => {
    let client = await acme.app.client()
    for (const kind of ['RS256', 'ES384', 'EdDSA', 'ES512', 'PS256', 'ES256'] as const) {
      const next = newKey(kind)
      expect((await change(client, next)).status, kind).toBe(200)
      client = await withKey(client, next)
    }
    expect((await client.post(client.kid ?? '')).status).toBe(200)
  })

  it('pending orders go on: what is proved stays, what is to be proved names the new key (section 8.1)', async () => {
    const client = await acme.app.client()
    const [proved, pending] = [await client.order(['proved.localhost']), await client.order(['pending.localhost'])]
    acme.app.serveChallenges(client)
    await client.answer(proved, 'http-01')
    const next = newKey()
    await change(client, next)
    const renewed = await withKey(client, next)
    expect((await renewed.post(`${client.kid}/orders`)).json.orders).toEqual([pending.url, proved.url])
    const done = await renewed.finalize(proved, (await newCsr(['proved.localhost'])).der)
    expect(done.json.status).toBe('valid')
    acme.app.serveChallenges(renewed)
    const [answer] = await renewed.answer(pending, 'http-01')
    expect(answer?.json.status).toBe('valid')
    expect((await renewed.finalize(pending, (await newCsr(['pending.localhost'])).der)).json.status).toBe('valid')
  })

  it('an approval that waits is for the account and not for its key', async () => {
    const rules = { issue: [{ name: 'people', require: [{ owner: true }] }] }
    await acme.app.world.save('review', { rules })
    const { client, order } = await acme.app.ready(['waits.localhost'], { profile: 'review' })
    await client.finalize(order, (await newCsr(['waits.localhost'])).der)
    const next = newKey()
    const at = `${BASE_URL}/acme/review/key-change`
    const asked = { account: client.kid, oldKey: client.key.jwk }
    const jws = JSON.parse(await client.jws(at, asked, { key: next, header: { nonce: undefined } }))
    expect((await client.post(at, jws)).status).toBe(200)
    expect((await (await withKey(client, next)).post(order.url)).json.status).toBe('processing')
  })

  it('wire 28: the key of another account is refused with 409 and where that is', async () => {
    const [client, other] = [await acme.app.client(), await acme.app.client()]
    const reply = await change(client, other.key)
    expectProblem(reply, 409, 'malformed')
    expect(reply.headers.get('location')).toBe(other.kid)
    expect((await client.post(client.kid ?? '')).status).toBe(200)
  })

  it('section 7.3.5: so is the key that the account has', async () => {
    const client = await acme.app.client()
    const reply = await change(client, client.key)
    expectProblem(reply, 409, 'malformed')
    expect(reply.headers.get('location')).toBe(client.kid)
  })

  it('a key of an account under another profile is free here', async () => {
    await acme.app.world.save('second', {})
    const second = await acme.app.client({ profile: 'second' })
    expect((await change(await acme.app.client(), second.key)).status).toBe(200)
  })

  it('of accounts that take one key at once one gets it', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => acme.app.client()))
    const next = newKey()
    const replies = await Promise.all(clients.map((client) => change(client, next)))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...new Array(5).fill(409)])
    const winner = clients[replies.findIndex(({ status }) => status === 200)]
    for (const { status, headers } of replies) if (status === 409) expect(headers.get('location')).toBe(winner?.kid)
  })

  it('of a key change and a new account with that key one gets it', async () => {
    const client = await acme.app.client()
    const next = newKey()
    const [rolled, registered] = await Promise.all([change(client, next), acme.app.client({ key: next })])
    expect([200, 409]).toContain(rolled.status)
    expect(registered.kid === client.kid).toBe(rolled.status === 200)
  })

  it('of several changes of one account at once one passes', async () => {
    const client = await acme.app.client()
    const keys = Array.from({ length: 6 }, () => newKey())
    const again = await Promise.all(keys.map(() => withKey(client, client.key)))
    const replies = await Promise.all(keys.map((key, at) => change(again[at] ?? client, key)))
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    const winner = keys[replies.findIndex(({ status }) => status === 200)]
    expect((await (await withKey(client, winner ?? client.key)).post(client.kid ?? '')).status).toBe(200)
    for (const reply of replies) if (reply.status !== 200) expect([400, 403]).toContain(reply.status)
  })

  it('is audited with both keys', async () => {
    const client = await acme.app.client()
    const next = newKey()
    await change(client, next)
    const ref = client.kid?.split('/').pop()
    expect((await audited(acme.app.world, 'account.key_changed')).at(-1)).toMatchObject({
      subject_kind: 'account',
      actor: { kind: 'acme-account', ref },
      source_address: '192.0.2.7',
      details: { account: ref, before: client.key.thumbprint, after: next.thumbprint },
    })
  })

  it('a deactivated account changes nothing (section 7.3.6)', async () => {
    const client = await acme.app.client()
    await client.post(client.kid ?? '', { status: 'deactivated' })
    expectProblem(await change(client, newKey()), 401, 'unauthorized')
  })

  it('the outer JWS is by the account, not by a key', async () => {
    const client = await acme.app.client()
    const next = newKey()
    expectProblem(await client.post(url, await inner(client, next), { key: client.key }), 400, 'malformed', /kid/)
    expectProblem(await client.post(url), 400, 'malformed')
  })

  it.each<[string, (client: AcmeClient, key: ClientKey) => Promise<unknown>, string?]>([
    ['no JWS', async () => ({})],
    ['text', async () => 'text'],
    ['a nonce', (client, key) => inner(client, key, undefined, { header: { nonce: 'AAAA' } })],
    ['a nonce that is empty', (client, key) => inner(client, key, undefined, { header: { nonce: '' } })],
    ['another url', (client, key) => inner(client, key, undefined, { header: { url: newAccount } })],
    ['no url', (client, key) => inner(client, key, undefined, { header: { url: undefined } })],
    ['a kid', (client, key) => inner(client, key, undefined, { header: { jwk: undefined, kid: client.kid } })],
    ['jwk and kid', (client, key) => inner(client, key, undefined, { header: { kid: client.kid } })],
    ['neither', (client, key) => inner(client, key, undefined, { header: { jwk: undefined } })],
    ['a MAC', (client, key) => inner(client, key, undefined, { header: { alg: 'HS256' } }), 'badSignatureAlgorithm'],
    ['alg none', (client, key) => inner(client, key, undefined, { header: { alg: 'none' } }), 'badSignatureAlgorithm'],
    [
      'the alg of another key',
      (client, key) => inner(client, key, undefined, { header: { alg: 'RS256' } }),
      'badPublicKey',
    ],
    ['a private key', (client, key) => inner(client, key, undefined, { header: { jwk: secret(key) } }), 'badPublicKey'],
    ['a weak key', (client) => inner(client, newKey('RS256', 1024)), 'badPublicKey'],
    ['a signature by the old key', (client, key) => inner(client, client.key, undefined, { header: { jwk: key.jwk } })],
    ['an empty signature', (client, key) => inner(client, key, undefined, { members: { signature: '' } })],
    ['several signatures', (client, key) => inner(client, key, undefined, { members: { signatures: [] } })],
    ['a payload that is empty', (client, key) => inner(client, key, '')],
    ['no account', (client, key) => inner(client, key, { oldKey: client.key.jwk })],
    ['an account that is no text', (client, key) => inner(client, key, { account: 1, oldKey: client.key.jwk })],
    [
      'another text for the account',
      (client, key) => inner(client, key, { account: `${client.kid}/`, oldKey: client.key.jwk }),
    ],
    [
      'another account',
      async (client, key) => inner(client, key, { account: (await acme.app.client()).kid, oldKey: client.key.jwk }),
    ],
    ['no oldKey', (client, key) => inner(client, key, { account: client.kid })],
    ['another oldKey', (client, key) => inner(client, key, { account: client.kid, oldKey: newKey().jwk })],
    ['the new key as oldKey', (client, key) => inner(client, key, { account: client.kid, oldKey: key.jwk })],
    ['an oldKey that is none', (client, key) => inner(client, key, { account: client.kid, oldKey: { kty: 'EC' } })],
    ['an oldKey that is text', (client, key) => inner(client, key, { account: client.kid, oldKey: 'key' })],
  ])('wire 28: an inner JWS with %s is refused, 400', async (_what, make, type = 'malformed') => {
    const client = await acme.app.client()
    const next = newKey()
    expectProblem(await client.post(url, await make(client, next)), 400, type)
    expect((await client.post(client.kid ?? '')).status).toBe(200)
    expect((await change(client, next)).status).toBe(200)
  })

  it('wire 28: the old key is compared by its members, not as text', async () => {
    const client = await acme.app.client()
    const oldKey = Object.fromEntries(Object.entries({ ...client.key.jwk, kid: 'mine', use: 'sig' }).reverse())
    expect((await client.post(url, await inner(client, newKey(), { account: client.kid, oldKey }))).status).toBe(200)
  })

  it('whatever stands inside, the answer is a problem document', async () => {
    const client = await acme.app.client()
    const key = newKey()
    const parts = await inner(client, key)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('protected', 'payload', 'signature'), fc.jsonValue(), async (member, value) => {
        const text = typeof value === 'string' ? value : Buffer.from(JSON.stringify(value)).toString('base64url')
        for (const tampered of [value, text, randomBytes(20).toString('base64url')])
          expectProblem(await client.post(url, { ...parts, [member]: tampered }), 400, 'malformed')
      }),
      { numRuns: 30 },
    )
    expect((await client.post(client.kid ?? '')).status).toBe(200)
  })
})

function secret(key: ClientKey): Json {
  return key.privateKey.export({ format: 'jwk' }) as Json
}
