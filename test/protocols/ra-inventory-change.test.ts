import { beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { nameOf } from '../../src/pki/name.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { type Person, type Sent, useRaApp } from '../helpers/raApp.ts'
import { INVENTORY as ALL, attribute as custom, inventoryOf } from '../helpers/raInventory.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()

let keeper: Person
let ca: ForeignCa
beforeAll(async () => {
  keeper = await used.app.person('keeper', { capabilities: ['manage', 'read', 'create_cert', 'revoke_cert'] })
  ca = await foreignCa(used.app.world.time.now, { name: 'Elsewhere' })
})

const { ordered, detail } = inventoryOf(used)
let names = 0
const foreign = async (draft: Parameters<ForeignCa['issue']>[0] = {}) =>
  (await ca.issue({ subject: nameOf({ CN: `foreign ${++names}` }), ...draft })).der.toString('base64')
const upload = (body: unknown, sent: Sent = {}) => used.app.call('post', `${ALL}/upload`, { body, by: keeper, ...sent })

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

it('the audit trail still holds together', async () => {
  const { problems } = await verifyAudit(used.app.world.it.db, used.app.world.it.auditSecret)
  expect(problems).toEqual([])
})
