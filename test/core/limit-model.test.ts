import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { giveBack, type Take, takeFrom } from '../../src/core/enrolment/limit.ts'
import { dropOverride, setOverride } from '../../src/core/enrolment/override.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld } from '../helpers/world.ts'

const start = Date.UTC(2027, 2, 1)
const at = (ms: number) => new Date(start + ms)

/** A token bucket in whole microseconds, written without regard to the rows: what GCRA is said to be the same as. */
interface Model {
  credit: number
  seen: number
}

/** Microseconds for one to come back, and how many at once, as the model reads the notation. */
const rates = {
  '3/10s': { spacing: 3_333_334, burst: 3 },
  '1/1s': { spacing: 1_000_000, burst: 1 },
  '7/1m': { spacing: 8_571_429, burst: 7 },
} as const
type RateName = keyof typeof rates

type Step =
  | { do: 'pass'; ms: number }
  | { do: 'take' | 'refund'; key: string; rate: RateName; cost: number }
  | { do: 'override'; key: string; rate: RateName }
  | { do: 'drop'; key: string }

const key = fc.constantFrom('a', 'b')
const rate = fc.constantFrom<RateName>('3/10s', '1/1s', '7/1m')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 0, max: 9_000 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('take'),
      key,
      rate: fc.constant('3/10s'),
      cost: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('refund'), key, rate: fc.constant('3/10s'), cost: fc.constant(1) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('override'), key, rate }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop'), key }) },
) as fc.Arbitrary<Step>

describe.each(databases)('limits and a model of them, on $name', ({ name, open }) => {
  let db: Database
  let other: Database
  let profileId: number
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    db = opened.db
    // Another node: on SQLite there is only one, and it uses the same handle.
    other = name === 'postgres' ? openDatabase(opened.url) : db
    close = async () => {
      if (other !== db) await closeDatabase(other)
      await opened.close()
    }
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
  const take = (on: Take, ms: number, by = db) => transaction(by, (trx) => takeFrom(trx, on, at(ms)))

  it('is a token bucket: any walk of takes, refunds, overrides and time agrees with the model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const round = `walk ${used++} `
        const models = new Map<string, Model>()
        const overrides = new Map<string, RateName>()
        const on = (name: string, more: Partial<Take> = {}) => bucket({ key: round + name, ...more })
        let now = 0
        const settle = (name: string) => {
          const { spacing, burst } = rates[overrides.get(name) ?? '3/10s']
          const known = models.get(name) ?? { credit: spacing * burst, seen: now }
          const credit = Math.min(spacing * burst, Math.max(0, known.credit) + (now - known.seen) * 1_000)
          const model = { credit, seen: now }
          models.set(name, model)
          return { model, spacing, burst }
        }
        for (const each of steps) {
          if (each.do === 'pass') now += each.ms
          else if (each.do === 'take') {
            const { model, spacing, burst } = settle(each.key)
            const cost = Math.min(each.cost, burst)
            const passes = model.credit >= cost * spacing
            if (passes) model.credit -= cost * spacing
            expect((await take(on(each.key, { cost }), now)) === undefined).toBe(passes)
          } else if (each.do === 'refund') {
            const { model, spacing, burst } = settle(each.key)
            model.credit = Math.min(spacing * burst, model.credit + spacing)
            await transaction(db, (trx) => giveBack(trx, on(each.key), at(now)))
          } else if (each.do === 'override') {
            models.delete(each.key)
            overrides.set(each.key, each.rate)
            await transaction(db, (trx) => setOverride(trx, on(each.key), { rate: each.rate }, at(now)))
          } else {
            const there = overrides.delete(each.key)
            if (there) models.delete(each.key)
            expect(await transaction(db, (trx) => dropOverride(trx, on(each.key), at(now)))).toBe(there)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('lets no more pass than the rate, however many nodes take at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.record({ ms: fc.integer({ min: 0, max: 3_000 }), takers: fc.integer({ min: 1, max: 16 }) }), {
          minLength: 1,
          maxLength: 4,
        }),
        async (burst, rounds) => {
          const on = bucket({ rate: `${burst}/10s` })
          const spacing = Math.ceil(10_000_000 / burst)
          let now = 0
          let credit = burst * spacing
          for (const { ms, takers } of rounds) {
            now += ms
            credit = Math.min(burst * spacing, credit + ms * 1_000)
            const answers = await Promise.all(
              Array.from({ length: takers }, (_, i) => take(on, now, i % 2 === 0 ? db : other)),
            )
            const passed = answers.filter((refusal) => refusal === undefined).length
            expect(passed).toBe(Math.min(takers, Math.floor(credit / spacing)))
            credit -= passed * spacing
          }
        },
      ),
      { numRuns: 20 },
    )
  })
})
