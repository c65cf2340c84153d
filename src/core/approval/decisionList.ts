import { setImmediate } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { ActingUser } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import { actingUser, holdRequest } from '../request/held.ts'
import { mayRead } from '../request/requestDetail.ts'
import { type Reader, readerOf } from '../request/requestReader.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { DecisionFilter, DecisionPage, DecisionRecord } from './decisionRecords.ts'
import {
  type DecisionRow,
  decisionIds,
  decisionRows,
  isSign,
  presentStep,
  type ReadableRow,
  readableRows,
  statusOf,
  toRecords,
} from './decisionRow.ts'
import { type Circle, eligibleUsers } from './eligible.ts'
import { votersOf } from './voters.ts'

/** How many questions a list looks at, the newest first. */
const MOST = 10_000
const BATCH = 500

/** See Decisions.list. */
export async function countedDecisions(
  { db, clock }: Installation,
  requester: Requester,
  { page, limit, mine }: DecisionFilter,
): Promise<DecisionPage> {
  const reader = await readerOf(db, requester)
  const user = await actingUser(db, requester)
  const look = mine
    ? looking(decisionRows(db), reader, wanting(db, { user, requester, voted: mine === 'voted', at: clock() }))
    : reader.sees === 'all'
      ? looking(decisionIds(db))
      : looking(readableRows(db), reader)
  const [first, found]: [number, number[]] = [(page - 1) * limit, []]
  let total = 0
  let below: number | undefined = Number.MAX_SAFE_INTEGER
  for (let seen = 0; seen < MOST && below !== undefined; seen += BATCH) {
    const batch: Looked = await look(below)
    for (const id of batch.ids) {
      if (total >= first && found.length < limit) found.push(id)
      total += 1
    }
    below = batch.next
    // On SQLite a query holds the event loop until it is done.
    await setImmediate()
  }
  return { rows: await shown(db, found, clock()), total }
}

/** Of a batch of questions those that belong into a list; `next`: below which id the next batch begins. */
interface Looked {
  ids: number[]
  next: number | undefined
}

interface Batches<Row> {
  where(column: 'decisions.id', operator: '<', value: number): this
  orderBy(column: 'decisions.id', direction: 'desc'): this
  limit(most: number): this
  execute(): Promise<Row[]>
}

function looking<Row extends { id: number }>(
  query: Batches<Row>,
  reader?: Reader,
  keep: (rows: Row[]) => Promise<Row[]> = async (rows) => rows,
): (below: number) => Promise<Looked> {
  return async (below) => {
    const rows = await query.where('decisions.id', '<', below).orderBy('decisions.id', 'desc').limit(BATCH).execute()
    const kept = await keep(reader ? await readable(reader, rows as unknown as (Row & ReadableRow)[]) : rows)
    return { ids: kept.map(({ id }) => id), next: rows.length < BATCH ? undefined : rows.at(-1)?.id }
  }
}

async function shown(db: Database, ids: number[], at: Date): Promise<DecisionRecord[]> {
  if (ids.length === 0) return []
  const rows = await decisionRows(db).where('decisions.id', 'in', ids).orderBy('decisions.id', 'desc').execute()
  return toRecords(db, rows, at)
}

/** See Decisions.about. */
export async function decisionsOf(
  it: Installation,
  requester: Requester,
  certificate: string,
): Promise<DecisionRecord[]> {
  const held = await holdRequest(it.db, 'sign', certificate, false).catch(() => undefined)
  if (!held || !(await mayRead(it, requester, held))) throw new Failure('notFound', 'there is no such certificate')
  const { id } = held.request
  const rows = await decisionRows(it.db)
    .where(({ or, eb, selectFrom }) =>
      or([
        eb('decisions.sign_request_id', '=', id),
        eb(
          'decisions.revoke_request_id',
          'in',
          selectFrom('revoke_requests').select('id').where('certificate_id', '=', id),
        ),
      ]),
    )
    .orderBy('decisions.id', 'desc')
    .limit(1000)
    .execute()
  return toRecords(it.db, rows, it.clock())
}

async function readable<Row extends ReadableRow>(reader: Reader, rows: Row[]): Promise<Row[]> {
  if (reader.sees === 'all') return rows
  if (reader.sees === 'own') return rows.filter((row) => row.requester_key === reader.requesterKey)
  const its = rows.filter((row) => row.organization_id === reader.organizationId)
  const may = async (kind: 'sign' | 'revoke', of: Row[]) =>
    of.length === 0
      ? new Set<number>()
      : reader.may(
          kind,
          of.map((row) => ({
            id: Number(row.request_id),
            authority_id: Number(row.authority_id),
            profile_id: row.profile_id,
            requester: row.requester ?? '',
            requester_key: row.requester_key ?? '',
          })),
        )
  const [signing, revoking] = [its.filter(isSign), its.filter((row) => !isSign(row))]
  const [sign, revoke] = [await may('sign', signing), await may('revoke', revoking)]
  return its.filter((row) => (isSign(row) ? sign : revoke).has(Number(row.request_id)))
}

interface Wanting {
  user: ActingUser | undefined
  requester: Requester
  voted: boolean
  at: Date
}

/** Of some questions those that wait for a user, and with `voted` those on which he has voted. */
function wanting(db: Database, { user, requester, voted, at }: Wanting) {
  const circles = new Map<string, Promise<boolean>>()
  const expects = (row: DecisionRow): Promise<boolean> => {
    const step = presentStep(row)
    if (!step || !user || row.requester_key === requesterKey(requester)) return Promise.resolve(false)
    const { people }: Requester = JSON.parse(row.requester ?? '{"people":[]}')
    if (people.includes(user.id)) return Promise.resolve(false)
    const key = JSON.stringify([step, row.authority_id, row.profile_id, isSign(row), people])
    const known = circles.get(key) ?? isVoter(db, { step, row, user, at })
    circles.set(key, known)
    return known
  }
  return async (rows: DecisionRow[]): Promise<DecisionRow[]> => {
    const his = user ? await votedOn(db, rows, user.id) : new Set<number>()
    const kept: DecisionRow[] = []
    for (const row of rows) {
      const open = statusOf(row, at) === 'waiting' && !his.has(row.id)
      if ((voted && his.has(row.id)) || (open && (await expects(row)))) kept.push(row)
    }
    return kept
  }
}

async function isVoter(
  db: Database,
  { step, row, user, at }: { step: Circle; row: DecisionRow; user: ActingUser; at: Date },
): Promise<boolean> {
  const home = { organizationId: Number(row.organization_id), authorityId: Number(row.authority_id) }
  if ((await eligibleUsers(db, step, home)).some(({ id }) => id === user.id)) return true
  const held = await holdRequest(db, isSign(row) ? 'sign' : 'revoke', Number(row.request_id), false)
  return (await votersOf(db, step, held, at)).some((voter) => voter.user.id === user.id)
}

async function votedOn(db: Database, rows: DecisionRow[], userId: number): Promise<Set<number>> {
  if (rows.length === 0) return new Set()
  const votes = await withTables<CoreTables>(db)
    .selectFrom('votes')
    .select('decision_id')
    .where('user_id', '=', userId)
    .where(
      'decision_id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute()
  return new Set(votes.map(({ decision_id: id }) => id))
}
