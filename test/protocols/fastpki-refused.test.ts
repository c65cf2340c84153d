import { describe, expect, it } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { tallies } from '../../src/db/tally.ts'
import { openPostgres } from '../helpers/databases.ts'
import { doorOf, everything, server, settings, useFastpkiApp } from '../helpers/fastpkiApp.ts'

const used = useFastpkiApp()

describe('an order with a key made here, before that is made', () => {
  it.each([
    ['by policy', { valid_days: 366 }, {}, /365/],
    [
      'by a rule',
      {},
      { rules: { ...everything, issue: [{ name: 'x', when: 'key.size == 2048', deny: 'too small' }] } },
      /too small/,
    ],
    [
      'since the profile takes no such name',
      {},
      { settings: { certificate: { ...settings.certificate, names: { dns: ['.x'] } } } },
      /early/,
    ],
  ])('refused %s: stored as denied once, and no key is made for it', async (_, more, change, reason) => {
    const { app } = used
    const tables = withTables<CoreTables>(app.world.it.db)
    const keys = async () => (await tables.selectFrom('server_keys').select('id').execute()).length
    const denied = () =>
      tables.selectFrom('sign_requests').select(['id', 'reason']).where('status', '=', 'denied').orderBy('id').execute()
    const [before, earlier] = [await keys(), (await denied()).length]
    await app.save('shop', change)
    const headers = { 'idempotency-key': `early ${reason}` }
    const order = () =>
      app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('early.test', more), headers })
    const asked = [await order(), await order()]
    await app.save('shop')
    expect(asked.map(({ status }) => status)).toEqual([403, 403])
    expect(asked[0]?.json.detail).toMatch(reason)
    expect(await keys()).toBe(before)
    const [row, ...others] = (await denied()).slice(earlier)
    expect([row?.reason, others]).toEqual([expect.stringMatching(reason), []])
    expect(await doorOf(app, app.admin).list.request(row?.id ?? 0)).toMatchObject({ status: 'denied' })
    // Once it is let through, the same order gets its key.
    if (Object.keys(change).length > 0 && !('rules' in change)) {
      expect((await order()).status).toBe(201)
      expect(await keys()).toBe(before + 1)
    }
  })
})

describe('before its key is made, too', () => {
  it('what is thrown back is counted', async () => {
    const { app } = used
    const { now } = app.world.time
    const counted = () => [...tallies(app.world.it.db).tallies].filter(([what]) => what.includes('unavailable'))
    const before = counted().length
    app.world.time.pass(40 * 365 * 86_400_000)
    const { status } = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: server('late.test'),
      by: app.admin,
    })
    app.world.time.now = now
    expect(status).toBe(503)
    expect(counted().length).toBe(before + 1)
  })
})

describe('the same order that a rule denies, many times at once on PostgreSQL', () => {
  const onPostgres = useFastpkiApp(openPostgres)

  it('is denied each time, and stored once', async () => {
    const { app } = onPostgres
    await app.save('shop', { rules: { ...everything, issue: [{ name: 'x', when: 'true', deny: 'never' }] } })
    const headers = { 'idempotency-key': 'race' }
    const order = () => app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('race.test'), headers })
    const answers = await Promise.all(Array.from({ length: 16 }, order))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]))
    const tables = withTables<CoreTables>(app.world.it.db)
    const denied = await tables.selectFrom('sign_requests').select('id').where('status', '=', 'denied').execute()
    expect(denied).toHaveLength(1)
  })
})
