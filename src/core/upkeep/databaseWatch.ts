import { type Database, statementCount } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** Whether the database takes writes: reading alone does not tell, on a full disk or a standby. */
export interface DatabaseWatch {
  /** Looks: where nothing was written since the last time, by writing. Tells the log of a change, and by an alert of what is over. */
  look(): Promise<void>
  /** As it was when it was last looked at. */
  takesWrites(): boolean
  /** To look again and again. */
  chore: { name: string; every: number; run(): Promise<void> }
}

/** As many octets as an order takes, and more: on a disk with room for a page less passes than is asked of it. */
const ORDER = 65_536

export function watchDatabase(it: Installation): DatabaseWatch {
  const { db, clock, log } = it
  let { commits, refused } = statementCount(db)
  let trouble: { since: Date; detail: string } | undefined

  async function recovered(since: Date, detail: string): Promise<void> {
    const [from, to] = [since, clock()].map((at) => at.toISOString().slice(0, 19))
    log.info({ since }, 'the database takes writes again')
    const told = `the database took no writes from ${from} to ${to} (UTC): ${detail}`
    await transaction(db, (db) =>
      raiseAlert(db, clock(), {
        kind: 'database',
        organizationId: null,
        subject: { kind: 'installation', id: null },
        detail: told,
      }),
    )
  }

  const watch: Omit<DatabaseWatch, 'chore'> = {
    async look() {
      const before = statementCount(db)
      const doubt = trouble !== undefined || before.refused !== refused
      refused = before.refused
      if (!doubt && before.commits !== commits) {
        commits = before.commits
        return
      }
      try {
        await transaction(db, (db) => write(db, clock(), doubt ? ORDER : 0))
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error)
        if (trouble?.detail !== detail) log.error({ err: error }, `not ready: ${detail}`)
        trouble = { since: trouble?.since ?? clock(), detail }
        return
      }
      const { since, detail } = trouble ?? {}
      trouble = undefined
      if (since && detail !== undefined) await recovered(since, detail)
      commits = statementCount(db).commits
      refused = statementCount(db).refused
    },
    takesWrites: () => trouble === undefined,
  }
  return { ...watch, chore: { name: 'watch the database', every: 5_000, run: watch.look } }
}

async function write(db: Database, at: Date, octets: number): Promise<void> {
  const value = String(at.getTime()).padEnd(octets, '.')
  await withTables<CoreTables>(db)
    .insertInto('settings')
    .values({ name: 'written_at', value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}
