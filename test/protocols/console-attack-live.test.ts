import { describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'

const world = useConsoleApp()
const minute = 60_000

describe('live updates', () => {
  it('are for who has signed in', async () => {
    const { status, html } = await world.app.get('/console/live', { by: null })
    expect([status, html]).toEqual([401, 'sign in first'])
  })

  it('end with the session', async () => {
    const { app } = world
    const by = await app.person('leaves')
    await app.session(by)
    const live = app.get('/console/live', { by })
    await app.post('/console/logout', {}, { by })
    const { status, html } = await live
    expect(status).toBe(200)
    expect(html).not.toContain('changed')
  })

  it('tell nothing of other organizations', async () => {
    const { app } = world
    const latest = (person: typeof app.operator, seen?: number) => doorFor(app, person).list.latest(seen)
    const { seen } = await latest(app.stranger)
    await issued(app, ['news.test'])
    expect(await latest(app.stranger, seen)).toMatchObject({ changed: false })
    const mine = await latest(app.operator, seen)
    expect(mine).toMatchObject({ changed: true })
    expect(mine.seen).toBeGreaterThan(seen)
  })

  it('and all that a page asks for by itself keep no session from ending', async () => {
    const { app } = world
    const by = await app.person('away')
    await app.get('/console', { by })
    app.world.time.now = new Date(app.world.time.now.getTime() + 29 * minute)
    const live = app.get('/console/live', { by })
    const itself = await app.get('/console', { by, headers: { 'hx-request': 'true' } })
    expect(itself.status).toBe(200)
    app.world.time.now = new Date(app.world.time.now.getTime() + 2 * minute)
    expect((await app.get('/console', { by })).status).toBe(303)
    expect((await live).html).toContain('retry')
  })

  it('of one person leave room for others', async () => {
    const { app } = world
    const [greedy, other] = [await app.person('greedy'), await app.person('modest')]
    await Promise.all([app.session(greedy), app.session(other)])
    const his = Array.from({ length: 21 }, () => app.get('/console/live', { by: greedy }))
    const refused = await Promise.race(his)
    expect(refused.status).toBe(503)
    const modest = app.get('/console/live', { by: other })
    await app.post('/console/logout', {}, { by: greedy })
    const statuses = (await Promise.all(his)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 503)).toHaveLength(1)
    await app.post('/console/logout', {}, { by: other })
    expect([200, 401]).toContain((await modest).status)
  })
})
