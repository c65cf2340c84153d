import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { nameOf } from '../../src/pki/name.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { type Person, type Place, type Sent, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const ALL = '/v1/certificates'

let keeper: Person
let ca: ForeignCa
beforeAll(async () => {
  keeper = await used.app.person('keeper', { capabilities: ['manage', 'read', 'create_cert', 'revoke_cert'] })
  ca = await foreignCa(used.app.world.time.now, { name: 'Elsewhere' })
})

let names = 0
async function order({ path = used.app.place.path, ...more }: Record<string, unknown> = {}) {
  const name = `n${++names}.test`
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [], ...more }
  return used.app.call('post', `${path}/certificates`, { body })
}
const ordered = async (more: Record<string, unknown> = {}): Promise<string> => (await order(more)).json.uuid
const detail = async (uuid: string) => (await used.app.call('get', `${ALL}/${uuid}`)).json
const custom = (name: string, data: unknown, contentType = 'string') => ({ name, contentType, content: [{ data }] })
const foreign = async (draft: Parameters<ForeignCa['issue']>[0] = {}) =>
  (await ca.issue({ subject: nameOf({ CN: `foreign ${++names}` }), ...draft })).der.toString('base64')
const upload = (body: unknown, sent: Sent = {}) => used.app.call('post', `${ALL}/upload`, { body, by: keeper, ...sent })

describe('custom attributes', () => {
  it('come with an order, a request that is only stored, a registration, and go on to what renews it', async () => {
    const { app } = used
    const customAttributes = [custom('team', 'shop'), custom('cost', 7, 'integer')]
    const uuid = await ordered({ customAttributes })
    const shown = [
      { name: 'team', label: 'team', type: 'custom', contentType: 'string', content: [{ data: 'shop' }] },
      {},
    ]
    expect((await detail(uuid)).customAttributes).toMatchObject(shown)
    const renewed = await app.call('post', `${app.place.path}/certificates/${uuid}/renew`)
    expect((await detail(renewed.json.uuid)).customAttributes).toMatchObject(shown)
    const csr = await newCsr([`n${names}.test`], { subject: { CN: `n${names}.test` } })
    const body = { request: csr.der.toString('base64'), customAttributes: [custom('team', 'bank')] }
    const rekeyed = await app.call('post', `${app.place.path}/certificates/${uuid}/rekey`, { body })
    expect((await detail(rekeyed.json.uuid)).customAttributes).toMatchObject([{ content: [{ data: 'bank' }] }])
    const created = await app.call('post', `${ALL}/create`, {
      body: { raProfileUuid: app.place.profile, ...body, issueAttributes: [] },
    })
    expect(created.json.customAttributes).toMatchObject([{ name: 'team' }])
  })

  it('owner and groups come with a registration', async () => {
    const { app } = used
    const group = await app.world.core.as(asRequester(app.admin)).groups.create({ name: 'web' })
    const groupUuid = (await app.world.core.as(asRequester(app.admin)).groups.list()).find(
      ({ name }) => name === 'web',
    )?.uuid
    expect(group).toBeDefined()
    const body = {
      subjectDn: 'CN=r.test',
      customAttributes: [custom('team', 'shop')],
      ownerUuid: keeper.uuid,
      groupUuids: [groupUuid],
    }
    const { json } = await app.call('post', `${app.place.path}/certificates/register`, { body })
    expect(await detail(json.uuid)).toMatchObject({
      customAttributes: [{ name: 'team' }],
      ownerUuid: keeper.uuid,
      owner: 'keeper',
      groups: [{ uuid: groupUuid, name: 'web' }],
    })
    const foreigner = { ...body, ownerUuid: app.stranger.uuid }
    expect((await app.call('post', `${app.place.path}/certificates/register`, { body: foreigner })).status).toBe(404)
  })

  it.each([
    ['a secret', [custom('pin', { secret: 'x' }, 'secret')], 422],
    ['what is not of its type', [custom('count', 'many', 'integer')], 422],
    ['two of one name', [custom('a', '1'), custom('a', '2')], 422],
    ['one without a type', [{ name: 'a', content: [{ data: '1' }] }], 422],
    ['a type that nobody knows', [custom('a', '1', 'colour')], 400],
    ['more than a hundred', Array.from({ length: 101 }, (_, n) => custom(`a${n}`, 'x')), 422],
    ['more than 64 KiB', [custom('a', 'x'.repeat(70_000))], 413],
    ['deep ones', [custom('a', JSON.parse('['.repeat(50) + ']'.repeat(50)), 'object')], 400],
  ])('refuses %s, and stores no order', async (_, customAttributes, status) => {
    const { app } = used
    const before = (await app.call('post', ALL)).json.totalItems
    const { status: answered } = await order({ customAttributes })
    expect(answered).toBe(status)
    expect((await app.call('post', ALL)).json.totalItems).toBe(before)
  })
})

describe('definitions of custom attributes', () => {
  const DEFINITIONS = '/v1/attributes/custom'
  const regExp = { type: 'regExp', data: '[a-z]+' }
  const colour = { name: 'colour', label: 'Colour', contentType: 'string', constraints: [regExp] }

  it('are made, shown, changed, hold for orders, and are deleted', async () => {
    const { app } = used
    const by = app.admin
    const made = await app.call('post', DEFINITIONS, { by, body: colour })
    expect(made).toMatchObject({ status: 201, json: { name: 'colour', required: false, constraints: [regExp] } })
    const one = `${DEFINITIONS}/${made.json.uuid}`
    const { status, json } = await order({ customAttributes: [custom('colour', 'NO 1')] })
    expect([status, json[0]]).toEqual([422, expect.stringContaining('[a-z]+')])
    const changed = { label: 'Colour of it', multiSelect: true, constraints: [] }
    expect((await app.call('put', one, { by, body: changed })).json).toMatchObject({
      label: 'Colour of it',
      multiSelect: true,
    })
    expect((await order({ customAttributes: [custom('colour', 'NO 1')] })).status).toBe(200)
    expect((await app.call('get', DEFINITIONS)).json).toMatchObject([{ name: 'colour' }])
    expect((await app.call('get', `${DEFINITIONS}?attributeContentType=date`)).json).toEqual([])
    expect((await app.call('get', one, { by: app.stranger })).status).toBe(404)
    expect((await app.call('put', one, { by: app.stranger, body: changed })).status).toBe(404)
    expect((await app.call('delete', one, { by: app.operator })).status).toBe(403)
    expect((await app.call('delete', one, { by })).status).toBe(204)
    expect((await app.call('get', one)).status).toBe(404)
    expect((await app.call('get', `${DEFINITIONS}/resources`)).json).toEqual(['certificates'])
  })

  it.each([
    ['a secret', { contentType: 'secret' }, 400],
    ['another resource', { resources: ['users'] }, 422],
    ['predefined values', { list: true, content: [{ data: 'red' }] }, 422],
    ['a hidden one', { visible: false }, 422],
    ['an expression that is none', { constraints: [{ type: 'regExp', data: '(' }] }, 400],
    ['a range of words', { constraints: [{ type: 'range', data: 'wide' }] }, 422],
    ['a name of nearly 1 MiB', { name: 'x'.repeat(1_000_000) }, 422],
  ])('refuse %s', async (_, more, status) => {
    const { app } = used
    expect((await app.call('post', DEFINITIONS, { by: app.admin, body: { ...colour, ...more } })).status).toBe(status)
  })

  it('are made by administrators alone', async () => {
    expect((await used.app.call('post', DEFINITIONS, { body: colour })).status).toBe(403)
  })
})

describe('certificates of others', () => {
  it('are taken in once, with custom attributes, and have a name of their own', async () => {
    const { app } = used
    const certificate = await foreign({ keyUsage: ['digitalSignature', 'contentCommitment'] })
    const made = await upload({ certificate, customAttributes: [custom('team', 'shop')] })
    expect([made.status, made.headers.get('location')]).toEqual([201, `https://ra.test/api${ALL}/${made.json.uuid}`])
    expect(await detail(made.json.uuid)).toMatchObject({
      state: 'issued',
      issuerCommonName: 'Elsewhere',
      keyUsage: ['digitalSignature', 'nonRepudiation'],
      customAttributes: [{ name: 'team' }],
      complianceStatus: 'not_checked',
    })
    expect((await upload({ certificate })).status).toBe(409)
    const elsewhere = await upload({ certificate }, { by: app.stranger })
    expect(elsewhere.status).toBe(201)
    expect((await app.call('get', `${ALL}/${elsewhere.json.uuid}`)).status).toBe(404)
    const { status, json } = await app.call('post', `${ALL}/upload/async`, {
      body: { certificate: await foreign() },
      by: keeper,
    })
    expect([status, json.fingerprint]).toEqual([202, expect.stringMatching(/^[0-9a-f]{64}$/)])
  })

  it('that are CAs are trusted where somebody says so, and are named as issuers', async () => {
    const { app } = used
    const { uuid } = (await upload({ certificate: ca.certificate })).json
    const leaf = (await upload({ certificate: await foreign() })).json.uuid
    expect(await detail(leaf)).toMatchObject({ issuerCertificateUuid: uuid, trustedCa: false })
    expect((await app.call('get', `${ALL}/${leaf}/chain`)).json.certificates).toMatchObject([{ uuid }])
    expect((await app.call('patch', `${ALL}/${uuid}`, { by: keeper, body: { trustedCa: true } })).status).toBe(204)
    expect((await detail(uuid)).trustedCa).toBe(true)
    expect((await app.call('patch', `${ALL}/${leaf}`, { by: keeper, body: { trustedCa: true } })).status).toBe(400)
  })

  it('are deleted, one and many; what was issued here is not', async () => {
    const { app } = used
    const own = await ordered()
    const some = [await foreign(), await foreign(), await foreign()]
    const [one, ...many] = await Promise.all(some.map(async (certificate) => (await upload({ certificate })).json.uuid))
    const by = keeper
    expect((await app.call('delete', `${ALL}/${one}`)).status).toBe(403)
    expect((await app.call('delete', `${ALL}/${one}`, { by })).status).toBe(204)
    expect((await app.call('get', `${ALL}/${one}`)).status).toBe(404)
    const refused = await app.call('post', `${ALL}/delete`, { by, body: { uuids: [...many, own] } })
    expect([refused.status, refused.json[0]]).toEqual([422, expect.stringContaining(own)])
    const gone = await app.call('post', `${ALL}/delete`, { by, body: { uuids: many } })
    expect(gone.json).toMatchObject({ status: 'SUCCESS', failedItem: 0 })
    expect((await app.call('post', `${ALL}/delete`, { by, body: { filters: [] } })).status).toBe(422)
    expect((await app.call('delete', `${ALL}/${own}`, { by })).status).toBe(422)
    expect((await app.call('delete', `${ALL}/${own}`, { by: app.stranger })).status).toBe(404)
  })

  it.each([
    ['no certificate', {}, 422],
    ['an empty one', { certificate: '' }, 422],
    ['base64 of nothing known', { certificate: 'MAAA' }, 400],
    ['no base64', { certificate: '%' }, 400],
    ['nearly 1 MiB of text', { certificate: 'A'.repeat(1_000_000) }, 400],
    ['two at once', { certificate: 'PEM' }, 400],
  ])('refuse %s', async (_, body, status) => {
    const pem = { certificate: ca.certificate + ca.certificate }
    expect((await upload(Object.values(body)[0] === 'PEM' ? pem : body)).status).toBe(status)
  })

  it('are taken in by who manages alone', async () => {
    expect((await upload({ certificate: await foreign() }, { by: used.app.operator })).status).toBe(403)
  })
})

describe('owner and groups', () => {
  it('are set for one and for many, and taken away', async () => {
    const { app } = used
    const by = keeper
    const uuids = [await ordered(), await ordered()]
    const set = await app.call('patch', ALL, { by, body: { certificateUuids: uuids, ownerUuid: keeper.uuid } })
    expect(set.status).toBe(204)
    for (const uuid of uuids) expect(await detail(uuid)).toMatchObject({ owner: 'keeper', ownerUuid: keeper.uuid })
    expect((await app.call('patch', `${ALL}/${uuids[0]}`, { by, body: { ownerUuid: '' } })).status).toBe(204)
    expect((await detail(uuids[0] ?? '')).owner).toBeUndefined()
    expect(
      (await app.call('patch', `${ALL}/${uuids[0]}`, { by, body: { raProfileUuid: app.place.profile } })).status,
    ).toBe(204)
  })

  it('refuse who may not, who is not there, and another RA profile', async () => {
    const { app } = used
    const uuid = await ordered()
    const one = (body: unknown, by = keeper) => app.call('patch', `${ALL}/${uuid}`, { by, body })
    expect((await one({ ownerUuid: keeper.uuid }, app.operator)).status).toBe(403)
    expect((await one({ ownerUuid: keeper.uuid }, app.stranger)).status).toBe(404)
    expect((await one({ ownerUuid: app.stranger.uuid })).status).toBe(404)
    expect((await one({ groupUuids: ['none'] })).status).toBe(404)
    expect((await one({ groupUuids: new Array(10_000).fill('none') })).status).toBe(422)
    expect((await one({ raProfileUuid: 'other' })).status).toBe(422)
    const many = (body: unknown) => app.call('patch', ALL, { by: keeper, body })
    expect((await many({ ownerUuid: keeper.uuid })).status).toBe(422)
    expect((await many({ certificateUuids: [uuid, 'none'], ownerUuid: keeper.uuid })).status).toBe(404)
    expect((await detail(uuid)).owner).toBeUndefined()
  })
})

describe('the archive', () => {
  it('hides from lists, and takes no operation until it is brought back', async () => {
    const { app } = used
    const by = keeper
    const uuid = await ordered()
    const { der } = await newCsr(['stored.test'])
    const stored = await app.call('post', `${ALL}/create`, {
      body: { raProfileUuid: app.place.profile, request: der.toString('base64'), issueAttributes: [] },
    })
    expect((await app.call('patch', `${ALL}/${uuid}/archive`)).status).toBe(403)
    expect((await app.call('patch', `${ALL}/archive`, { by, body: [uuid, stored.json.uuid] })).status).toBe(204)
    expect((await detail(uuid)).archived).toBe(true)
    const listed = async (includeArchived: boolean) => {
      const { json } = await app.call('post', ALL, { body: { itemsPerPage: 1000, includeArchived } })
      return json.certificates.some((one: { uuid: string }) => one.uuid === uuid)
    }
    expect([await listed(false), await listed(true)]).toEqual([false, true])
    const certificate = `${app.place.path}/certificates/${uuid}`
    const asked = [
      app.call('post', `${certificate}/renew`),
      app.call('post', `${certificate}/rekey`, { body: { request: der.toString('base64') } }),
      app.call('post', `${certificate}/revoke`, { body: { attributes: [] } }),
      app.call('post', `${certificate}/issue/finalize`, { body: { certificate: 'AAAA' } }),
      app.call('post', `${app.place.path}/certificates/${stored.json.uuid}/issue`),
    ]
    for (const { status, json } of await Promise.all(asked))
      expect([status, json[0]]).toEqual([422, expect.stringContaining('archive')])
    expect((await app.call('patch', `${ALL}/${uuid}/unarchive`, { by })).status).toBe(204)
    expect((await app.call('patch', `${ALL}/unarchive`, { by, body: [stored.json.uuid] })).status).toBe(204)
    expect((await app.call('post', `${certificate}/renew`)).status).toBe(200)
    expect((await app.call('patch', `${ALL}/${uuid}/archive`, { by: app.stranger })).status).toBe(404)
  })
})

describe('relations', () => {
  it('are made and taken back by hand; a renewal stays', async () => {
    const { app } = used
    const by = keeper
    const [one, source] = [await ordered(), await ordered()]
    const relation = `${ALL}/${one}/relations/${source}`
    expect((await app.call('patch', relation)).status).toBe(403)
    expect((await app.call('patch', relation, { by: app.stranger })).status).toBe(404)
    expect((await app.call('patch', relation, { by })).status).toBe(204)
    expect((await app.call('patch', relation, { by })).status).toBe(422)
    expect((await app.call('get', `${ALL}/${one}/relations`)).json.predecessorCertificates).toMatchObject([
      { uuid: source, relationType: 'replacement' },
    ])
    expect((await app.call('delete', relation, { by })).status).toBe(204)
    expect((await app.call('delete', relation, { by })).status).toBe(404)
    expect((await app.call('patch', `${ALL}/${one}/relations/${one}`, { by })).status).toBe(400)
    const { json } = await app.call('post', `${app.place.path}/certificates/${one}/renew`)
    expect((await app.call('delete', `${ALL}/${json.uuid}/relations/${one}`, { by })).status).toBe(422)
  })
})

describe('locations', () => {
  const FOLDERS = '/v1/entities/folder/locations'
  const attribute = (name: string, data: unknown) => ({ name, contentType: 'string', content: [{ data }] })
  const folder = (name: string, more: unknown[] = []) => ({
    name,
    enabled: true,
    attributes: [attribute('path', `web/${name}`), ...more],
  })
  let slow: Place

  it('take a certificate before it is issued or after, once more, and let it go', async () => {
    const { app } = used
    const by = app.admin
    const { status, json } = await app.call('post', FOLDERS, { by, body: folder('www') })
    expect(status).toBe(201)
    const one = `${FOLDERS}/${json.uuid}`
    slow = await app.save('slow', { rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] } })
    const uuid = await ordered({ path: slow.path })
    const body = { attributes: [attribute('entry', 'server')] }
    const put = await app.call('put', `${one}/certificates/${uuid}`, { by: keeper, body })
    expect(put.json.certificates).toMatchObject([
      { certificateUuid: uuid, state: 'pending_approval', status: 'waiting', entry: 'server' },
    ])
    expect((await app.call('put', `${one}/certificates/${uuid}`, { by: keeper })).status).toBe(200)
    expect((await detail(uuid)).locations).toMatchObject([
      { uuid: json.uuid, name: 'www', entityInstanceName: 'folder' },
    ])
    expect((await app.call('get', `${ALL}/${uuid}/locations`)).json).toMatchObject([
      { uuid: json.uuid, attributes: [{ name: 'path' }], certificates: [{ certificateUuid: uuid }] },
    ])
    const out = await app.call('delete', `${one}/certificates/${uuid}`, { by: keeper })
    expect(out.json.certificates).toEqual([])
    expect((await app.call('delete', `${one}/certificates/${uuid}`, { by: keeper })).status).toBe(404)
    expect((await app.call('put', `${one}/certificates/${uuid}`)).status).toBe(403)
  })

  it('are taken over by a renewal with replaceInLocations', async () => {
    const { app } = used
    const { json } = await app.call('post', FOLDERS, { by: app.admin, body: folder('over') })
    const uuid = await ordered()
    await app.call('put', `${FOLDERS}/${json.uuid}/certificates/${uuid}`, { by: keeper })
    const renew = { body: { replaceInLocations: true } }
    const next = (await app.call('post', `${app.place.path}/certificates/${uuid}/renew`, renew)).json.uuid
    expect((await detail(next)).locations).toMatchObject([{ uuid: json.uuid }])
  })

  it('are listed, shown, changed and deleted; the secret of a webhook is shown once', async () => {
    const { app } = used
    const by = app.admin
    const body = { name: 'hook', enabled: false, attributes: [attribute('url', 'https://hooks.test/x')] }
    const made = await app.call('post', '/v1/entities/webhook/locations', { by, body })
    expect(made.json.secret).toMatch(/^[\w-]{43}$/)
    const one = `/v1/entities/webhook/locations/${made.json.uuid}`
    expect((await app.call('get', one, { by })).text).not.toContain(made.json.secret)
    const { json } = await app.call('post', '/v1/locations', { body: { itemsPerPage: 1, pageNumber: 1 } })
    expect(json).toMatchObject({ locations: [{ name: 'hook', enabled: false }], totalPages: json.totalItems })
    const entity = json.locations[0].entityInstanceUuid
    expect((await app.call('get', `/v1/entities/${entity}/locations/${made.json.uuid}`)).status).toBe(200)
    expect((await app.call('patch', `${one}/enable`, { by })).status).toBe(204)
    const changed = { attributes: [attribute('url', 'https://hooks.test/y')] }
    expect((await app.call('put', one, { by, body: changed })).json).toMatchObject({ enabled: true })
    expect((await app.call('patch', `${one}/disable`, { by })).status).toBe(204)
    expect((await app.call('put', `${one}/certificates/${await ordered()}`, { by })).status).toBe(422)
    expect((await app.call('post', '/v1/entities/webhook/locations', { by, body })).status).toBe(409)
    expect((await app.call('delete', one)).status).toBe(403)
    expect((await app.call('delete', one, { by })).status).toBe(204)
    expect((await app.call('get', one, { by })).status).toBe(404)
  })

  it.each([
    ['a path that goes up', { attributes: [attribute('path', '../etc')] }, 400],
    ['no path', { attributes: [] }, 400],
    ['an attribute that nobody knows', { attributes: [attribute('path', 'x'), attribute('mode', '777')] }, 422],
    ['multiple as text', { attributes: [attribute('path', 'x'), attribute('multiple', 'yes')] }, 422],
    ['custom attributes', { attributes: [attribute('path', 'x')], customAttributes: [custom('a', 'b')] }, 422],
    ['a name of nearly 1 MiB', { name: 'x'.repeat(1_000_000), attributes: [attribute('path', 'x')] }, 422],
  ])('refuse %s', async (_, more, status) => {
    const { app } = used
    expect((await app.call('post', FOLDERS, { by: app.admin, body: { ...folder('bad'), ...more } })).status).toBe(
      status,
    )
  })

  it('are of their organization, below their kind, and made by administrators alone', async () => {
    const { app } = used
    const { json } = await app.call('post', FOLDERS, { by: app.admin, body: folder('mine') })
    for (const [path, by] of [
      [`${FOLDERS}/${json.uuid}`, app.stranger],
      [`/v1/entities/webhook/locations/${json.uuid}`, app.admin],
      [`/v1/entities/shelf/locations/${json.uuid}`, app.admin],
    ] as const)
      expect((await app.call('get', path, { by })).status).toBe(404)
    expect((await app.call('post', FOLDERS, { body: folder('theirs') })).status).toBe(403)
    expect(
      (await app.call('put', `${FOLDERS}/${json.uuid}/certificates/${await ordered()}`, { by: app.stranger })).status,
    ).toBe(404)
  })
})

it('the audit trail still holds together', async () => {
  const { problems } = await verifyAudit(used.app.world.it.db, used.app.world.it.auditSecret)
  expect(problems).toEqual([])
})
