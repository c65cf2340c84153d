import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { RequestRef, SignStatus } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { findItem, findItems, manageItem, subjectOfItem } from './inventoryItem.ts'

/** renewal: the same key; rekey: another key for the same; replacement: anything else that took its place. */
export type RelationKind = 'renewal' | 'rekey' | 'replacement'

export interface Relation {
  id: number
  uuid: string
  kind: RelationKind
  /** What the other one is to this one. */
  role: 'successor' | 'predecessor'
  /** The successor is not issued yet. */
  pending: boolean
  status: SignStatus
  /** A person made it; a renewal's is derived. */
  manual: boolean
}

const MOST = 200
const open: readonly SignStatus[] = ['draft', 'requested', 'signing']

/** See Inventory.relations. */
export async function relations({ it, requester }: AdminContext, ref: RequestRef): Promise<Relation[]> {
  const item = await findItem(it.db, requester, ref)
  const { id } = item
  const edges = [...(await renewals(it.db, id, item.renews)), ...(await related(it.db, id))]
  const ids = [...new Set(edges.flatMap(({ successor, predecessor }) => [successor, predecessor]))]
  const readable = new Map((await findItems(it.db, requester, ids)).map((found) => [found.id, found]))
  const marks = await marksOf(it.db, ids)
  const seen = new Set<number>()
  return edges.flatMap(({ successor, predecessor, manual }): Relation[] => {
    const otherId = successor === id ? predecessor : successor
    const [next, other] = [readable.get(successor), readable.get(otherId)]
    // An order that ended without a certificate followed nothing.
    if (!next || !other || seen.has(otherId) || (next.status !== 'signed' && !open.includes(next.status))) return []
    seen.add(otherId)
    const kind = manual ? kindOf(marks.get(successor), marks.get(predecessor)) : kindOfAction(next.action)
    const role = successor === id ? 'predecessor' : 'successor'
    const { uuid, status } = other
    return [{ id: otherId, uuid, kind, role, pending: next.status !== 'signed', status, manual }]
  })
}

interface Edge {
  successor: number
  predecessor: number
  manual: boolean
}

async function renewals(db: Database, id: number, renews: number | undefined): Promise<Edge[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('id')
    .where('renews_id', '=', id)
    .orderBy('id', 'desc')
    .limit(MOST)
    .execute()
  const later = rows.map((row) => ({ successor: row.id, predecessor: id, manual: false }))
  return renews === undefined ? later : [{ successor: id, predecessor: renews, manual: false }, ...later]
}

async function related(db: Database, id: number): Promise<Edge[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificate_relations')
    .select(['successor_id', 'predecessor_id'])
    .where(({ or, eb }) => or([eb('successor_id', '=', id), eb('predecessor_id', '=', id)]))
    .limit(MOST)
    .execute()
  return rows.map((row) => ({ successor: row.successor_id, predecessor: row.predecessor_id, manual: true }))
}

interface Marks {
  spki_hash: string
  subject: string
}

async function marksOf(db: Database, ids: number[]): Promise<Map<number, Marks>> {
  if (ids.length === 0) return new Map()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'spki_hash', 'subject'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

function kindOf(a: Marks | undefined, b: Marks | undefined): RelationKind {
  if (!a || !b || a.subject !== b.subject) return 'replacement'
  return a.spki_hash === b.spki_hash ? 'renewal' : 'rekey'
}

function kindOfAction(action: string): RelationKind {
  return action === 'renew' ? 'renewal' : action === 'rekey' ? 'rekey' : 'replacement'
}

export interface Related {
  successor: RequestRef
  predecessor: RequestRef
}

/** See Inventory.relate. */
export async function relate({ it, requester }: AdminContext, related: Related): Promise<void> {
  const at = it.clock()
  try {
    await transaction(it.db, async (db) => {
      const { successor, predecessor } = await bothOf(db, { it, requester }, related)
      if (successor.id === predecessor.id) throw new Failure('malformed', 'a certificate does not follow itself')
      if (successor.organizationId !== predecessor.organizationId)
        throw new Failure('malformed', 'the two certificates are of two organizations')
      if (await areRelated(db, successor.id, predecessor.id)) throw alreadyRelated()
      await withTables<CoreTables>(db)
        .insertInto('certificate_relations')
        .values({ successor_id: successor.id, predecessor_id: predecessor.id, created_at: at.getTime() })
        .execute()
      await audit(db, requester, at, {
        action: 'certificate.related',
        organizationId: successor.organizationId,
        subject: subjectOfItem(successor),
        details: { predecessor: predecessor.id },
      })
    })
  } catch (error) {
    throw isUniqueViolation(error) ? alreadyRelated() : error
  }
}

const alreadyRelated = () => new Failure('conflict', 'these two certificates are related already')

async function bothOf(db: Database, { requester }: AdminContext, { successor, predecessor }: Related) {
  return {
    successor: await manageItem(db, requester, successor),
    predecessor: await manageItem(db, requester, predecessor),
  }
}

/** Either way round. */
async function areRelated(db: Database, a: number, b: number): Promise<boolean> {
  const tables = withTables<CoreTables>(db)
  const made = await tables
    .selectFrom('certificate_relations')
    .select('created_at')
    .where(({ or, and, eb }) =>
      or([
        and([eb('successor_id', '=', a), eb('predecessor_id', '=', b)]),
        and([eb('successor_id', '=', b), eb('predecessor_id', '=', a)]),
      ]),
    )
    .executeTakeFirst()
  if (made) return true
  const renewed = await tables
    .selectFrom('sign_requests')
    .select('id')
    .where(({ or, and, eb }) =>
      or([and([eb('id', '=', a), eb('renews_id', '=', b)]), and([eb('id', '=', b), eb('renews_id', '=', a)])]),
    )
    .executeTakeFirst()
  return renewed !== undefined
}

/** See Inventory.unrelate. */
export async function unrelate({ it, requester }: AdminContext, related: Related): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const { successor, predecessor } = await bothOf(db, { it, requester }, related)
    const gone = await withTables<CoreTables>(db)
      .deleteFrom('certificate_relations')
      .where('successor_id', '=', successor.id)
      .where('predecessor_id', '=', predecessor.id)
      .returning('created_at')
      .executeTakeFirst()
    if (!gone)
      throw (await areRelated(db, successor.id, predecessor.id))
        ? new Failure('conflict', 'one renews the other, or they are related the other way round: that stays')
        : new Failure('notFound', 'these two certificates are not related')
    await audit(db, requester, at, {
      action: 'certificate.unrelated',
      organizationId: successor.organizationId,
      subject: subjectOfItem(successor),
      details: { predecessor: predecessor.id },
    })
  })
}
