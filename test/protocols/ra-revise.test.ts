import { beforeAll, describe, expect, it } from 'vitest'
import { type Place, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const BASE = '/v1/countersign/signRequests'
let place: Place

beforeAll(async () => {
  const rules = { issue: waits, renew: waits, rekey: waits, revoke: waits, export: [] }
  place = await used.app.save('decided', { rules })
})

async function waiting(name: string): Promise<string> {
  const csr = await newCsr([name])
  const body = { request: csr.der.toString('base64'), attributes: [] }
  return (await used.app.call('post', `${place.path}/certificates`, { body })).json.uuid
}

describe('an order that waits', () => {
  it('is edited with the revision that was seen, and its history tells of it', async () => {
    const { app } = used
    const uuid = await waiting('edited.test')
    const path = `${BASE}/${uuid}`
    const { json } = await app.call('get', path)
    expect(json.revision).toBe(1)
    const notAfter = new Date(app.world.time.now.getTime() + 10 * 86_400_000).toISOString()
    const edited = await app.call('patch', path, { body: { revision: 1, notAfter } })
    expect(edited).toMatchObject({ status: 200, json: { uuid, status: 'requested', revision: 2 } })
    const now = await app.call('get', path)
    expect(now.json).toMatchObject({ revision: 2, wanted: { notAfter } })
    expect(now.json.review.hash).not.toBe(json.review.hash)
    const old = { hash: json.review.hash }
    expect((await app.call('post', `${path}/approve`, { by: app.approver, body: old })).status).toBe(409)
    const { events } = (await app.call('get', `${path}/history`)).json
    const actions = events.map(({ action }: { action: string }) => action)
    expect(actions).toContain('sign_request.revised')
  })

  it('is not edited from an older view, by others, with what is no name, or when nothing changes', async () => {
    const { app } = used
    const path = `${BASE}/${await waiting('kept.test')}`
    const patch = (body: unknown, by = app.operator) => app.call('patch', path, { body, by })
    const notAfter = new Date(app.world.time.now.getTime() + 86_400_000).toISOString()
    expect((await patch({ revision: 2, notAfter })).status).toBe(409)
    expect((await patch({ notAfter })).status).toBe(422)
    expect((await patch({ revision: 1 })).status).toBe(400)
    expect((await patch({ revision: 1, names: 'kept.test' })).status).toBe(400)
    expect((await patch({ revision: 1, subject: 'no name' })).status).toBe(400)
    expect((await patch({ revision: 1, variant: 'none' })).status).toBe(404)
    expect((await patch({ revision: 1, notAfter: 'later' })).status).toBe(422)
    expect((await patch({ revision: 1, notAfter }, app.approver)).status).toBe(403)
    expect((await patch({ revision: 1, notAfter }, app.stranger)).status).toBe(404)
    expect((await app.call('get', `${path}/history`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', path)).json.revision).toBe(1)
  })
})

describe('requests by page number', () => {
  it('are filtered, counted and paged', async () => {
    const { app } = used
    for (const name of ['one.paged.test', 'two.paged.test', 'three.paged.test']) await waiting(name)
    const search = (body: unknown, by = app.operator) => app.call('post', `${BASE}/search`, { by, body })
    const filters = [{ field: 'names', condition: 'contains', value: 'paged' }]
    const first = await search({ filters, itemsPerPage: 2 })
    expect(first.json).toMatchObject({ totalItems: 3, totalPages: 2, pageNumber: 1, requests: { length: 2 } })
    const second = await search({ filters, itemsPerPage: 2, pageNumber: 2 })
    expect(second.json.requests).toMatchObject([{ names: ['one.paged.test'], action: 'issue', authority: 'issuing' }])
    const since = {
      field: 'createdAt',
      condition: 'greater',
      value: new Date(app.world.time.now.getTime() + 1000).toISOString(),
    }
    expect((await search({ filters: [since] })).json.totalItems).toBe(0)
    expect((await search({ filters }, app.stranger)).json.totalItems).toBe(0)
    const revocations = await app.call('post', '/v1/countersign/revokeRequests/search', { body: {} })
    expect(revocations.json).toMatchObject({ requests: [], totalItems: 0, atLeast: false })
    for (const bad of [
      { filters: [{ field: 'none', condition: 'equals', value: 'x' }] },
      { filters: [{ field: 'createdAt', condition: 'greater', value: 'x' }] },
      { filters: [{ field: 'names', condition: 'like', value: 'x' }] },
      { itemsPerPage: 5000 },
      { more: 1 },
    ])
      expect([400, 422]).toContain((await search(bad)).status)
  })
})
