import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Bucket, empty, giveBack, refusals, refuse, type Take, takeFrom } from './limit.ts'
import { setOverride } from './override.ts'

/**
 * How often something may be asked, counted in the database, so that it is the same on every node. All of it runs in the
 * caller's transaction; a transaction that is undone has taken nothing.
 */
export interface Limits {
  /** By one statement. Put it last in the transaction: others who take from the bucket wait for its end. Throws as `admit`. */
  take(db: Database, take: Take): Promise<void>
  /** As take, but answers whether it passed. */
  spend(db: Database, take: Take): Promise<boolean>
  /**
   * Whether takes would pass, without taking. Throws Failure: rateLimited with retryAfter, the seconds after which all
   * would; forbidden where one is blocked.
   */
  admit(db: Database, takes: readonly Take[]): Promise<void>
  /** Gives back what was taken for something that did not come about by our fault. */
  refund(db: Database, take: Take): Promise<void>
  /** As if nothing had been taken from these; overrides stay. */
  clear(db: Database, buckets: readonly Bucket[]): Promise<void>
  /** Stops it until then, or until an administrator goes on with it (Admin.resetLimit); writes an audit row and an alert. */
  block(db: Database, bucket: Bucket, stop: { until: Date; note: string }): Promise<void>
}

export function createLimits({ clock }: Installation, requester: Requester): Limits {
  return {
    async take(db, take) {
      const refusal = await takeFrom(db, take, clock())
      if (refusal) refuse([refusal])
    },
    spend: async (db, take) => (await takeFrom(db, take, clock())) === undefined,
    admit: async (db, takes) => refuse(await refusals(db, takes, clock())),
    refund: (db, take) => giveBack(db, take, clock()),
    async clear(db, buckets) {
      for (const bucket of buckets) await empty(db, bucket)
    },
    block: (db, bucket, stop) => block(db, requester, clock(), { bucket, ...stop }),
  }
}

async function block(
  db: Database,
  requester: Requester,
  at: Date,
  { bucket, until, note }: { bucket: Bucket; until: Date; note: string },
): Promise<void> {
  const { profileId, limit, key } = bucket
  if (!(await setOverride(db, bucket, { rate: 'blocked', note, until, onlyIfNone: true }, at))) return
  const { organization_id: organizationId } = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select('organization_id')
    .where('id', '=', profileId)
    .executeTakeFirstOrThrow()
  const about = { organizationId, subject: { kind: 'profile', id: profileId } } as const
  await audit(db, requester, at, { action: 'limit.blocked', ...about, details: { limit, key, until, note } })
  await raiseAlert(db, at, { kind: 'limit_blocked', ...about, detail: `${limit} of ${key}: ${note}` })
}
