import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createJobRunner, enqueueJob, type JobHandlers } from '../../src/core/jobs.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { until } from '../helpers/until.ts'

const log = pino({ level: 'silent' })

/** Something that waits until it is let go. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

describe.each(databases)('jobs, on $name', ({ open }) => {
  let db: Database
  let close: () => Promise<void>
  let now = 1_800_000_000_000
  const clock = () => new Date(now)
  const enqueue = (kind: string, ...refs: string[]) =>
    transaction(db, async (db) => {
      for (const ref of refs) await enqueueJob(db, { kind, ref, runAt: clock(), at: clock() })
    })
  const runner = (handlers: JobHandlers, node = 'one') => createJobRunner({ db, node, clock, log, handlers })
  const left = async () =>
    (await withTables<CoreTables>(db).selectFrom('jobs').select(['kind', 'ref']).orderBy('id').execute()).map(
      ({ kind, ref }) => `${kind} ${ref}`,
    )

  beforeAll(async () => {
    const opened = await open()
    db = opened.db
    close = opened.close
  })
  afterAll(() => close())

  test('a slow job holds up neither those of its kind nor those of another, and a full kind no other', async () => {
    const slow = gate()
    const done: string[] = []
    const jobs = runner({
      slow: () => slow.opened,
      quick: async (ref) => void done.push(ref),
    })
    await enqueue('slow', ...Array.from({ length: 20 }, (_, n) => `s${n}`))
    expect(await jobs.begin()).toBe(16)
    expect(await jobs.begin(), 'the kind has no place left').toBe(0)
    await enqueue('quick', 'a', 'b')
    expect(await jobs.begin()).toBe(2)
    await until('the quick ones are done', async () => ((await left()).length === 20 ? true : undefined), { every: 5 })
    expect(done.sort()).toEqual(['a', 'b'])
    slow.open()
    await jobs.settled()
    expect(await jobs.begin()).toBe(4)
    await jobs.settled()
    expect(await left()).toEqual([])
  })

  test('a lease is renewed while the job runs, and no other node begins it; one that is stuck another begins', async () => {
    const slow = gate()
    let runs = 0
    const handlers = {
      long: () => {
        runs += 1
        return slow.opened
      },
    }
    const [one, two] = [runner(handlers), runner(handlers, 'two')]
    await enqueue('long', 'x')
    expect(await one.begin()).toBe(1)
    for (let minutes = 0; minutes < 10; minutes += 0.5, now += 30_000) {
      expect(await one.begin(), 'it runs here').toBe(0)
      expect(await two.begin(), 'it runs elsewhere').toBe(0)
    }
    now += 120_000
    expect(await one.begin(), 'not a second time in the same process').toBe(0)
    expect(await two.begin()).toBe(1)
    expect(runs).toBe(2)
    slow.open()
    await Promise.all([one.settled(), two.settled()])
    expect(await left()).toEqual([])
  })

  test('one that fails runs again later, and a process that is gone loses none', async () => {
    let fails = true
    const jobs = runner({
      shaky: async () => {
        if (fails) throw new Error('not now')
      },
    })
    await enqueue('shaky', 'y')
    await jobs.begin()
    await jobs.settled()
    expect(await left()).toEqual(['shaky y'])
    expect(await jobs.begin(), 'it waits').toBe(0)
    fails = false
    now += 1_000
    expect(await jobs.begin()).toBe(1)
    await jobs.settled()
    expect(await left()).toEqual([])
    const never = runner({ gone: () => new Promise(() => {}) }, 'dead')
    await enqueue('gone', 'z')
    await never.begin()
    const after = runner({ gone: async () => {} }, 'alive')
    expect(await after.begin()).toBe(0)
    now += 60_000
    expect(await after.begin()).toBe(1)
    await after.settled()
    expect(await left()).toEqual([])
  })
})
