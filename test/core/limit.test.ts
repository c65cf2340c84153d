import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pruneLimits, refusals, type Take, takeFrom } from '../../src/core/enrolment/limit.ts'
import { setOverride } from '../../src/core/enrolment/override.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { type Database, statementCount } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld } from '../helpers/world.ts'

const start = Date.UTC(2027, 2, 1)
const at = (ms: number) => new Date(start + ms)

describe.each(databases)('limits on $name', ({ open }) => {
  let db: Database
  let profileId: number
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    db = opened.db
    close = opened.close
    profileId = (await (await createWorld(db)).profile()).id
  })
  afterAll(() => close())

  let used = 0
  const bucket = (more: Partial<Take> = {}): Take => ({
    profileId,
    limit: 'test.orders',
    key: `key ${used++}`,
    rate: '3/10s',
    what: 'new orders',
    ...more,
  })
  const take = (on: Take, ms: number) => transaction(db, (trx) => takeFrom(trx, on, at(ms)))
  const row = (on: Take) =>
    withTables<CoreTables>(db).selectFrom('limit_buckets').selectAll().where('key', '=', on.key).executeTakeFirst()

  it('lets the burst pass at once, and then one whenever one has come back', async () => {
    const on = bucket()
    for (let i = 0; i < 3; i++) expect(await take(on, 0)).toBeUndefined()
    expect(await take(on, 0)).toMatchObject({ retryAfter: 4 })
    expect(await take(on, 3_333)).toMatchObject({ retryAfter: 1 })
    expect(await take(on, 3_334)).toBeUndefined()
    expect(await take(on, 3_334)).toMatchObject({ retryAfter: 4 })
    for (let i = 0; i < 3; i++) expect(await take(on, 60_000)).toBeUndefined()
    expect(await take(on, 60_000)).toBeDefined()
  })

  it('costs one statement when it passes', async () => {
    const on = bucket()
    await take(on, 0)
    await transaction(db, async (trx) => {
      const before = statementCount(db).statements
      await takeFrom(trx, on, at(0))
      expect(statementCount(db).statements - before).toBe(1)
    })
  })

  it('refuses until the time that it tells, and not after', async () => {
    const seconds = fc.integer({ min: 1, max: 600 })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        seconds,
        fc.integer({ min: 0, max: 5_000 }),
        async (n, s, ms) => {
          const on = bucket({ rate: `${n}/${s}s` })
          let refusal: Awaited<ReturnType<typeof take>>
          for (let i = 0; i <= n; i++) refusal = (await take(on, ms)) ?? refusal
          const wait = refusal?.retryAfter ?? Number.NaN
          expect(wait).toBe(Math.ceil(Math.ceil((s * 1_000_000) / n) / 1_000_000))
          // The second before, unless one comes back sooner than that.
          if (wait > 1) expect(await take(on, ms + wait * 1_000 - 1_001)).toBeDefined()
          expect(await take(on, ms + wait * 1_000)).toBeUndefined()
        },
      ),
      { numRuns: 25 },
    )
  })

  it('has taken nothing when the transaction is undone', async () => {
    const on = bucket({ rate: '1/1h' })
    const failed = transaction(db, async (trx) => {
      await takeFrom(trx, on, at(0))
      throw new Error('as planned')
    })
    await expect(failed).rejects.toThrow('as planned')
    expect(await take(on, 0)).toBeUndefined()
    expect(await take(on, 0)).toMatchObject({ retryAfter: 3_600 })
  })

  it('tells without taking what would be refused', async () => {
    const [free, full] = [bucket({ rate: '1/1h' }), bucket({ rate: '1/1h' })]
    await take(full, 0)
    for (let i = 0; i < 3; i++) {
      const found = await refusals(db, [free, full], at(60_000))
      expect(found.map((refusal) => [refusal.take.key, refusal.retryAfter])).toEqual([[full.key, 3_540]])
    }
    expect(await refusals(db, [], at(0))).toEqual([])
  })

  it('never lasts longer than the rate of now, whatever was taken before or the clock said', async () => {
    const on = bucket({ rate: '2/30d' })
    await take(on, 0)
    await take(on, 0)
    expect(await take(on, 0)).toMatchObject({ retryAfter: 15 * 86_400 })
    expect(await take({ ...on, rate: '2/10s' }, 0)).toMatchObject({ retryAfter: 5 })
    const early = bucket({ rate: '1/1h' })
    await take(early, 86_400_000)
    expect(await take(early, 0)).toMatchObject({ retryAfter: 3_600 })
  })

  describe('an override', () => {
    const set = (on: Take, rate: string, until?: Date) =>
      transaction(db, (trx) => setOverride(trx, on, { rate, note: 'agreed', ...(until ? { until } : {}) }, at(0)))

    it('unlimited never refuses', async () => {
      const on = bucket({ rate: '1/1h' })
      await take(on, 0)
      await set(on, 'unlimited')
      for (let i = 0; i < 5; i++) expect(await take(on, 0)).toBeUndefined()
      expect(await refusals(db, [on], at(0))).toEqual([])
    })

    it('blocked always refuses, and names no time', async () => {
      const on = bucket({ rate: '100/1s' })
      await set(on, 'blocked')
      for (const ms of [0, 3_600_000_000]) {
        const refusal = await take(on, ms)
        expect(refusal).toMatchObject({ note: 'agreed', retryAfter: undefined })
      }
      expect(await refusals(db, [on], at(0))).toHaveLength(1)
    })

    it('with a rate counts in place of the given one, until its end', async () => {
      const on = bucket({ rate: '1/1h' })
      await set(on, '5/1h', at(60_000))
      for (let i = 0; i < 5; i++) expect(await take(on, 0)).toBeUndefined()
      expect(await take(on, 0)).toMatchObject({ retryAfter: 720, rate: { burst: 5 } })
      // Afterwards the bucket is at worst empty at the given rate.
      expect(await take(on, 60_000)).toMatchObject({ retryAfter: 3_540, rate: { burst: 1 } })
      expect(await take(on, 3_600_000)).toBeUndefined()
    })

    it.each(['', '0/1h', '5', '5/h', '5/0h', '1000001/30d', '2000/1s', '1/31d', '5/1y', '5/1h ', 'Unlimited', '-1/1h'])(
      'is not %j',
      async (rate) => {
        const on = bucket()
        await expect(set(on, rate)).rejects.toMatchObject({ code: 'malformed' })
        expect(await row(on)).toBeUndefined()
      },
    )
  })

  it('is forgotten when all has come back, unless it is overridden', async () => {
    const [spent, back, kept] = [bucket({ rate: '1/1h' }), bucket({ rate: '1/1s' }), bucket()]
    await take(spent, 0)
    await take(back, 0)
    await transaction(db, (trx) => setOverride(trx, kept, { rate: 'unlimited' }, at(0)))
    await transaction(db, (trx) => pruneLimits(trx, at(1_000)))
    expect([await row(spent), await row(back), await row(kept)].map((found) => found !== undefined)).toEqual([
      true,
      false,
      true,
    ])
  })
})
