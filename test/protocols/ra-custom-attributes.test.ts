import { beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { doorOf, type Person, useRaApp } from '../helpers/raApp.ts'
import { INVENTORY as ALL, attribute as custom, inventoryOf } from '../helpers/raInventory.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const { order, ordered, detail } = inventoryOf(used)

let keeper: Person
beforeAll(async () => {
  keeper = await used.app.person('keeper', { capabilities: ['manage', 'read', 'create_cert', 'revoke_cert'] })
})

describe('custom attributes', () => {
  it('come with an order, a request that is only stored, a registration, and go on to what renews it', async () => {
    const { app } = used
    const customAttributes = [custom('team', 'shop'), custom('cost', 7, 'integer')]
    const uuid = await ordered({ name: 'rekeyed.test', customAttributes })
    const shown = [
      { name: 'team', label: 'team', type: 'custom', contentType: 'string', content: [{ data: 'shop' }] },
      {},
    ]
    expect((await detail(uuid)).customAttributes).toMatchObject(shown)
    const renewed = await app.call('post', `${app.place.path}/certificates/${uuid}/renew`)
    expect((await detail(renewed.json.uuid)).customAttributes).toMatchObject(shown)
    const csr = await newCsr(['rekeyed.test'], { subject: { CN: 'rekeyed.test' } })
    const body = { request: csr.der.toString('base64'), customAttributes: [custom('team', 'bank')] }
    const rekeyed = await app.call('post', `${app.place.path}/certificates/${uuid}/rekey`, { body })
    expect((await detail(rekeyed.json.uuid)).customAttributes).toMatchObject([{ content: [{ data: 'bank' }] }])
    const created = await app.call('post', `${ALL}/create`, {
      body: { raProfileUuid: app.place.profile, ...body, issueAttributes: [] },
    })
    expect(created.json.customAttributes).toMatchObject([{ name: 'team' }])
  })

  it('come with the order of what was stored before, or stay as they were; without it nothing is stored', async () => {
    const { app } = used
    const request = (await newCsr(['parked.test'], { subject: { CN: 'parked.test' } })).der.toString('base64')
    const parked = async () => {
      const body = { raProfileUuid: app.place.profile, request, customAttributes: [custom('team', 'shop')] }
      return (await app.call('post', `${ALL}/create`, { body })).json.uuid as string
    }
    const issue = (uuid: string, body?: object) =>
      app.call('post', `${app.place.path}/certificates/${uuid}/issue`, body ? { body } : {})
    const [plain, changed] = [await parked(), await parked()]
    expect((await issue(plain)).status).toBe(200)
    expect((await detail(plain)).customAttributes).toMatchObject([{ name: 'team', content: [{ data: 'shop' }] }])
    expect((await issue(changed, { customAttributes: [custom('rack', 7)] })).json).toEqual(['this is no string'])
    expect(await detail(changed)).toMatchObject({ state: 'requested', customAttributes: [{ name: 'team' }] })
    expect((await issue(changed, { customAttributes: [custom('rack', 'B 7')] })).status).toBe(200)
    expect((await detail(changed)).customAttributes).toMatchObject([{ name: 'rack', content: [{ data: 'B 7' }] }])
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

  it('of groups are shown with what is in them, in lists too', async () => {
    const by = used.app.admin
    const customAttributes = [{ ...custom('on call', 'room 4'), version: 'v3' }]
    const body = { name: 'on-call', description: 'who is woken', customAttributes }
    const { json: group } = await used.app.call('post', '/v1/countersign/groups', { by, body })
    const uuid = await ordered()
    await doorOf(used.app, keeper).inventory.assign([uuid], { groups: [group.uuid] })
    const shown = { name: 'on call', label: 'on call', type: 'custom', version: 'v3', content: [{ data: 'room 4' }] }
    const groups = [{ uuid: group.uuid, name: 'on-call', description: 'who is woken', customAttributes: [shown] }]
    expect(await detail(uuid)).toMatchObject({ groups })
    const { json: listed } = await used.app.call('post', '/v1/certificates', {})
    expect(listed.certificates.find((one: { uuid: string }) => one.uuid === uuid)).toMatchObject({ groups })
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
    expect((await app.call('get', `${DEFINITIONS}/resources`)).json).toEqual(['certificates', 'groups', 'locations'])
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

  it('hold for the resources that they name, and for no other', async () => {
    const { app } = used
    const by = app.admin
    const floor = { name: 'floor', label: 'Floor', contentType: 'integer', required: true, resources: ['groups'] }
    const made = await app.call('post', DEFINITIONS, { by, body: floor })
    expect(made).toMatchObject({ status: 201, json: { resources: ['groups'] } })
    expect((await order({ customAttributes: [custom('floor', 'the third')] })).status).toBe(200)
    const group = (customAttributes: unknown) =>
      app.call('post', '/v1/countersign/groups', { by, body: { name: 'house', customAttributes } })
    expect((await group([custom('floor', 'the third')])).json).toEqual(['its contentType is integer'])
    expect((await group([custom('wing', 'east')])).json).toEqual(['the attribute floor is required'])
    expect((await group([custom('floor', 3, 'integer')])).status).toBe(201)
    const one = `${DEFINITIONS}/${made.json.uuid}`
    expect((await app.call('put', one, { by, body: { label: 'Storey' } })).json.resources).toEqual(['groups'])
    expect((await app.call('delete', one, { by })).status).toBe(204)
  })

  it('are made by administrators alone', async () => {
    expect((await used.app.call('post', DEFINITIONS, { body: colour })).status).toBe(403)
  })
})

it('the audit trail still holds together', async () => {
  const { problems } = await verifyAudit(used.app.world.it.db, used.app.world.it.auditSecret)
  expect(problems).toEqual([])
})
