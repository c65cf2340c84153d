import { beforeAll, describe, expect, it } from 'vitest'
import { type Place, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const BASE = '/v1/countersign'
let place: Place

beforeAll(async () => {
  const { app } = used
  place = await app.save('decided', { rules: { issue: waits, renew: waits, rekey: waits, revoke: waits, export: [] } })
})

/** Ordered by the operator, waiting for `approver`. */
async function waiting(name: string): Promise<string> {
  const csr = await newCsr([name])
  const body = { request: csr.der.toString('base64'), attributes: [] }
  return (await used.app.call('post', `${place.path}/certificates`, { body })).json.uuid
}

async function hashOf(uuid: string, kind = 'signRequests'): Promise<string> {
  return (await used.app.call('get', `${BASE}/${kind}/${uuid}`, { by: used.app.approver })).json.review.hash
}

describe('requests', () => {
  it('are shown with who may decide, and signed once approved', async () => {
    const { app } = used
    const uuid = await waiting('yes.test')
    const shown = await app.call('get', `${BASE}/signRequests/${uuid}`, { by: app.approver })
    expect(shown.json).toMatchObject({ status: 'requested', names: ['yes.test'], review: { mayApprove: ['approver'] } })
    const body = { hash: shown.json.review.hash }
    const voted = await app.call('post', `${BASE}/signRequests/${uuid}/approve`, { by: app.approver, body })
    expect(voted.json).toEqual({ status: 'signed' })
    expect((await app.call('get', `/v1/certificates/${uuid}`)).json.state).toBe('issued')
  })

  it('are denied with a reason that the requester reads, and without one not', async () => {
    const { app } = used
    const uuid = await waiting('no.test')
    const hash = await hashOf(uuid)
    const path = `${BASE}/signRequests/${uuid}/deny`
    expect((await app.call('post', path, { by: app.approver, body: { hash } })).status).toBe(400)
    expect((await app.call('post', path, { by: app.approver, body: { hash, reason: 'not yours' } })).status).toBe(200)
    const detail = await app.call('get', `/v1/certificates/${uuid}`)
    expect(detail.json).toMatchObject({ state: 'rejected', statusMessage: 'not yours' })
  })

  it('are withdrawn by who asked, commented, listed', async () => {
    const { app } = used
    const uuid = await waiting('later.test')
    const path = `${BASE}/signRequests/${uuid}`
    expect((await app.call('post', `${path}/comments`, { body: { text: 'for Monday' } })).status).toBe(204)
    expect((await app.call('post', `${path}/cancel`)).status).toBe(204)
    expect((await app.call('get', path)).json).toMatchObject({
      status: 'canceled',
      review: { comments: [{ user: 'operator', text: 'for Monday' }] },
    })
    const listed = await app.call('get', `${BASE}/signRequests?status=canceled`)
    expect(listed.json.requests.map((row: { uuid: string }) => row.uuid)).toContain(uuid)
    expect((await app.call('post', `${path}/retry`, { by: app.admin })).status).toBe(409)
  })

  it('to revoke pass the same way', async () => {
    const { app } = used
    const uuid = await waiting('revoked.test')
    const body = { hash: await hashOf(uuid) }
    await app.call('post', `${BASE}/signRequests/${uuid}/approve`, { by: app.approver, body })
    await app.call('post', `${place.path}/certificates/${uuid}/revoke`, { body: { attributes: [] } })
    const { json } = await app.call('get', `${BASE}/revokeRequests?status=requested`, { by: app.approver })
    const [revocation] = json.requests
    const hash = await hashOf(revocation.uuid, 'revokeRequests')
    const path = `${BASE}/revokeRequests/${revocation.uuid}/approve`
    expect((await app.call('post', path, { by: app.approver, body: { hash } })).json).toEqual({ status: 'revoked' })
    expect((await app.call('get', `/v1/certificates/${uuid}`)).json.state).toBe('revoked')
  })
})

describe('requests refuse', () => {
  it('a vote of who asked, also as an override, and of who is no approver', async () => {
    const { app } = used
    const boss = await app.person('boss', { admin: true, capabilities: [] })
    const csr = await newCsr(['mine.test'])
    const body = { request: csr.der.toString('base64'), attributes: [] }
    const { json } = await app.call('post', `${place.path}/certificates`, { body, by: boss })
    const hash = await hashOf(json.uuid)
    const path = `${BASE}/signRequests/${json.uuid}/approve`
    const override = { hash, override: true, reason: 'in a hurry' }
    expect((await app.call('post', path, { by: boss, body: { hash } })).status).toBe(403)
    expect((await app.call('post', path, { by: boss, body: override })).status).toBe(403)
    expect((await app.call('post', path, { by: app.operator, body: { hash } })).status).toBe(403)
  })

  it('a vote on what has changed since, and a second one', async () => {
    const { app } = used
    const uuid = await waiting('stale.test')
    const path = `${BASE}/signRequests/${uuid}/approve`
    expect((await app.call('post', path, { by: app.approver, body: { hash: 'x'.repeat(64) } })).status).toBe(409)
    const body = { hash: await hashOf(uuid) }
    const votes = await Promise.all([1, 2].map(() => app.call('post', path, { by: app.approver, body })))
    expect(votes.map(({ status }) => status).sort()).toEqual([200, 409])
  })

  it('to show themselves to another organization', async () => {
    const { app } = used
    const uuid = await waiting('hidden.test')
    const known = await app.call('get', `${BASE}/signRequests/${uuid}`, { by: app.stranger })
    const unknown = await app.call('get', `${BASE}/signRequests/${crypto.randomUUID()}`, { by: app.stranger })
    expect([known.status, known.text]).toEqual([unknown.status, unknown.text])
    expect(known.status).toBe(404)
    expect((await app.call('get', `${BASE}/signRequests`, { by: app.stranger })).json.requests).toEqual([])
  })
})

describe('the audit trail', () => {
  it('is searched by administrators, each in his organization', async () => {
    const { app } = used
    const votes = await app.call('get', `${BASE}/audit?action=vote.&limit=2`, { by: app.admin })
    expect(votes.json.events.every(({ action }: { action: string }) => action.startsWith('vote.'))).toBe(true)
    expect(votes.json.events).toHaveLength(2)
    const more = await app.call('get', `${BASE}/audit?action=vote.&limit=2&after=${votes.json.next}`, { by: app.admin })
    expect(more.json.events[0].id).toBeLessThan(votes.json.events[1].id)
    const actor = await app.call('get', `${BASE}/audit?actor=Operator&subjectKind=sign_request`, { by: app.admin })
    expect(actor.json.events.length).toBeGreaterThan(0)
    const { json } = await app.call('get', `${BASE}/audit`, { by: app.stranger })
    expect(json.events.map(({ action }: { action: string }) => action)).not.toContain('vote.approve')
  })

  it('is nobody else’s, and neither are alerts', async () => {
    const { app } = used
    expect((await app.call('get', `${BASE}/audit`)).status).toBe(403)
    expect((await app.call('get', `${BASE}/alerts`)).status).toBe(403)
    expect((await app.call('get', `${BASE}/alerts`, { by: app.admin })).status).toBe(200)
    expect((await app.call('post', `${BASE}/alerts/nine/close`, { by: app.admin })).status).toBe(404)
    expect((await app.call('get', `${BASE}/audit?since=yesterday`, { by: app.admin })).status).toBe(422)
  })
})
