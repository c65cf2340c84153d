import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { fingerprint } from '../../pki/certificateReader.ts'
import type { CoreTables } from '../tables.ts'
import { loadKnownRules, verifyDecisions } from './verifyDecisions.ts'
import { type Complain, eachSpan, type Histories, pairs, type Told } from './verifyHistory.ts'

const requests = [
  { table: 'sign_requests', kind: 'sign_request', first: ['draft', 'requested', 'signing', 'signed', 'denied'] },
  { table: 'revoke_requests', kind: 'revoke_request', first: ['requested', 'revoking', 'revoked', 'denied'] },
] as const

type Requests = (typeof requests)[number]

/** Requests of both kinds: their moves, the decisions that let them pass, and the certificates that came of them. */
export async function verifyRequests(db: Database, complain: Complain): Promise<void> {
  const rules = await loadKnownRules(db)
  for (const its of requests) {
    await eachSpan(db, complain, {
      kind: its.kind,
      check: async (histories, complain) => {
        const rows = await withTables<CoreTables>(db)
          .selectFrom(its.table)
          .select(['id', 'status', 'revision'])
          .where('id', '>', histories.after)
          .where('id', '<=', histories.upTo)
          .execute()
        for (const { id, events, row } of pairs(histories, rows)) verifyMoves(its, { id, events, row }, complain)
        await verifyDecisions(db, { kind: its.kind, histories, rules }, complain)
        if (its.kind === 'sign_request') await verifyIssued(db, histories, complain)
      },
    })
  }
}

interface Subject {
  id: number
  events: Told[]
  row: { status: string; revision: number } | undefined
}

/** Every move begins where the one before it ended, the first one at a beginning, and the record is where the last one led. */
function verifyMoves({ kind, first }: Requests, { id, events, row }: Subject, complain: Complain): void {
  const subject = `${kind} ${id}`
  let told: string | undefined
  for (const { id: event, status, details } of events) {
    if (status === null) continue
    const from = typeof details.from === 'string' ? details.from : undefined
    if (told === undefined && (from !== undefined || !(first as readonly string[]).includes(status)))
      complain(
        `${subject}: its first event, ${event}, says ${status}${from ? ` after ${from}` : ''}: it had a beginning`,
      )
    else if (told !== undefined && (from ?? status) !== told)
      complain(`${subject}: event ${event} takes it from ${from ?? status}, but the event before left it ${told}`)
    told = status
  }
  if (!row) complain(`${subject} is gone, its last event says ${told ?? 'nothing'}`)
  else if (row.status !== told) complain(`${subject} is ${row.status}, its last event says ${told ?? 'nothing'}`)
  const revision = Math.max(
    1,
    ...events.filter(({ action }) => action === `${kind}.revised`).map(({ details }) => Number(details.revision)),
  )
  if (row && row.revision !== revision)
    complain(`${subject} is at revision ${row.revision}, its events say ${revision}`)
}

/** Each certificate is the one that its request's event names, and each that was issued is there. */
async function verifyIssued(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'serial', 'fingerprint', 'der', 'status', 'revoked_at', 'revocation_reason'])
    .where('id', '>', histories.after)
    .where('id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const signed = events.findLast(({ action }) => action === 'sign_request.signed')
    if (!signed && row) complain(`certificate ${id} was issued by no event`)
    if (row?.status === 'issued' && (row.revoked_at !== null || row.revocation_reason !== null))
      complain(`certificate ${id} is issued, and yet has the moment or reason of a revocation`)
    if (!signed) continue
    if (events.some(({ action }) => action === 'sign_request.deleted')) {
      if (row) complain(`certificate ${id} is there, an event says that it was deleted`)
      continue
    }
    const { serial, fingerprint: told } = signed.details
    if (!row) complain(`certificate ${id} is gone, event ${signed.id} says that it was issued (serial ${serial})`)
    else if (row.serial !== serial) complain(`certificate ${id} has the serial ${row.serial}, its event says ${serial}`)
    else if (row.fingerprint !== (told ?? row.fingerprint) || fingerprint(row.der) !== row.fingerprint)
      complain(`certificate ${id} is not the one that was issued: its fingerprint differs`)
  }
}

/** Revocation: status, moment and reason are those of the last event about it. */
export async function verifyCertificates(db: Database, complain: Complain): Promise<void> {
  await eachSpan(db, complain, {
    kind: 'certificate',
    check: async (histories, complain) => {
      const known = [...histories.told.keys()]
      for (const { id, events, row } of pairs(histories, await withdrawn(db, histories, known))) {
        const subject = `certificate ${id}`
        if (!row && events.some(({ action }) => action === 'certificate.deleted')) continue
        if (!row) complain(`${subject} is gone, event ${events[0]?.id} tells of it`)
        else verifyWithdrawal(subject, row, { events, complain })
      }
    },
  })
}

/** Those of the span that are not just issued (by an index of their own), and those that events name. */
async function withdrawn(db: Database, { after, upTo }: Histories, known: number[]) {
  const rows = withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'status', 'revoked_at', 'revocation_reason'])
  const ended = await rows
    .where(sql<boolean>`status <> 'issued'`)
    .where('id', '>', after)
    .where('id', '<=', upTo)
    .execute()
  const named = known.length === 0 ? [] : await rows.where('id', 'in', known).execute()
  return [...ended, ...named]
}

type Withdrawn = Awaited<ReturnType<typeof withdrawn>>[number]

function verifyWithdrawal(
  subject: string,
  row: Withdrawn,
  { events, complain }: { events: Told[]; complain: Complain },
): void {
  const last = events.findLast(({ status }) => status !== null)
  const told = last?.status ?? 'issued'
  if (row.status !== told) {
    complain(`${subject} is ${row.status}, its last event says ${last ? told : 'nothing'}`)
    return
  }
  const reason = told === 'issued' ? null : (last?.details.reason ?? null)
  const at = told === 'issued' ? null : last ? since(last) : null
  if (row.revocation_reason !== reason)
    complain(
      `${subject} was revoked for ${row.revocation_reason ?? 'no reason'}, its event says ${reason ?? 'no reason'}`,
    )
  if (row.revoked_at !== at) complain(`${subject} was revoked at ${time(row.revoked_at)}, its event says ${time(at)}`)
}

/** A hold that became a revocation, and what an authority elsewhere has revoked, count from before the event. */
function since({ at, details }: Told): number {
  const before = typeof details.revokedAt === 'string' ? Date.parse(details.revokedAt) : Number.NaN
  return Number.isNaN(before) ? at : before
}

function time(at: number | null): string {
  if (at === null) return 'no time'
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}
