import { type Kysely, sql } from 'kysely'
import { statement } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { holdRequest } from '../request/held.ts'
import type { RequestRef } from '../request/request.ts'
import { mayRead } from '../request/requestDetail.ts'
import { type Requester, type RequesterKind, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** What the audit trail tells of an order, of its certificate, or of a revocation of that. */
export interface HistoryEvent {
  /** Of the audit row; events are in the order of these. */
  id: number
  at: Date
  subject: 'sign_request' | 'certificate' | 'revoke_request'
  /** Of the subject. */
  subjectId: number
  /** As noun.verb. */
  action: string
  /** The status that the subject has since; null where that did not change. */
  status: string | null
  /** The name is empty where it is not the reader's to know. */
  actor: { kind: RequesterKind; name: string }
  details: Record<string, unknown>
}

/** No order is told of at more length than this; of a longer one the newest. */
const most = 1000

/** Who looked at a certificate is told by the audit trail alone; that an order came is told by its first status. */
const untold = [
  'certificate.view.accessed',
  'certificate.request_csr.submitted',
  'certificate.request_automated.submitted',
]

// Three look-ups by one index each: an `or` over the kinds would read all events of each kind on PostgreSQL.
const eventsOf = statement((tables: Kysely<CoreTables>, request: number, certificate: number, revoked: number) => {
  const about = (kind: string) =>
    tables
      .selectFrom('audit_events')
      .select(['id', 'at', 'subject_kind', 'subject_id', 'action', 'status', 'actor', 'details'])
      .where('subject_kind', '=', sql.lit(kind))
      .where('action', 'not in', sql<string>`(${sql.join(untold.map((action) => sql.lit(action)))})`)
  const revocations = tables.selectFrom('revoke_requests').select('revoke_requests.id')
  return about('sign_request')
    .where('subject_id', '=', request)
    .unionAll(about('certificate').where('subject_id', '=', certificate))
    .unionAll(about('revoke_request').where('subject_id', 'in', revocations.where('certificate_id', '=', revoked)))
    .orderBy('id', 'desc')
    .limit(sql.lit(most))
})

/** See Listing.history. */
export async function history(it: Installation, requester: Requester, ref: RequestRef): Promise<HistoryEvent[]> {
  const held = await holdRequest(it.db, 'sign', ref, false)
  if (!(await mayRead(it, requester, held))) throw new Failure('notFound', 'there is no such request')
  const { id } = held.request
  const { rows } = await eventsOf(it.db, id, id, id)
  const person = requester.kind === 'user' || requester.kind === 'token' || requester.kind === 'system'
  return rows
    .reverse()
    .map(toEvent)
    .flatMap((event) => (person ? [withoutKey(event)] : shownToClient(event, requesterKey(requester))))
}

interface Row {
  id: number
  at: number
  subject_kind: string
  subject_id: number | null
  action: string
  status: string | null
  actor: string
  details: string
}

type Keyed = HistoryEvent & { key: string }

function toEvent({ id, at, subject_kind, subject_id, action, status, actor, details }: Row): Keyed {
  const { kind, ref, name } = JSON.parse(actor) as Pick<Requester, 'kind' | 'ref' | 'name'>
  return {
    id,
    at: new Date(at),
    subject: subject_kind as HistoryEvent['subject'],
    subjectId: subject_id ?? 0,
    action,
    status,
    actor: { kind, name },
    details: JSON.parse(details),
    key: requesterKey({ kind, ref }),
  }
}

function withoutKey({ key: _, ...event }: Keyed): HistoryEvent {
  return event
}

/** A client that is no person of ours learns what became of its order, and not who decided or said what. */
function shownToClient(event: Keyed, own: string): HistoryEvent[] {
  if (/^(?:vote\.|comment\.|certificate\.(?:download|revoke\.requested))/.test(event.action)) return []
  const { kind } = event.actor
  const name = event.key === own || kind === 'system' ? event.actor.name : ''
  const { protocol, profile, from, outcome, serial, reason } = event.details
  const told = { protocol, profile, from, outcome, serial, reason }
  const details = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
  return [{ ...withoutKey(event), actor: { kind, name }, details }]
}
