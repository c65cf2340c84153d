import { setImmediate } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import type { AuditSubject } from './audit.ts'

export type Complain = (problem: string) => void

/** What is found wrong, each thing once, as far as a person can read it. */
export function createComplaints(most = 200): { problems: string[]; complain: Complain } {
  const problems: string[] = []
  const complain = (problem: string) => {
    if (problems.length < most && !problems.includes(problem)) problems.push(problem)
    else if (problems.length === most) problems.push('… and more')
  }
  return { problems, complain }
}

/** One event about a subject, its details read. */
export interface Told {
  id: number
  at: number
  organizationId: number | null
  action: string
  status: string | null
  details: Record<string, unknown>
}

/** The subjects with after < id <= upTo, those of which events tell with these, oldest first. */
export interface Histories {
  after: number
  upTo: number
  told: Map<number, Told[]>
}

interface Span {
  kind: AuditSubject
  /** Absent: all. Those that come in great numbers for one subject are left out by it. */
  actions?: readonly string[]
  check: (histories: Histories, complain: Complain) => Promise<void>
}

const batch = 500

/**
 * Walks the subjects of a kind, in order, and lets `check` compare what events tell of them with the records in the same
 * span of ids; the last span has no end. A server may work meanwhile, and events and records are not read at one moment:
 * what `check` finds counts only when it finds it twice more.
 */
export async function eachSpan(db: Database, complain: Complain, span: Span): Promise<void> {
  for (let after = Number.MIN_SAFE_INTEGER; after < Number.MAX_SAFE_INTEGER; await setImmediate()) {
    const histories = await historiesAfter(db, span, after)
    let found = await complaintsOf(span, histories)
    for (let again = 0; again < 2 && found.length > 0; again++) {
      const anew = await complaintsOf(span, await historiesBetween(db, span, histories))
      found = found.filter((problem) => anew.includes(problem))
    }
    found.forEach(complain)
    after = histories.upTo
  }
}

async function complaintsOf({ check }: Span, histories: Histories): Promise<string[]> {
  const { problems, complain } = createComplaints()
  await check(histories, complain)
  return problems
}

async function historiesAfter(db: Database, span: Span, after: number): Promise<Histories> {
  for (let limit = batch; ; limit *= 2) {
    const rows = await query(db, span, after).limit(limit).execute()
    const last = rows.at(-1)?.subject_id ?? 0
    if (rows.length < limit) return { after, upTo: Number.MAX_SAFE_INTEGER, told: bySubject(rows) }
    // The last subject may have more events than were read.
    const whole = rows.filter(({ subject_id }) => subject_id !== last)
    const upTo = whole.at(-1)?.subject_id
    if (upTo != null) return { after, upTo, told: bySubject(whole) }
  }
}

async function historiesBetween(db: Database, span: Span, { after, upTo }: Histories): Promise<Histories> {
  const rows = await query(db, span, after).where('subject_id', '<=', upTo).execute()
  return { after, upTo, told: bySubject(rows) }
}

function query(db: Database, { kind, actions }: Span, after: number) {
  const events = withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select(['id', 'at', 'organization_id', 'action', 'status', 'details', 'subject_id'])
    .where('subject_kind', '=', kind)
    .where('subject_id', '>', after)
    .orderBy('subject_id')
    .orderBy('id')
  return actions ? events.where('action', 'in', [...actions]) : events
}

type Row = Awaited<ReturnType<ReturnType<typeof query>['execute']>>[number]

function bySubject(rows: Row[]): Map<number, Told[]> {
  const told = new Map<number, Told[]>()
  for (const { subject_id, organization_id, details, ...row } of rows) {
    if (subject_id === null) continue
    const event = { ...row, organizationId: organization_id, details: readDetails(details) }
    const events = told.get(subject_id)
    if (events) events.push(event)
    else told.set(subject_id, [event])
  }
  return told
}

/** Details that somebody spoiled tell nothing; the chain says which they are. */
function readDetails(text: string): Record<string, unknown> {
  const details = readJson(text)
  return typeof details === 'object' && details !== null ? { ...details } : {}
}

/** Undefined for what is not JSON: somebody spoiled it, and it agrees with nothing. */
export function readJson(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

/** For each subject of a span that has events or a record: both, as far as there are. */
export function pairs<Row extends { id: number }>(
  { told }: Histories,
  rows: Row[],
): { id: number; events: Told[]; row: Row | undefined }[] {
  const records = new Map(rows.map((row) => [row.id, row]))
  const ids = [...new Set([...told.keys(), ...records.keys()])].sort((a, b) => a - b)
  return ids.map((id) => ({ id, events: told.get(id) ?? [], row: records.get(id) }))
}
