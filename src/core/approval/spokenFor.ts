import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type Held, subjectOf } from '../request/held.ts'
import type { CoreTables } from '../tables.ts'

/** Whose voices ticket systems have given on a request, as it is with this hash: names in lower case. One person counts once, here and there. */
export async function spokenFor(db: Database, held: Held, hash: string): Promise<Set<string>> {
  const { kind, id } = subjectOf(held)
  const rows = await withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select('details')
    .where('subject_kind', '=', kind)
    .where('subject_id', '=', id)
    .where('action', '=', 'vote.approve')
    .execute()
  const names = rows.flatMap(({ details }) => {
    const told = JSON.parse(details) as { hash?: unknown; onBehalfOf?: unknown }
    return told.hash === hash && typeof told.onBehalfOf === 'string' ? [told.onBehalfOf.toLowerCase()] : []
  })
  return new Set(names)
}
