import { beforeAll, describe, expect, it } from 'vitest'
import { type Person, type Place, useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const NONE = '01890000-0000-7000-8000-000000000000'
const ALL = '/v1/approvals'
const DAY = 86_400_000

let place: Place
let chief: Person
let other: Person

beforeAll(async () => {
  const { app } = used
  chief = await app.person('chief', { admin: true })
  other = await app.person('other', { capabilities: ['read'] })
  const asks = [{ name: 'two look', require: [{ users: ['approver'] }, { users: ['approver', 'other'] }] }]
  const rules = { issue: asks, renew: [], rekey: [], revoke: asks, export: [] }
  place = await app.save('asking', { rules })
})

async function order(name: string, by?: Person): Promise<string> {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [] }
  const answer = await used.app.call('post', `${place.path}/certificates`, { body, ...(by ? { by } : {}) })
  expect(answer.status, answer.text).toBe(200)
  return answer.json.uuid
}

async function asked(name: string, by?: Person): Promise<{ object: string; at: string }> {
  const { app } = used
  const object = await order(name, by)
  const { json } = await app.call('get', `/v1/certificates/${object}/approvals`, { by: app.admin })
  expect(json.approvals).toHaveLength(1)
  return { object, at: `${ALL}/${json.approvals[0].approvalUuid}` }
}

const show = async (at: string, by: Person = used.app.approver) => (await used.app.call('get', at, { by })).json
const state = async (object: string) => (await used.app.call('get', `/v1/certificates/${object}`)).json.state
const patch = (path: string, by: Person, body?: unknown, headers: Record<string, string> = {}) =>
  used.app.call('patch', path, { by, headers, ...(body === undefined ? {} : { body }) })

describe('approvals', () => {
  it('go by their steps, one person after the other, until the certificate is there', async () => {
    const { app } = used
    const { object, at } = await asked('steps.test')
    const first = await show(at)
    expect(first).toMatchObject({
      creatorUuid: app.operator.uuid,
      creatorUsername: 'operator',
      version: 1,
      status: 'PENDING',
      resource: 'certificates',
      resourceAction: 'issue',
      objectUuid: object,
      approvalProfileName: 'two look',
      expiry: 168,
      approvalSteps: [
        {
          order: 1,
          requiredApprovals: 1,
          userUuid: app.approver.uuid,
          approvalStepRecipients: [{ userUuid: app.approver.uuid, status: 'PENDING' }],
        },
        { order: 2, approvalStepRecipients: [] },
      ],
    })
    expect((await patch(`${at}/approveRecipient`, app.approver, { comment: 'looks fine' })).status).toBe(204)
    expect(await show(at)).toMatchObject({
      status: 'PENDING',
      approvalSteps: [
        { approvalStepRecipients: [{ username: 'approver', status: 'APPROVED', comment: 'looks fine' }] },
        { approvalStepRecipients: [{ username: 'other', status: 'PENDING' }] },
      ],
    })
    expect(await state(object)).toBe('pending_approval')
    expect((await patch(`${at}/approveRecipient`, other)).status).toBe(204)
    expect(await state(object)).toBe('issued')
    const done = await show(at)
    expect(done.status).toBe('APPROVED')
    expect(Date.parse(done.closedAt)).toBe(app.world.time.now.getTime())
  })

  it('end with one rejection, whose reason the requester reads', async () => {
    const { app } = used
    const { object, at } = await asked('no.test')
    expect((await patch(`${at}/rejectRecipient`, app.approver, { comment: 'not this name' })).status).toBe(204)
    expect((await show(at)).status).toBe('REJECTED')
    const detail = await app.call('get', `/v1/certificates/${object}`)
    expect(detail.json).toMatchObject({ state: 'rejected', statusMessage: expect.stringContaining('not this name') })
  })

  it('are overridden by an administrator, with his reason or a sentence that names the call', async () => {
    const one = await asked('over.test')
    expect((await patch(`${one.at}/approve`, chief)).status).toBe(204)
    expect(await state(one.object)).toBe('issued')
    const [recipient] = (await show(one.at)).approvalSteps[0].approvalStepRecipients
    expect(recipient).toMatchObject({ username: 'chief', status: 'APPROVED' })
    expect(recipient.comment).toContain('Approval flow overridden. decided over PATCH /v1/approvals/{uuid}/approve')
    const two = await asked('over-no.test')
    expect((await patch(`${two.at}/reject`, chief, { comment: 'never' })).status).toBe(204)
    expect(await state(two.object)).toBe('rejected')
    expect((await patch(`${two.at}/approve`, chief)).status).toBe(422)
  })

  it('of a revocation are approvals about the same certificate', async () => {
    const { app } = used
    const { object, at } = await asked('revoked.test')
    await patch(`${at}/approve`, chief)
    await app.call('post', `${place.path}/certificates/${object}/revoke`, {
      body: { reason: 'superseded', attributes: [] },
    })
    const { json } = await app.call('get', `/v1/certificates/${object}/approvals`)
    expect(json.approvals.map((one: { resourceAction: string }) => one.resourceAction)).toEqual(['revoke', 'issue'])
    expect(json.approvals[0].objectUuid).toBe(object)
    await patch(`${ALL}/${json.approvals[0].approvalUuid}/approve`, chief, { comment: 'go' })
    expect(await state(object)).toBe('revoked')
  })

  it('are listed in pages, and for each person those that wait for him and those he has voted on', async () => {
    const { app } = used
    const { at } = await asked('mine.test')
    const uuids = async (path: string, by: Person) => {
      const { json } = await app.call('get', path, { by })
      expect(json.totalItems).toBeGreaterThanOrEqual(json.approvals.length)
      return json.approvals.map((one: { approvalUuid: string }) => `${ALL}/${one.approvalUuid}`)
    }
    const all = await uuids(`${ALL}?itemsPerPage=1000`, app.approver)
    expect(all[0]).toBe(at)
    const pages = [
      await uuids(`${ALL}?itemsPerPage=2`, app.approver),
      await uuids(`${ALL}?itemsPerPage=2&pageNumber=2`, app.approver),
    ]
    expect(pages.flat()).toEqual(all.slice(0, 4))
    expect(await uuids(`${ALL}/user?itemsPerPage=1000`, app.approver)).toEqual([at])
    expect(await uuids(`${ALL}/user`, other)).toEqual([])
    await patch(`${at}/approveRecipient`, app.approver)
    expect(await uuids(`${ALL}/user`, app.approver)).toEqual([])
    expect(await uuids(`${ALL}/user?history=true`, app.approver)).toContain(at)
    expect(await uuids(`${ALL}/user`, other)).toEqual([at])
    expect(await uuids(`${ALL}/user?history=true`, app.stranger)).toEqual([])
  })

  it('are EXPIRED as soon as it is too late, whether or not the upkeep has looked', async () => {
    const { app } = used
    const { at } = await asked('late.test')
    app.world.time.pass(8 * DAY)
    expect((await show(at)).status).toBe('EXPIRED')
    expect((await patch(`${at}/approveRecipient`, app.approver)).status).toBe(422)
    expect((await patch(`${at}/approve`, chief)).status).toBe(422)
  })

  it('with If-Match are decided only as they were seen', async () => {
    const { app } = used
    const { object, at } = await asked('seen.test')
    const seen = await app.call('get', at, { by: app.approver })
    const etag = seen.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
    const stale = await patch(`${at}/approveRecipient`, app.approver, undefined, { 'if-match': '"0"' })
    expect(stale.status).toBe(412)
    expect((await patch(`${at}/approve`, chief, undefined, { 'if-match': '"0"' })).status).toBe(412)
    expect((await patch(`${at}/approveRecipient`, app.approver, undefined, { 'if-match': etag })).status).toBe(204)
    const door = app.world.core.as({
      kind: 'user',
      ref: app.operator.uuid,
      name: 'operator',
      people: [app.operator.id],
    })
    await door.revise(object, { identifiers: [{ type: 'dns', value: 'seen-two.test' }] })
    expect((await show(at)).status).toBe('EXPIRED')
    expect((await patch(`${at}/approve`, chief)).status).toBe(422)
    const { json } = await app.call('get', `/v1/certificates/${object}/approvals`)
    expect(json.approvals.map((one: { status: string }) => one.status)).toEqual(['PENDING', 'EXPIRED'])
  })
})

describe('approvals refuse', () => {
  it('whoever asked, with whatever rights', async () => {
    const { app } = used
    for (const [by, name] of [
      [app.admin, 'own-root.test'],
      [app.operator, 'own-operator.test'],
    ] as const) {
      const { at, object } = await asked(name, by)
      for (const verb of ['approve', 'reject', 'approveRecipient', 'rejectRecipient']) {
        const answer = await patch(`${at}/${verb}`, by, { comment: 'mine' })
        expect([verb, answer.status]).toEqual([verb, 422])
        expect(answer.json[0]).toContain('same user that created it')
      }
      expect(await state(object)).toBe('pending_approval')
    }
  })

  it('who is not expected, who is no administrator, and one who has voted', async () => {
    const { app } = used
    const { at } = await asked('unexpected.test')
    expect((await patch(`${at}/approveRecipient`, other)).status).toBe(404)
    expect((await patch(`${at}/approveRecipient`, chief)).status).toBe(404)
    expect((await patch(`${at}/approve`, app.approver)).status).toBe(403)
    expect((await patch(`${at}/approveRecipient`, app.approver)).status).toBe(204)
    expect((await patch(`${at}/approveRecipient`, app.approver)).status).toBe(404)
  })

  it('a rejection without a comment, and bodies that are none', async () => {
    const { app } = used
    const { at } = await asked('comment.test')
    for (const body of [undefined, {}, { comment: ' ' }, { comment: null }])
      expect((await patch(`${at}/rejectRecipient`, app.approver, body)).status).toBe(422)
    expect((await patch(`${at}/approveRecipient`, app.approver, { comment: 7 })).status).toBe(400)
    expect((await patch(`${at}/approveRecipient`, app.approver, { comment: 'x'.repeat(1001) })).status).toBe(422)
    expect((await show(at)).status).toBe('PENDING')
  })

  it('another organization and what is not there, alike', async () => {
    const { app } = used
    const { at, object } = await asked('foreign.test')
    for (const path of [at, `${ALL}/${NONE}`, `${ALL}/x`]) {
      const by = path === at ? app.stranger : app.approver
      const answer = await app.call('get', path, { by })
      expect([answer.status, answer.json.message]).toEqual([404, 'there is no such approval'])
      for (const verb of ['approve', 'reject', 'approveRecipient', 'rejectRecipient'])
        expect((await patch(`${path}/${verb}`, by, { comment: 'x' })).status).toBe(404)
    }
    expect((await app.call('get', ALL, { by: app.stranger })).json).toMatchObject({ approvals: [], totalItems: 0 })
    expect((await app.call('get', `/v1/certificates/${object}/approvals`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', `${ALL}?itemsPerPage=0`)).status).toBe(422)
    expect((await app.call('get', `${ALL}?pageNumber=two`)).status).toBe(400)
  })
})
