import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { findByOrigin } from '../../src/core/request/records.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople } from '../helpers/people.ts'
import { acmeAccount, createWorld } from '../helpers/world.ts'

/** Whether anybody waits for a lock of another. */
async function somebodyWaits(db: Database): Promise<boolean> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(withTables<CoreTables>(db))
  return (rows[0]?.waiting ?? 0) > 0
}

// On SQLite transactions run one after the other.
it('on PostgreSQL, an order that is being stored while its credential is revoked is withdrawn with the others', async () => {
  const postgres = databases.find(({ name }) => name === 'postgres')
  if (!postgres) throw new Error('there is no PostgreSQL to test with')
  const { db, close } = await postgres.open()
  try {
    const world = await createWorld(db)
    const people = await createPeople(world)
    const profile = await world.save('waits', { rules: { issue: [{ name: 'people', require: [{ owner: true }] }] } })
    const { admin } = people.as(people.chief)
    const { view } = await admin.createCredential({ kind: 'eab', profile: 'waits' })
    const known = await world.core.as(acmeAccount()).credential(profile, 'eab', view.name)
    const credential = known?.id ?? 0
    const door = world.core.as({ ...acmeAccount(), credential })
    const identifiers = [{ type: 'dns', value: 'late.example.org' } as const]
    const origin = { protocol: 'acme', ref: 'late' }
    const ask = await door.foresee({ profile, protocol: 'acme', action: 'issue', origin, identifiers })
    let admitted = () => {}
    const whenAdmitted = new Promise<void>((resolve) => {
      admitted = resolve
    })
    let goOn = () => {}
    const overtaken = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const order = transaction(db, async (trx) => {
      await door.admitCredential(trx, credential, identifiers, 'commit')
      admitted()
      await overtaken
      await ask?.(trx)
    })
    await whenAdmitted
    let revoked = false
    const revocation = admin.revokeCredential(view.uuid).then(() => {
      revoked = true
    })
    while (!revoked && !(await somebodyWaits(db)));
    goOn()
    await Promise.all([order, revocation])
    expect((await findByOrigin(db, origin))?.request).toMatchObject({ status: 'canceled' })
  } finally {
    await close()
  }
})
