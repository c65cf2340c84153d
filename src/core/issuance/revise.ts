import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { type Name, nameText } from '../../pki/name.ts'
import { findDecision, settleDecision } from '../approval/decision.ts'
import { covers, rememberedScope } from '../approval/remember.ts'
import { audit } from '../audit/audit.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { SignAnswer } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { keptCsr } from '../request/csr.ts'
import { actingUser, type Held, holdRequest, isBehind, mayHandle, requireVisible } from '../request/held.ts'
import { readSignRequest } from '../request/records.ts'
import type { RequestRef, SignDraft, SignRequest, WantedCertificate } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type AskedOrder, type AskedRow, askedProfile, draftOf, findAsked, keepAsked } from './asked.ts'
import { judge } from './judge.ts'
import type { Order } from './newRequest.ts'
import { foreseen } from './park.ts'
import { type Place, pass, passing } from './pass.ts'
import { refuse } from './refusal.ts'

/** What is to be different about an order that is parked or waits. Absent: as it is; null: as if it had not been asked. */
export interface Revision {
  identifiers?: readonly Identifier[]
  /** As SignDraft.subject, as far as the profile lets it be chosen. */
  subject?: Name | null
  /** As SignDraft.requestedSubject. */
  requestedSubject?: Name | null
  notBefore?: Date | null
  notAfter?: Date | null
  /** Name of a variant of the profile. */
  variant?: string | null
  /** The revision that the editor saw; another one by now is a conflict. */
  revision?: number
}

interface Edit {
  request: SignRequest
  row: AskedRow
  next: AskedOrder
  changes: Record<string, unknown>
  editor: Requester
  behind: boolean
}

/** See Door.revise. */
export async function revise(
  it: Installation,
  requester: Requester,
  ref: RequestRef,
  change: Revision,
): Promise<SignAnswer> {
  const held = await holdRequest(it.db, 'sign', ref, false)
  if (held.kind !== 'sign') throw new Failure('notFound', 'there is no such request')
  const { request } = held
  const behind = await requireEditor(it, requester, held)
  requireOpen(request, change, it.clock())
  const row = await findAsked(it.db, request.id)
  if (!row || (request.status === 'requested' && !request.csr))
    throw new Failure('conflict', 'this order waits for its certificate request and cannot be edited: cancel it')
  const { next, changes } = changed(row.asked, request, change)
  if (Object.keys(changes).length === 0) throw new Failure('malformed', 'this changes nothing')
  refuseBound(request, row, changes)
  const edit = { request, row, next, changes, editor: requester, behind }
  return request.status === 'draft' ? reviseParked(it, edit) : reviseWaiting(it, edit)
}

/** Answers whether the editor is behind the request; else he has manage. Throws Failure('notFound' | 'forbidden'). */
async function requireEditor(it: Installation, requester: Requester, held: Held): Promise<boolean> {
  const user = await actingUser(it.db, requester)
  const person = requester.kind === 'user' || requester.kind === 'token'
  if (person && !user) throw new Failure('notFound', 'there is no such request')
  requireVisible(held, requester, user)
  const behind = isBehind(held, requester, user)
  if (behind && (!person || (await mayHandle(it.db, held, requester, 'create_cert')))) return true
  if (await mayHandle(it.db, held, requester, 'manage')) return behind
  throw new Failure('forbidden', 'editing this needs the requester, with create_cert, or somebody with manage')
}

function requireOpen({ status, revision, expiresAt }: SignRequest, change: Revision, now: Date): void {
  if (status !== 'draft' && status !== 'requested') throw new Failure('conflict', `too late: the request is ${status}`)
  if (expiresAt && expiresAt <= now) throw new Failure('conflict', 'too late: the request has expired')
  if (change.revision !== undefined && change.revision !== revision) throw movedOn()
}

function movedOn(): Failure {
  return new Failure('conflict', 'the request has changed since you looked at it; look at it again')
}

/** What is asked from now on, and for people to read what of it is new: [before, after]. */
function changed(
  asked: AskedOrder,
  { wanted }: SignRequest,
  change: Revision,
): { next: AskedOrder; changes: Record<string, unknown> } {
  const next: AskedOrder = { ...asked }
  const changes: Record<string, unknown> = {}
  const set = <K extends keyof AskedOrder>(
    key: K,
    value: AskedOrder[K] | null,
    show: (value: AskedOrder[K]) => unknown,
  ) => {
    const before = key === 'identifiers' ? (asked[key] ?? (wanted.identifiers as AskedOrder[K])) : asked[key]
    if (canonicalJson(before ?? null) === canonicalJson(value ?? null)) return
    if (value === null) delete next[key]
    else next[key] = value
    changes[key] = [before === undefined ? null : show(before), value === null ? null : show(value)]
  }
  const time = (value: number | undefined) => value !== undefined && new Date(value).toISOString()
  const subject = (value: Name | undefined) => value && nameText(value)
  if (change.identifiers !== undefined)
    set('identifiers', change.identifiers, (names) => names?.map(({ type, value }) => `${type}:${value}`))
  if (change.subject !== undefined) set('subject', change.subject, subject)
  if (change.requestedSubject !== undefined) set('requestedSubject', change.requestedSubject, subject)
  if (change.notBefore !== undefined) set('notBefore', change.notBefore?.getTime() ?? null, time)
  if (change.notAfter !== undefined) set('notAfter', change.notAfter?.getTime() ?? null, time)
  if (change.variant !== undefined) set('variant', change.variant, (name) => name)
  return { next, changes }
}

const identity = ['identifiers', 'subject', 'requestedSubject', 'variant']

function refuseBound({ status, protocol }: SignRequest, row: AskedRow, changes: Record<string, unknown>): void {
  const touched = identity.filter((key) => key in changes)
  if (touched.length === 0) return
  if (row.registration !== null && status !== 'draft')
    throw new Failure(
      'conflict',
      'names and subject are those that were registered: cancel this order and register anew',
    )
  if (!row.asked.editable)
    throw new Failure(
      'conflict',
      `names and subject are those of the client's own message over ${protocol}, which would not take others: cancel this order and ask anew`,
    )
}

async function reviseParked(
  it: Installation,
  { request, row, next, changes, editor, behind }: Edit,
): Promise<SignAnswer> {
  const now = it.clock()
  const profile = await askedProfile(it, request, next)
  const csr = request.csr && keptCsr(request.csr)
  const { wanted, findings } = foreseen(draftOf(request, next, { profile }), csr, now)
  const { entitled: _, ...unproved } = next
  return transaction(it.db, async (db) => {
    const revision = await raise(db, request, {
      wanted,
      findings,
      now,
      ...(behind ? {} : { requester: joined(request, editor) }),
    })
    await keepAsked(db, request.id, unproved)
    await auditRevision(db, {
      request,
      editor,
      now,
      details: { revision, changes, registered: row.registration !== null },
    })
    return { request: await readSignRequest(db, request.id), repeat: false }
  })
}

async function reviseWaiting(it: Installation, edit: Edit): Promise<SignAnswer> {
  const { request, next, editor, behind } = edit
  const profile = await askedProfile(it, request, next)
  const draft = draftOf(request, next, { profile, csr: keptCsr(request.csr ?? Buffer.alloc(0)) })
  const narrower = await narrows(it, request, draft)
  const { entitled, ...unproved } = next
  const kept = narrower ? next : unproved
  const requester = behind || narrower ? request.requester : joined(request, editor)
  const { entitled: _, ...bare } = draft
  const asked: SignDraft = { ...bare, refusal: 'throw', ...(narrower && entitled ? { entitled } : {}) }
  const { order, verdict } = await judge(it, requester, asked)
  if (!verdict) return refuse(it, order, undefined)
  return passing(it, order, async (db) => {
    await voidDecision(db, request, order.now)
    return pass(
      db,
      it,
      { order, verdict, claim: undefined, again: true },
      nextRevision(db, { ...edit, next: kept }, order),
    )
  })
}

/** Who asks for more than the requester did is one of those who asked. */
function joined({ requester }: SignRequest, editor: Requester): Requester {
  return { ...requester, people: [...new Set([...requester.people, ...editor.people])] }
}

/** Whether it asks for no more than people have seen: fewer names, less time. */
async function narrows(it: Installation, request: SignRequest, draft: SignDraft): Promise<boolean> {
  const now = it.clock()
  const { wanted } = foreseen(draft, draft.csr, now)
  return covers(rememberedScope(request.wanted, [], request.createdAt), rememberedScope(wanted, [], now))
}

/** Nobody votes on the revision before any more; its votes stay on record. */
async function voidDecision(db: Database, request: SignRequest, at: Date): Promise<void> {
  const held = await holdRequest(db, 'sign', request.id)
  if (held.request.status !== 'requested' || held.request.revision !== request.revision) throw movedOn()
  const decision = await findDecision(db, 'sign', request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'void', at })
}

function nextRevision(db: Database, { request, next, changes, editor }: Edit, order: Order): Place {
  const { now, requester, admission } = order
  return async ({ status, findings, attempt, reason, details }) => {
    const revision = await raise(db, request, { wanted: admission.wanted, findings, requester, now })
    await keepAsked(db, request.id, next)
    await auditRevision(db, { request, editor, now, details: { ...details, revision, changes } })
    if (status !== 'requested')
      await moveSignRequest(db, {
        id: request.id,
        from: 'requested',
        to: status,
        actor: editor,
        at: now,
        where: { revision },
        set: { attempt, reason: reason ?? null },
      })
    return readSignRequest(db, request.id)
  }
}

interface Raise {
  wanted: WantedCertificate
  findings: SignRequest['findings']
  requester?: Requester
  now: Date
}

/** The next revision of a record that is still as it was read. Throws Failure('conflict'). */
async function raise(db: Database, request: SignRequest, { wanted, findings, requester, now }: Raise): Promise<number> {
  const revision = request.revision + 1
  const raised = await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({
      revision,
      wanted: JSON.stringify(wanted),
      findings: JSON.stringify(findings),
      ...(requester ? { requester: JSON.stringify(requester) } : {}),
      updated_at: now.getTime(),
    })
    .where('id', '=', request.id)
    .where('status', '=', request.status)
    .where('revision', '=', request.revision)
    .returning('id')
    .executeTakeFirst()
  if (!raised) throw movedOn()
  return revision
}

interface Told {
  request: SignRequest
  editor: Requester
  now: Date
  details: Record<string, unknown>
}

async function auditRevision(db: Database, { request, editor, now, details }: Told): Promise<void> {
  await audit(db, editor, now, {
    action: 'sign_request.revised',
    organizationId: request.organizationId,
    subject: { kind: 'sign_request', id: request.id },
    status: request.status,
    details,
  })
}
