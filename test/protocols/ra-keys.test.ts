import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { certificateFacts } from '../../src/pki/certificateFacts.ts'
import { auto, type Person, type Place, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const spec = (data: string, name = 'keySpec') => [{ name, contentType: 'string', content: [{ data }] }]
const names = (host: string) => [
  { name: 'commonName', content: [{ data: host }] },
  { name: 'organization', content: [{ data: 'Shop' }] },
  { name: 'subjectAltName', content: [{ data: `DNS:${host},IP:192.0.2.9` }] },
]

describe('keys that the server holds', () => {
  const rest = useRaApp()
  let keeper: Person
  let shop: string
  let store: string
  let profile: string
  let keys: string
  let number = 0

  beforeAll(async () => {
    const { app } = rest
    keeper = await app.person('keeper', { capabilities: ['manage', 'create_cert'] })
    const { groups } = app.world.core.as(asRequester(app.admin))
    shop = (await groups.create({ name: 'shop' })).uuid
    await groups.addMember({ uuid: shop }, 'operator')
    store = (await app.call('get', '/v1/tokens')).json[0].uuid
    const made = await app.call('post', `/v1/tokens/${store}/tokenProfiles`, {
      by: app.admin,
      body: {
        name: 'web',
        enabled: true,
        attributes: [{ name: 'keySpecs', content: [{ data: 'P-256' }, { data: 'RSA-2048' }] }],
      },
    })
    expect(made.status).toBe(201)
    profile = made.json.uuid
    expect(made.headers.get('location')).toBe(`https://ra.test/api/v1/tokens/${store}/tokenProfiles/${profile}`)
    keys = `/v1/tokens/${store}/tokenProfiles/${profile}/keys/keyPair`
  })

  async function key(more: object = {}) {
    const body = {
      name: `key ${++number}`,
      description: 'x',
      attributes: [],
      enabled: true,
      groupUuids: [shop],
      ...more,
    }
    const made = await rest.app.call('post', keys, { by: keeper, body })
    expect([made.status, made.text]).toEqual([201, made.text])
    return made.json
  }

  const issue = (
    keyUuid: string,
    { place = rest.app.place, ...more }: { place?: Place; [name: string]: unknown } = {},
  ) =>
    rest.app.call('post', `${place.path}/certificates`, {
      body: { attributes: [], keyUuid, tokenProfileUuid: profile, csrAttributes: names('a.test'), ...more },
    })

  const detail = async (uuid: string) => (await rest.app.call('get', `/v1/certificates/${uuid}`)).json
  const state = async (uuid: string) => (await rest.app.call('get', `/v1/keys/${uuid}`)).json.items[0].state
  const act = (place: Place, uuid: string, verb: string, body?: object) =>
    rest.app.call('post', `${place.path}/certificates/${uuid}/${verb}`, body === undefined ? {} : { body })

  it('has a token instance and token profiles, which administrators write', async () => {
    const { app } = rest
    expect((await app.call('get', `/v1/tokens/${store}`)).json).toMatchObject({ name: 'local', tokenProfiles: 1 })
    expect((await app.call('get', '/v1/tokenProfiles?enabled=true')).json).toMatchObject([
      { uuid: profile, name: 'web' },
    ])
    expect((await app.call('get', '/v1/tokenProfiles?enabled=false')).json).toEqual([])
    const one = `/v1/tokens/${store}/tokenProfiles/${profile}`
    expect((await app.call('get', one)).json.keySpecs).toEqual(['P-256', 'RSA-2048'])
    expect((await app.call('get', `/v1/tokens/${store}/tokenProfiles/attributes`)).json[0].name).toBe('keySpecs')
    const body = { name: 'more', attributes: spec('P-384', 'keySpecs') }
    const at = `/v1/tokens/${store}/tokenProfiles`
    expect((await app.call('post', at, { by: keeper, body })).status).toBe(403)
    expect((await app.call('post', at, { by: app.stranger, body })).status).toBe(404)
    const wrong = { name: 'more', attributes: spec('RSA-512', 'keySpecs') }
    expect((await app.call('post', at, { by: app.admin, body: wrong })).status).toBe(422)
    expect((await app.call('post', at, { by: app.admin, body: { name: 'x', attributes: [] } })).status).toBe(422)
    const made = await app.call('post', at, { by: app.admin, body })
    expect((await app.call('post', at, { by: app.admin, body })).status).toBe(409)
    expect((await app.call('patch', `${at}/${made.json.uuid}/enable`, { by: app.admin })).status).toBe(204)
    expect((await app.call('get', `${at}/${made.json.uuid}`)).json.enabled).toBe(true)
    expect((await app.call('patch', `${at}/${made.json.uuid}/disable`, { by: app.admin })).status).toBe(204)
    expect((await app.call('delete', `${at}/${made.json.uuid}`, { by: app.admin })).status).toBe(204)
    expect((await app.call('get', `${at}/${made.json.uuid}`)).status).toBe(404)
    expect((await app.call('delete', `/v1/tokenProfiles/${made.json.uuid}`, { by: app.admin })).status).toBe(404)
    expect((await app.call('get', one, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', '/v1/tokenProfiles', { by: app.stranger })).json).toEqual([])
  })

  it('makes keys, lists and shows them, and never a private one', async () => {
    const { app } = rest
    const made = await key({ attributes: spec('RSA-2048') })
    expect(made.items).toMatchObject([
      { type: 'Private', keyAlgorithm: 'RSA', length: 2048, usage: ['sign'], state: 'active', enabled: true },
      { type: 'Public', usage: ['verify'] },
    ])
    expect(made).toMatchObject({ owner: 'keeper', tokenProfileName: 'web', associations: 0 })
    expect(made.publicKey).toContain('BEGIN PUBLIC KEY')
    const page = await app.call('post', '/v1/keys', { body: { itemsPerPage: 1, pageNumber: 1 } })
    expect(page.json).toMatchObject({ cryptographicKeys: [{ uuid: made.uuid }], totalItems: number, itemsPerPage: 1 })
    expect((await app.call('get', `/v1/keys/pairs?tokenProfileUuid=${profile}`)).json[0].uuid).toBe(made.uuid)
    expect((await app.call('get', `${keys}/attributes`)).json[0].content).toHaveLength(2)
    const shown = await app.call('get', `/v1/tokens/${store}/keys/${made.uuid}`)
    expect(shown.json).toEqual(made)
    expect(page.text + shown.text).not.toMatch(/PRIVATE|sealed/)
  })

  it('refuses who may not, what is not allowed, and foreign keys as unknown ones', async () => {
    const { app } = rest
    const body = { name: 'no', attributes: [] }
    expect((await app.call('post', keys, { body })).status).toBe(403)
    expect((await app.call('post', keys, { by: app.stranger, body })).status).toBe(404)
    const attributes = spec('P-521')
    expect((await app.call('post', keys, { by: keeper, body: { ...body, attributes } })).status).toBe(422)
    const secret = keys.replace('keyPair', 'secret')
    expect((await app.call('post', secret, { by: keeper, body })).status).toBe(422)
    const { uuid } = await key()
    const foreign = await app.call('get', `/v1/keys/${uuid}`, { by: app.stranger })
    const unknown = await app.call('get', '/v1/keys/nothing', { by: app.stranger })
    expect([foreign.status, foreign.json]).toEqual([unknown.status, unknown.json])
    expect((await app.call('patch', `/v1/keys/${uuid}/destroy`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('patch', `/v1/keys/${uuid}/destroy`)).status).toBe(403)
    expect((await app.call('get', `/v1/tokens/${profile}/keys/${uuid}`)).status).toBe(404)
    expect((await app.call('post', '/v1/keys', { body: { itemsPerPage: 0 } })).status).toBe(422)
    expect((await app.call('post', '/v1/keys', { body: { pageNumber: 'one' } })).status).toBe(400)
    expect((await app.call('get', '/v1/keys/pairs', { by: null })).status).toBe(401)
  })

  it('orders by a key: the request is made of csrAttributes and signed by it', async () => {
    const { app } = rest
    const asked = await app.call('get', '/v1/certificates/csr/attributes')
    expect(asked.json.map(({ name }: { name: string }) => name)).toContain('subjectAltName')
    const made = await key({ attributes: spec('RSA-2048') })
    const signatureAttributes = [{ name: 'data_sigDigest', content: [{ data: 'SHA-384' }] }]
    const ordered = await issue(made.uuid, { signatureAttributes })
    expect([ordered.status, ordered.text]).toEqual([200, ordered.text])
    const facts = certificateFacts(Buffer.from(ordered.json.certificateData, 'base64'))
    expect(facts.alternativeNames).toMatchObject({ dNSName: ['a.test'], iPAddress: ['192.0.2.9'] })
    const shown = await detail(ordered.json.uuid)
    expect(shown).toMatchObject({
      state: 'issued',
      privateKeyAvailability: true,
      key: { uuid: made.uuid, associations: 1 },
    })
    expect(shown).not.toHaveProperty('altKey')
    expect(shown.certificateRequest).toMatchObject({
      keyUuid: made.uuid,
      signatureAlgorithm: 'sha384WithRSAEncryption',
      subjectDn: 'CN=a.test,O=Shop',
    })
  })

  it('refuses orders that name no key, a foreign one, both, or one that is off', async () => {
    const { app } = rest
    const { uuid } = await key()
    const { path } = app.place
    const none = await app.call('post', `${path}/certificates`, { body: { attributes: [], keyUuid: uuid } })
    expect(none.status).toBe(422)
    expect(none.json[0]).toMatch(
      /^Cannot submit certificate request without specifying key or uploaded request content/,
    )
    expect((await issue('nothing')).status).toBe(404)
    expect((await issue(uuid, { tokenProfileUuid: store })).status).toBe(404)
    expect((await issue(uuid, { request: 'MAA=' })).status).toBe(422)
    expect((await issue(uuid, { csrAttributes: [{ name: 'colour', content: [{ data: 'red' }] }] })).status).toBe(422)
    expect((await issue(uuid, { csrAttributes: [{ name: 'subjectAltName', content: [{ data: 'x' }] }] })).status).toBe(
      400,
    )
    const digest = [{ name: 'data_sigDigest', content: [{ data: 'SHA-512' }] }]
    expect((await issue(uuid, { signatureAttributes: digest })).status).toBe(422)
    expect((await issue('\u0000')).status).toBe(422)
    expect((await app.call('patch', `/v1/keys/${uuid}/disable`, { by: keeper })).status).toBe(204)
    expect((await issue(uuid)).status).toBe(422)
    expect((await app.call('patch', `/v1/keys/${uuid}/enable`, { by: keeper })).status).toBe(204)
    expect((await issue(uuid)).status).toBe(200)
  })

  it('signs for its owner, its groups and who manages keys alone', async () => {
    const { app } = rest
    const beside = await app.person('beside', { capabilities: ['create_cert', 'read'] })
    const { uuid } = await key()
    const body = { attributes: [], keyUuid: uuid, tokenProfileUuid: profile, csrAttributes: names('a.test') }
    const refused = await app.call('post', `${app.place.path}/certificates`, { body, by: beside })
    expect([refused.status, refused.json.code]).toEqual([403, 'ACCESS_DENIED'])
    expect((await issue(uuid)).status).toBe(200)
  })

  it('stores a request by a key, to be issued later', async () => {
    const { app } = rest
    const { uuid } = await key()
    const body = {
      raProfileUuid: app.place.profile,
      keyUuid: uuid,
      tokenProfileUuid: profile,
      csrAttributes: names('later.test'),
      issueAttributes: [],
    }
    const stored = await app.call('post', '/v1/certificates/create', { body })
    expect(stored.json).toMatchObject({ state: 'requested', certificateRequest: { keyUuid: uuid } })
    expect((await app.call('patch', `/v1/keys/${uuid}/destroy`, { by: keeper })).status).toBe(422)
    expect((await act(app.place, stored.json.uuid, 'issue')).status).toBe(200)
    expect((await detail(stored.json.uuid)).state).toBe('issued')
  })

  it('rekeys by another key, or by a new one where the old one is here', async () => {
    const { app } = rest
    const old = await key()
    const ordered = (await issue(old.uuid)).json.uuid
    const same = await act(app.place, ordered, 'rekey', { keyUuid: old.uuid })
    expect([same.status, same.json]).toEqual([
      422,
      ['Rekey operation not permitted. Cannot use same key to rekey certificate'],
    ])
    const other = await key()
    const next = await act(app.place, ordered, 'rekey', { keyUuid: other.uuid, tokenProfileUuid: profile })
    expect((await detail(next.json.uuid)).key.uuid).toBe(other.uuid)
    const fresh = await act(app.place, ordered, 'rekey', {})
    const made = (await detail(fresh.json.uuid)).key
    expect([old.uuid, other.uuid]).not.toContain(made.uuid)
    expect(made.name).toContain(old.name)
    const again = { body: {}, headers: { 'idempotency-key': 'once' } }
    const path = `${app.place.path}/certificates/${ordered}/rekey`
    const twice = await Promise.all([app.call('post', path, again), app.call('post', path, again)])
    const total = async () => (await app.call('post', '/v1/keys', { body: {} })).json.totalItems
    const before = await total()
    twice.push(await app.call('post', path, again))
    expect(new Set(twice.map(({ json }) => json.uuid)).size).toBe(1)
    expect([await total(), before]).toEqual([number + 2, number + 2])
    const bare = await Promise.all([act(app.place, ordered, 'rekey', {}), act(app.place, ordered, 'rekey', {})])
    expect(new Set([...bare, fresh].map(({ json }) => json.uuid)).size).toBe(1)
    expect(await total()).toBe(number + 2)
    const told = await app.call('get', '/v1/countersign/audit?subjectKind=key_pair&limit=1', { by: app.admin })
    expect(told.json.events).toMatchObject([{ action: 'key_pair.created', details: { reason: 'rekey' } }])
    const request = (await newCsr(['away.test'])).der.toString('base64')
    const away = await app.call('post', `${app.place.path}/certificates`, { body: { request, attributes: [] } })
    const lost = await act(app.place, away.json.uuid, 'rekey', {})
    expect([lost.status, lost.json]).toEqual([
      422,
      ['Key UUID is not provided in the request and old certificate does not have key reference'],
    ])
    expect((await detail(away.json.uuid)).privateKeyAvailability).toBe(false)
  })

  it('destroys the key with the revocation, after approval and not before', async () => {
    const { app } = rest
    const place = await app.save('keys-wait', { rules: { issue: auto, rekey: auto, renew: auto, revoke: waits } })
    const { uuid } = await key()
    const ordered = (await issue(uuid, { place })).json.uuid
    expect((await act(place, ordered, 'revoke', { attributes: [], destroyKey: true })).status).toBe(204)
    expect([await state(uuid), (await detail(ordered)).state]).toEqual(['active', 'pending_approval'])
    const [waiting] =
      (await app.call('get', '/v1/countersign/revokeRequests?status=requested', { by: app.approver })).json.requests ??
      []
    const path = `/v1/countersign/revokeRequests/${waiting.uuid}`
    const { review, findings } = (await app.call('get', path, { by: app.approver })).json
    expect(findings).toMatchObject([{ check: 'destroyKey' }])
    await app.call('post', `${path}/approve`, { by: app.approver, body: { hash: review.hash } })
    expect([await state(uuid), (await detail(ordered)).state]).toEqual(['destroyed', 'revoked'])
    expect((await detail(ordered)).privateKeyAvailability).toBe(false)
    expect((await issue(uuid)).status).toBe(422)
  })

  it('says when it cannot destroy the key: it is not here, or another certificate uses it', async () => {
    const { app } = rest
    const { uuid } = await key()
    const [one, two] = [(await issue(uuid)).json.uuid, (await issue(uuid)).json.uuid]
    const body = { attributes: [], destroyKey: true }
    const used = await act(app.place, one, 'revoke', body)
    expect(used.status).toBe(422)
    expect(used.json[0]).toMatch(/certificate [0-9a-f]+ uses it/)
    expect((await act(app.place, one, 'revoke', { attributes: [] })).status).toBe(204)
    expect((await act(app.place, two, 'revoke', body)).status).toBe(204)
    expect(await state(uuid)).toBe('destroyed')
    const request = (await newCsr(['own.test'])).der.toString('base64')
    const own = await app.call('post', `${app.place.path}/certificates`, { body: { request, attributes: [] } })
    const elsewhere = await act(app.place, own.json.uuid, 'revoke', body)
    expect(elsewhere.json[0]).toMatch(/not held here/)
  })
})
