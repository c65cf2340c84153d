import Sqlite from 'better-sqlite3'
import { expect, it } from 'vitest'
import { dueDecisions } from '../../src/core/approval/attend.ts'
import { dueForExpiry } from '../../src/core/approval/expire.ts'
import { endedBetween } from '../../src/core/listing/orderCounts.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { dueForResume, leasesOfOthers } from '../../src/core/upkeep/resume.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { queryPlan } from '../helpers/queryPlan.ts'

it('what is looked for every second, and at a start, is found by an index, however many requests have ended', async () => {
  const { db, url, close } = (await databases.find(({ name }) => name === 'sqlite')?.open()) ?? {}
  if (!db || !url || !close) throw new Error('no SQLite')
  const handle = new Sqlite(url, { readonly: true })
  const now = new Date()
  const expiry = [
    dueForExpiry(db, 'sign', now),
    dueForExpiry(db, 'revoke', now),
    dueForExpiry(db, 'sign', now, 'draft'),
  ]
  const leases = leasesOfOthers(db, { node: 'this one' }, now.getTime())
  for (const query of [
    dueForResume(withTables<CoreTables>(db), now.getTime()),
    dueDecisions(db, now),
    leases,
    ...expiry,
  ]) {
    const { sql, parameters } = query.compile()
    const plan = handle.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]
    const steps = plan.map(({ detail }) => detail)
    expect(
      steps.filter((step) => /^SCAN \w+$/.test(step)),
      sql,
    ).toEqual([])
    expect(
      steps.some((step) => / USING .*INDEX /.test(step)),
      steps.join(),
    ).toBe(true)
  }
  handle.close()
  await close()
})

it('counting orders goes through what the trail has got since, not through all of it', async () => {
  const { db, url, close } = (await databases.find(({ name }) => name === 'sqlite')?.open()) ?? {}
  if (!db || !url || !close) throw new Error('no SQLite')
  const steps = queryPlan(url, endedBetween(db, 1000, 3000).compile())
  expect(steps).toEqual([
    'SEARCH audit_seals USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
    'SEARCH audit_events USING INTEGER PRIMARY KEY (rowid=?)',
    'SEARCH sign_requests USING INTEGER PRIMARY KEY (rowid=?)',
  ])
  await close()
})
