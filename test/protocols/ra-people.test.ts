import { beforeAll, describe, expect, it } from 'vitest'
import { type Person, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const BASE = '/v1/countersign'
const NONE = '00000000-0000-7000-8000-000000000000'
let chief: Person
let manager: Person

beforeAll(async () => {
  const { app } = used
  chief = await app.person('chief', { admin: true })
  manager = await app.person('manager', { capabilities: ['manage', 'read'] })
  await app.save('decided', { rules: { issue: waits, renew: waits, rekey: [], revoke: [], export: [] } })
})

describe('groups', () => {
  it('are made, changed, filled, emptied and deleted by the administrator', async () => {
    const { app } = used
    const made = await app.call('post', `${BASE}/groups`, {
      by: chief,
      body: { name: 'web', email: 'web@example.org' },
    })
    expect(made).toMatchObject({ status: 201, json: { name: 'web', members: [] } })
    const one = `${BASE}/groups/${made.json.uuid}`
    expect(made.headers.get('location')).toBe(`/api${one}`)
    expect((await app.call('put', `${one}/members/approver`, { by: chief })).status).toBe(204)
    const changed = await app.call('patch', one, { by: chief, body: { email: null, description: 'web people' } })
    expect(changed.json).toMatchObject({ email: null, description: 'web people', members: ['approver'] })
    const rack = { name: 'rack', contentType: 'string', content: [{ data: 'B 7' }] }
    const put = (customAttributes: unknown) => app.call('patch', one, { by: chief, body: { customAttributes } })
    expect((await put([rack])).json).toMatchObject({ description: 'web people', customAttributes: [rack] })
    const { json: listed } = await app.call('get', '/v1/groups', { by: chief })
    expect(listed).toMatchObject([{ name: 'web', customAttributes: [{ ...rack, type: 'custom' }] }])
    expect((await put([{ name: 'rack', content: [{ data: 'B 7' }] }])).status).toBe(422)
    expect((await put([rack, rack])).status).toBe(422)
    expect((await app.call('patch', one, { by: chief, body: { email: null } })).json.customAttributes).toHaveLength(1)
    expect((await put([])).json.customAttributes).toEqual([])
    const seen = async (by: Person) => (await app.call('get', `${BASE}/groups`, { by })).json.groups
    expect(await seen(app.approver)).toMatchObject([{ name: 'web', members: ['approver'] }])
    expect(await seen(app.operator)).toMatchObject([{ name: 'web', members: null }])
    expect(await seen(app.stranger)).toEqual([])
    expect((await app.call('delete', `${one}/members/approver`, { by: chief })).status).toBe(204)
    expect((await app.call('delete', one, { by: chief })).status).toBe(204)
    expect(await seen(chief)).toEqual([])
  })

  it('are refused to others, twice, with bad names, and elsewhere as if there were none', async () => {
    const { app } = used
    const { json } = await app.call('post', `${BASE}/groups`, { by: chief, body: { name: 'kept' } })
    const post = (body: unknown, by = chief) => app.call('post', `${BASE}/groups`, { by, body })
    expect((await post({ name: 'kept' })).status).toBe(409)
    expect((await post({ name: 'mine' }, app.operator)).status).toBe(403)
    expect((await post({ name: ' ' })).status).toBe(400)
    expect((await post({ name: 'x', more: 1 })).status).toBe(422)
    expect((await post({ name: 7 })).status).toBe(400)
    expect((await app.call('patch', `${BASE}/groups/${json.uuid}`, { by: chief, body: {} })).status).toBe(400)
    for (const uuid of [json.uuid, NONE, 'x'])
      for (const [method, path] of [
        ['delete', ''],
        ['patch', ''],
        ['put', '/members/stranger'],
      ] as const) {
        const body = method === 'patch' ? { body: { name: 'theirs' } } : {}
        const refused = await app.call(method, `${BASE}/groups/${uuid}${path}`, { by: app.stranger, ...body })
        expect(refused).toMatchObject({ status: 404, json: { message: 'there is no such group' } })
      }
    expect((await app.call('put', `${BASE}/groups/${json.uuid}/members/stranger`, { by: chief })).status).toBe(404)
  })
})

describe('delegations', () => {
  it('are one’s own to make, and end by who made them or by the administrator', async () => {
    const { app } = used
    const until = new Date(app.world.time.now.getTime() + 86_400_000).toISOString()
    const post = (body: object) =>
      app.call('post', `${BASE}/delegations`, { by: app.approver, body: { until, ...body } })
    const made = await post({ to: 'manager', profile: 'decided', reason: 'away' })
    expect(made).toMatchObject({ status: 201, json: { delegator: 'approver', delegate: 'manager', endedAt: null } })
    const list = async (by: Person) => (await app.call('get', `${BASE}/delegations`, { by })).json.delegations
    expect(await list(manager)).toHaveLength(1)
    expect(await list(chief)).toHaveLength(1)
    expect(await list(app.operator)).toEqual([])
    expect(await list(app.stranger)).toEqual([])
    const end = (by: Person, uuid = made.json.uuid) => app.call('post', `${BASE}/delegations/${uuid}/end`, { by })
    expect((await end(app.stranger)).status).toBe(404)
    expect((await end(manager)).status).toBeGreaterThanOrEqual(403)
    expect((await end(chief)).json.endedAt).toEqual(expect.any(String))
    expect((await end(chief)).status).toBe(409)
    expect((await end(chief, NONE)).status).toBe(404)
    expect((await post({ to: 'stranger' })).status).toBe(404)
    expect((await post({ to: 'approver' })).status).toBeGreaterThanOrEqual(400)
    expect((await post({ to: 'manager', until: 'tomorrow' })).status).toBe(422)
  })
})

describe('standing approvals', () => {
  const draft = (more = {}) => ({
    profile: 'decided',
    action: 'issue',
    names: { dns: ['*.standing.test'] },
    uses: 2,
    until: new Date(used.app.world.time.now.getTime() + 86_400_000).toISOString(),
    requesterUser: 'operator',
    reason: 'the new hosts of this week',
    ...more,
  })

  it('let so many orders pass, are listed, and end', async () => {
    const { app } = used
    const made = await app.call('post', `${BASE}/standingApprovals`, { by: app.approver, body: draft() })
    expect(made).toMatchObject({ status: 201, json: { state: 'open', usesLeft: 2, approvers: [{ user: 'approver' }] } })
    const profile = await app.world.profile('decided')
    const authority = app.place.authority
    const csr = await newCsr(['a.standing.test'])
    const path = `/v2/operations/authorities/${authority}/raProfiles/${profile.uuid}/certificates`
    const { json } = await app.call('post', path, { body: { request: csr.der.toString('base64'), attributes: [] } })
    expect((await app.call('get', `/v1/certificates/${json.uuid}`)).json.state).toBe('issued')
    const listed = await app.call('get', `${BASE}/standingApprovals`, { by: manager })
    expect(listed.json.standingApprovals).toMatchObject([{ usesLeft: 1 }])
    const one = `${BASE}/standingApprovals/${made.json.uuid}`
    expect((await app.call('post', `${one}/confirm`, { by: app.approver })).status).toBe(409)
    expect((await app.call('post', `${one}/confirm`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('post', `${one}/end`, { by: app.operator })).status).toBe(403)
    expect((await app.call('post', `${one}/end`, { by: manager })).json.state).toBe('ended')
    expect((await app.call('post', `${one}/end`, { by: manager })).status).toBe(409)
  })

  it('are refused to who is no approver, for one’s own orders, without names and with wrong ones', async () => {
    const { app } = used
    const post = async (more: object, by = app.approver) =>
      (await app.call('post', `${BASE}/standingApprovals`, { by, body: draft(more) })).status
    expect(await post({}, app.operator)).toBe(403)
    expect(await post({ requesterUser: 'approver' })).toBe(403)
    expect(await post({}, app.stranger)).toBe(404)
    expect(await post({ names: {} })).toBe(400)
    expect(await post({ uses: 0 })).toBe(422)
    expect(await post({ uses: 'many' })).toBe(400)
    expect(await post({ action: 'revoke' })).toBe(400)
    expect(await post({ profile: 'none' })).toBe(404)
  })
})
