import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import type { Database } from '../../../src/db/open.ts'
import { withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

/** What one transaction does: adds to some amounts, and may fail at its end. Sums do not depend on the order of the transactions. */
interface Plan {
  steps: { name: string; by: number }[]
  fails: boolean
}

const plan: fc.Arbitrary<Plan> = fc.record({
  // In one order, so that no two of them wait for each other's rows.
  steps: fc
    .uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), by: fc.integer({ min: -9, max: 9 }) }), {
      selector: ({ name }) => name,
      maxLength: 4,
    })
    .map((steps) => steps.sort((one, other) => (one.name < other.name ? -1 : 1))),
  fails: fc.boolean(),
})

class Planned extends Error {}

async function follow(db: Database, { steps, fails }: Plan): Promise<void> {
  for (const { name, by } of steps) {
    await withTables<TestTables>(db)
      .insertInto('items')
      .values({ name, amount: by })
      .onConflict((on) => on.column('name').doUpdateSet((row) => ({ amount: row('items.amount', '+', by) })))
      .execute()
  }
  if (fails) throw new Planned('as planned')
}

function expected(rounds: Plan[][]): Record<string, number> {
  const amounts: Record<string, number> = {}
  for (const { steps, fails } of rounds.flat()) {
    if (fails) continue
    for (const { name, by } of steps) amounts[name] = (amounts[name] ?? 0) + by
  }
  return amounts
}

describe.each(databases)('any mix of transactions on $name', ({ openEmpty }) => {
  let db: Database
  let remove: () => Promise<void>
  beforeAll(async () => {
    const opened = await openEmpty()
    db = opened.db
    remove = opened.close
    await migrate(db, testMigrations)
  })
  afterAll(() => remove())

  it('leaves what its successful transactions did, and nothing else', async () => {
    const rounds = fc.array(fc.array(plan, { maxLength: 12 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(rounds, async (rounds) => {
        await transaction(db, (db) => withTables<TestTables>(db).deleteFrom('items').execute())
        for (const plans of rounds) {
          const results = await Promise.allSettled(plans.map((plan) => transaction(db, (db) => follow(db, plan))))
          expect(results.map(({ status }) => status === 'rejected')).toEqual(plans.map(({ fails }) => fails))
          for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(Planned)
        }
        const rows = await withTables<TestTables>(db).selectFrom('items').select(['name', 'amount']).execute()
        expect(Object.fromEntries(rows.map(({ name, amount }) => [name, amount]))).toEqual(expected(rounds))
      }),
      { numRuns: 40 },
    )
  })
})
