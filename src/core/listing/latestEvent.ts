import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { actorOf, isSuperuser } from '../adminActor.ts'
import { lateCommits } from '../audit/seal.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** How far somebody has seen the audit trail, by the number of an event; `changed`: something of what he may see has come since. */
export interface Latest {
  seen: number
  changed: boolean
}

/**
 * Whether there is an audit event after `seen` of what the requester may see: of his organization, for a superuser of all. Without `seen`: where to begin. Reads what
 * came after `seen` and no more; where nothing concerns him it moves on all the same, so that what others do is not read again and again.
 */
export async function latestEvent(db: Database, requester: Requester, seen?: number): Promise<Latest> {
  const newest = withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
  const last = (await newest.executeTakeFirstOrThrow()).id ?? 0
  if (seen === undefined) return { seen: last, changed: false }
  const actor = await actorOf(db, requester)
  let query = newest.where('id', '>', seen)
  if (!isSuperuser(actor)) query = query.where('organization_id', '=', actor.user?.organizationId ?? 0)
  const { id } = await query.executeTakeFirstOrThrow()
  if (id !== null) return { seen: id, changed: true }
  return { seen: Math.max(seen, last - lateCommits(db)), changed: false }
}
