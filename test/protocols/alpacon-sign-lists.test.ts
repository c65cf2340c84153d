import { beforeAll, describe, expect, it } from 'vitest'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { BASE, issued, ordered, useAlpaconApp } from '../helpers/alpaconApp.ts'

const used = useAlpaconApp()
const ALL = `${BASE}/sign-requests/`

/** One of each that a person brings about. */
beforeAll(async () => {
  const { app } = used
  await issued(app, ['signed.test'])
  const denied = await ordered(app, ['denied.test'])
  await app.call('POST', `${ALL}${denied}/deny/`, { by: app.approver, body: {} })
  await app.call('DELETE', `${ALL}${await ordered(app, ['canceled.test'])}/`)
})

describe('csr ls and describe', () => {
  it('list by page and status, the newest first, with what the columns show', async () => {
    const { app } = used
    const id = await ordered(app, ['listed.test'])
    const all = await app.call('GET', `${ALL}?page=1&page_size=2&status=`)
    expect(all.json).toMatchObject({ current: 1, next: 2, results: [{ id, common_name: 'listed.test' }, {}] })
    expect(all.json.count).toBeGreaterThan(2)
    expect(all.json.last).toBe(Math.ceil(all.json.count / 2))
    const last = await app.call('GET', `${ALL}?page=${all.json.last}&page_size=2`)
    expect(last.json.next).toBe(0)
    for (const status of ['requested', 'signed', 'issued', 'denied', 'canceled']) {
      const { results } = (await app.call('GET', `${ALL}?status=${status}`)).json
      expect(new Set(results.map((one: { status: string }) => one.status))).toEqual(
        new Set([status === 'issued' ? 'signed' : status]),
      )
    }
    expect((await app.call('GET', `${ALL}?status=failed`)).json).toMatchObject({ count: 0, last: 1, results: [] })
  })

  it('show an order on which nobody decided in time as denied', async () => {
    const { app } = used
    const id = await ordered(app, ['late.test'])
    await expireWaiting(app.world.it.db, new Date(app.world.time.now.getTime() + 8 * 86_400_000))
    expect((await app.call('GET', `${ALL}${id}/`)).json).toMatchObject({ status: 'denied', denied_by: null })
    const { results } = (await app.call('GET', `${ALL}?status=denied&page_size=1`)).json
    expect(results).toMatchObject([{ id, status: 'denied' }])
  })

  it('know no other status', async () => {
    const refused = await used.app.call('GET', `${ALL}?status=lost`)
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, ['status']])
  })

  it.each(['page=0', 'page=x', 'page=-1', 'page=100000000000', 'page=9999', 'page=1.5'])(
    'have no page %s',
    async (query) => {
      const refused = await used.app.call('GET', `${ALL}?${query}`)
      expect([refused.status, refused.json]).toEqual([404, { detail: 'Invalid page.' }])
    },
  )

  it('take what is no size for the usual one', async () => {
    const { results } = (await used.app.call('GET', `${ALL}?page_size=many`)).json
    expect(results.length).toBeGreaterThan(2)
    expect((await used.app.call('GET', `${ALL}?page_size=100000`)).status).toBe(200)
  })

  it('show another organization nothing, and no id of it', async () => {
    const { app } = used
    const id = await ordered(app, ['ours.test'])
    expect((await app.call('GET', ALL, { by: app.stranger })).json).toMatchObject({ count: 0, results: [] })
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', 'approve/'],
      ['POST', 'deny/'],
      ['POST', 'retry/'],
    ] as const)
      expect((await app.call(method, `${ALL}${id}/${path}`, { by: app.stranger, body: {} })).status).toBe(404)
  })
})
