import { sql } from 'kysely'
import { withTables } from '../../db/tables.ts'
import type { Installation } from '../installation.ts'
import { actingUser } from '../request/held.ts'
import type { Requester } from '../requester.ts'
import { type FoundRequest, requestRows } from '../search/searchRows.ts'
import type { CoreTables } from '../tables.ts'
import type { RequestKind } from './approval.ts'
import { waitingFor } from './waitingFor.ts'

/** A request that waits for whoever looks, as lists show it, with what his vote must name. */
export interface WaitingRequest extends FoundRequest {
  hash: string
}

export interface WaitingPage {
  rows: WaitingRequest[]
  total: number
  /** There may be more. */
  atLeast: boolean
}

const most = 1000

/** See Decisions.waiting. */
export async function waitingRequests(
  it: Installation,
  requester: Requester,
  { kind, page, limit }: { kind: RequestKind; page: number; limit: number },
): Promise<WaitingPage> {
  const user = await actingUser(it.db, requester)
  if (!user) return { rows: [], total: 0, atLeast: false }
  const { requests, atLeast } = await waitingFor(it.db, user, { at: it.clock(), most })
  const ids = requests.filter((one) => one.kind === kind).map(({ id }) => id)
  const shown = ids.slice((page - 1) * limit, page * limit)
  const hashes = await hashesOf(it, kind, shown)
  // What was decided between two statements waits no more.
  const rows = (await requestRows(it, kind, shown)).flatMap((row) => {
    const hash = hashes.get(row.id)
    return hash === undefined ? [] : [{ ...row, hash }]
  })
  return { rows, total: ids.length, atLeast }
}

async function hashesOf({ db }: Installation, kind: RequestKind, ids: number[]): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map()
  const column = `decisions.${kind}_request_id` as const
  const rows = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select(['hash', `${column} as request`])
    .where(column, 'in', ids)
    .where(sql<boolean>`decisions.outcome = 'waiting'`)
    .execute()
  return new Map(rows.map(({ request, hash }) => [Number(request), hash]))
}
