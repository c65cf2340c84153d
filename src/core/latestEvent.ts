import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { actorOf, isSuperuser } from './adminActor.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'

/**
 * Number of the newest audit event after `seen` of what the requester may see: of his organization, for a superuser of all; `seen` itself
 * when there is none. Without `seen` the newest of all: where to begin. Reads what came after `seen` and no more.
 */
export async function latestEvent(db: Database, requester: Requester, seen?: number): Promise<number> {
  const newest = withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
  if (seen === undefined) return (await newest.executeTakeFirstOrThrow()).id ?? 0
  const actor = await actorOf(db, requester)
  let query = newest.where('id', '>', seen)
  if (!isSuperuser(actor)) query = query.where('organization_id', '=', actor.user?.organizationId ?? 0)
  return (await query.executeTakeFirstOrThrow()).id ?? seen
}
