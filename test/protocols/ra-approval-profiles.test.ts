import { beforeAll, describe, expect, it } from 'vitest'
import { type Person, useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const NONE = '01890000-0000-7000-8000-000000000000'
const ALL = '/v1/approvalProfiles'

let roleUuid = ''
let groupUuid = ''
let second: Person

beforeAll(async () => {
  const { app } = used
  second = await app.person('second', { capabilities: ['read'] })
  const { groups, admin, identities } = app.world.core.as({
    kind: 'user',
    ref: app.admin.uuid,
    name: 'root',
    people: [app.admin.id],
  })
  await admin.addToRole('approver', 'security')
  roleUuid = (await identities.roles()).find(({ name }) => name === 'security')?.uuid ?? ''
  groupUuid = (await groups.create({ name: 'owners', organization: 'default' })).uuid
})

const by = () => ({ by: used.app.admin })
const user = () => ({ userUuid: used.app.approver.uuid, order: 1, requiredApprovals: 1 })

const create = async (name: string, approvalSteps: unknown[] = [user()], more: Record<string, unknown> = {}) => {
  const answer = await used.app.call('post', ALL, { ...by(), body: { name, enabled: true, approvalSteps, ...more } })
  expect(answer.status, answer.text).toBe(201)
  expect(answer.headers.get('location')).toBe(`https://ra.test/api${ALL}/${answer.json.uuid}`)
  return answer.json.uuid as string
}

const show = async (uuid: string, query = '') => (await used.app.call('get', `${ALL}/${uuid}${query}`)).json

async function associated(name: string, uuid: string) {
  const place = await used.app.save(name, { rules: {} })
  const at = `/v1/authorities/${place.authority}/raProfiles/${place.profile}/approvalProfiles`
  expect((await used.app.call('patch', `${at}/${uuid}`, by())).status).toBe(204)
  return { place, at }
}

async function order(path: string, name: string): Promise<string> {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [] }
  return (await used.app.call('post', `${path}/certificates`, { body })).json.uuid
}

describe('approval profiles', () => {
  it('have steps in their order, each of a user, a role or a group', async () => {
    const { app } = used
    const uuid = await create(
      'three steps',
      [
        { groupUuid, order: 3, requiredApprovals: 2, description: 'last' },
        { roleUuid, order: 2, requiredApprovals: 1 },
        user(),
      ],
      { description: 'for servers', expiry: 48 },
    )
    expect(await show(uuid)).toMatchObject({
      name: 'three steps',
      version: 1,
      enabled: true,
      numberOfSteps: 3,
      expiry: 48,
      associations: 0,
      approvalSteps: [
        { order: 1, userUuid: app.approver.uuid, username: 'approver', requiredApprovals: 1 },
        { order: 2, roleUuid, roleName: 'security' },
        { order: 3, groupUuid, groupName: 'owners', description: 'last', requiredApprovals: 2 },
      ],
    })
    const page = await app.call('get', `${ALL}?itemsPerPage=1&pageNumber=1`)
    expect(page.json).toMatchObject({ itemsPerPage: 1, pageNumber: 1, totalItems: 1, totalPages: 1 })
    expect(page.json.approvalProfiles[0].uuid).toBe(uuid)
  })

  it('on an RA profile are the last rule of issue, renew, rekey and revoke, until they are taken off', async () => {
    const { app } = used
    const uuid = await create('visible', [user()], { expiry: 12 })
    const { place, at } = await associated('ruled', uuid)
    const { rules } = await app.world.profile('ruled')
    for (const action of ['issue', 'renew', 'rekey', 'revoke'] as const)
      expect(rules[action]).toEqual([
        expect.objectContaining({
          name: 'approval plan visible',
          when: 'true',
          require: [expect.objectContaining({ users: ['approver'], quorum: 1, expires: '12h' })],
        }),
      ])
    expect(rules.export).toEqual([])
    expect((await app.call('get', at)).json).toMatchObject([{ uuid, associations: 1 }])
    expect((await app.call('get', `${ALL}/${uuid}/associations`)).json).toMatchObject([{ objectUuid: place.profile }])
    expect((await app.call('get', `${ALL}/associations/raProfiles/${place.profile}`)).json).toMatchObject([{ uuid }])
    expect((await app.call('delete', `${at}/${uuid}`, by())).status).toBe(204)
    expect((await app.world.profile('ruled')).rules.issue).toEqual([])
    expect((await app.call('get', at)).json).toEqual([])
    const other = `${ALL}/${uuid}/associations/raProfiles/${place.profile}`
    expect((await app.call('patch', other, by())).status).toBe(204)
    expect((await app.call('delete', other, by())).status).toBe(204)
    expect((await app.call('delete', other, by())).status).toBe(404)
  })

  it('are edited in place until somebody was asked, then get a new version; what waits goes on as it began', async () => {
    const { app } = used
    const uuid = await create('versions')
    const { place } = await associated('versioned', uuid)
    const put = (approvalSteps: unknown[]) => app.call('put', `${ALL}/${uuid}`, { ...by(), body: { approvalSteps } })
    expect(await put([user()])).toMatchObject({ status: 201, json: { uuid } })
    await put([{ roleUuid, order: 1, requiredApprovals: 1 }])
    expect(await show(uuid)).toMatchObject({ version: 1, approvalSteps: [{ roleName: 'security' }] })
    const object = await order(place.path, 'versioned.test')
    app.world.time.pass(1000)
    await put([{ userUuid: second.uuid, order: 1, requiredApprovals: 1 }])
    expect(await show(uuid)).toMatchObject({ version: 2, approvalSteps: [{ username: 'second' }] })
    expect(await show(uuid, '?version=1')).toMatchObject({ version: 1, approvalSteps: [{ roleName: 'security' }] })
    await put([{ userUuid: second.uuid, order: 1, requiredApprovals: 1 }])
    expect((await show(uuid)).version).toBe(2)
    const { json } = await app.call('get', `/v1/certificates/${object}/approvals`)
    expect(json.approvals).toMatchObject([{ approvalProfileName: 'versions', approvalProfileUuid: uuid, version: 1 }])
    expect((await app.world.profile('versioned')).rules.issue).toMatchObject([{ require: [{ users: ['second'] }] }])
    const gone = await app.call('delete', `${ALL}/${uuid}`, by())
    expect([gone.status, gone.json]).toEqual([422, [expect.stringContaining('approvals that refer to')]])
  })

  it('are disabled and deleted while no RA profile has them', async () => {
    const { app } = used
    const uuid = await create('switched')
    const { at } = await associated('switching', uuid)
    expect((await app.call('patch', `${ALL}/${uuid}/disable`, by())).status).toBe(422)
    expect((await app.call('delete', `${ALL}/${uuid}`, by())).status).toBe(422)
    await app.call('delete', `${at}/${uuid}`, by())
    expect((await app.call('patch', `${ALL}/${uuid}/disable`, by())).status).toBe(204)
    expect((await app.call('patch', `${at}/${uuid}`, by())).status).toBe(409)
    expect((await app.call('patch', `${ALL}/${uuid}/enable`, by())).status).toBe(204)
    expect((await app.call('delete', `${ALL}/${uuid}`, by())).status).toBe(204)
    expect((await app.call('get', `${ALL}/${uuid}`)).status).toBe(404)
  })
})

describe('approval profiles refuse', () => {
  it.each([
    ['Unable to process approval profile without approval steps.', () => ({ approvalSteps: [] })],
    [
      'Required approvals value should be greater than 0',
      () => ({ approvalSteps: [{ ...user(), requiredApprovals: 0 }] }),
    ],
    [
      'There is forbidden to have more than one assigned user/role/group.',
      () => ({ approvalSteps: [{ ...user(), roleUuid }] }),
    ],
    [
      'There is required to have assigned one of user/role/group.',
      () => ({ approvalSteps: [{ order: 1, requiredApprovals: 1 }] }),
    ],
    ['Expiry value (if set) should be greater than 0', () => ({ approvalSteps: [user()], expiry: 0 })],
    ['Approval steps must differ in their order.', () => ({ approvalSteps: [user(), user()] })],
    [
      'An approval profile has at most 10 approval steps.',
      () => ({ approvalSteps: Array.from({ length: 11 }, (_, order) => ({ ...user(), order })) }),
    ],
  ])('%s', async (sentence, body) => {
    const answer = await used.app.call('post', ALL, { ...by(), body: { name: 'refused', enabled: true, ...body() } })
    expect([answer.status, answer.json]).toEqual([422, [sentence]])
  })

  it('a name that is taken, a user who is not there, who may not manage, and another organization', async () => {
    const { app } = used
    const uuid = await create('theirs')
    const body = { name: 'theirs', enabled: true, approvalSteps: [user()] }
    expect((await app.call('post', ALL, { ...by(), body })).status).toBe(409)
    const unknown = { ...body, name: 'other', approvalSteps: [{ ...user(), userUuid: NONE }] }
    expect((await app.call('post', ALL, { ...by(), body: unknown })).status).toBe(404)
    expect((await app.call('post', ALL, { body })).status).toBe(403)
    expect((await app.call('put', `${ALL}/${uuid}`, { body })).status).toBe(403)
    expect((await app.call('delete', `${ALL}/${uuid}`)).status).toBe(403)
    expect((await app.call('get', `${ALL}/${uuid}`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', ALL, { by: app.stranger })).json.approvalProfiles).toEqual([])
    const foreign = await app.call('post', ALL, { by: app.stranger, body })
    expect(foreign.status).toBe(404)
  })

  it('a second one on an RA profile, and any on what is no RA profile', async () => {
    const { app } = used
    const first = await create('first of two')
    const other = await create('second of two')
    const { at } = await associated('two', first)
    const answer = await app.call('patch', `${at}/${other}`, by())
    expect([answer.status, answer.json.message]).toEqual([409, expect.stringContaining('first of two')])
    expect((await app.call('patch', `${at}/${first}`)).status).toBe(409)
    expect((await app.call('patch', `${ALL}/${first}/associations/certificates/${NONE}`, by())).status).toBe(404)
    const third = await app.save('third', { rules: {} })
    const there = `/v1/authorities/${third.authority}/raProfiles/${third.profile}/approvalProfiles/${other}`
    expect((await app.call('patch', there)).status).toBe(403)
  })
})
