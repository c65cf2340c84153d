import type { Database } from '../../db/open.ts'
import type { Claim, SignAnswer } from '../core.ts'
import { Failure } from '../failure.ts'
import { allows } from '../identity/tokenScope.ts'
import type { Installation } from '../installation.ts'
import { keepOrdered } from '../inventory/inventoryOrdered.ts'
import { keptCsr } from '../request/csr.ts'
import { actingUser, type Held, holdRequest, mayHandle, requireVisible } from '../request/held.ts'
import { readSignRequest } from '../request/records.ts'
import type { RequestRef, SignDraft, SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { type Requester, requesterKey } from '../requester.ts'
import { type AskedRow, askedProfile, draftOf, findAsked } from './asked.ts'
import { judge } from './judge.ts'
import type { Order } from './newRequest.ts'
import { type Place, pass, passing } from './pass.ts'
import { refuse } from './refusal.ts'
import { requireRegistered, requireSecret } from './registration.ts'

/** What is said when a parked order is submitted; the rest is as it was parked. */
export type SubmitDraft = Pick<
  SignDraft,
  'csr' | 'identifiers' | 'validated' | 'subject' | 'requestedSubject' | 'notBefore' | 'notAfter'
> & {
  /** All its custom attributes, in place of those that it was parked with. */
  attributes?: unknown
  /** The authorization secret of a registration. */
  secret?: string
}

export interface Submission {
  ref: RequestRef
  change: SubmitDraft
  claim: Claim | undefined
}

/** See Door.submit. */
export async function submit(
  it: Installation,
  requester: Requester,
  { ref, change, claim }: Submission,
): Promise<SignAnswer> {
  const held = await holdRequest(it.db, 'sign', ref, false)
  if (held.kind !== 'sign') throw new Failure('notFound', 'there is no such request')
  const { request } = held
  const row = await findAsked(it.db, request.id)
  const shown = change.secret !== undefined && row?.secret != null
  await requireOrderer(it, requester, held, shown)
  if (request.status !== 'draft' || !row)
    throw new Failure('conflict', `the request is ${request.status}: only a parked order is submitted`)
  if (request.expiresAt && request.expiresAt <= it.clock())
    throw new Failure('conflict', 'too late: the time in which this could be submitted is over')
  if (row.secret !== null) await requireSecret(it, requester, request, change.secret)
  const orderer = ordererOf(request, requester)
  const draft = await submitted(it, { request, row, change, orderer })
  const { order, verdict } = await judge(it, orderer, draft)
  const place = (db: Database) => leaveDraft(db, request, order, change.attributes)
  if (!verdict) return refuse(it, order, claim, place)
  return passing(it, order, (db) => pass(db, it, { order, verdict, claim }, place(db)))
}

type Parked = Extract<Held, { kind: 'sign' }>

/** Whoever parked it, who may order of its profile, and who shows its secret. Throws Failure('notFound' | 'forbidden'). */
async function requireOrderer(it: Installation, requester: Requester, held: Parked, shown: boolean): Promise<void> {
  const user = await actingUser(it.db, requester)
  if (requester.kind === 'user' || requester.kind === 'token') {
    if (!user) throw new Failure('notFound', 'there is no such request')
    requireVisible(held, requester, user)
    // A secret gives no token what its scope keeps from it, and none that only reads learns whether it is right.
    if (shown && allows(user.scope, 'create_cert', held.request)) return
    if (await mayHandle(it.db, held, requester, 'create_cert')) return
    throw new Failure('forbidden', 'you may not order certificates of this profile (create_cert)')
  }
  // What is no person of ours sees only its own; a secret opens this one order.
  if (!shown || held.request.status !== 'draft') requireVisible(held, requester, user)
}

/** Whose order it is from now on. Whoever parked it stands behind it all the same, and decides nothing about it. */
function ordererOf({ requester: first }: SignRequest, requester: Requester): Requester {
  if (requester.kind === 'system') return first
  return { ...requester, people: [...new Set([...requester.people, ...first.people])] }
}

interface Submitted {
  request: SignRequest
  row: AskedRow
  change: SubmitDraft
  orderer: Requester
}

async function submitted(it: Installation, { request, row, change, orderer }: Submitted): Promise<SignDraft> {
  const csr = change.csr ?? (request.csr && keptCsr(request.csr))
  if (!csr) throw new Failure('malformed', 'a certificate request is needed: none was stored with this order')
  const profile = await askedProfile(it, request, row.asked)
  const owner = requesterKey(orderer) === requesterKey(request.requester)
  const asked = draftOf(request, row.asked, { profile, csr })
  // Who parked a renewal was tied to the certificate that it renews; whoever else submits it is not.
  const draft: SignDraft = { ...asked, ...(owner || asked.renews === undefined ? {} : { unproved: true }) }
  if (row.registration === null) {
    const { secret: _, attributes: _attributes, ...changed } = change
    // Proofs that came with the order were for what it asked, and for whoever asked it.
    const same = owner && !change.identifiers && !change.csr
    const { entitled: _entitled, validated: _validated, ...rest } = draft
    return { ...(same ? draft : rest), ...changed, csr }
  }
  if (change.identifiers || change.subject || change.requestedSubject || change.notBefore || change.notAfter)
    throw new Failure('malformed', 'names, subject and validity of a registered order are fixed: submit its CSR alone')
  requireRegistered(csr, row)
  const entitled = await vouchedFor(it, { kind: 'sign', request, answered: false }, row)
  return { ...draft, identifiers: row.asked.identifiers ?? [], entitled }
}

/** A secret that was made for these names counts as a challenge does, which whoever manages the profile may make. */
async function vouchedFor(it: Installation, held: Held, { secret }: AskedRow): Promise<boolean> {
  const { requester } = held.request
  return secret !== null && requester.kind !== 'system' && mayHandle(it.db, held, requester, 'manage')
}

/** Brings the parked record to where the rules want it; of two submissions at once one gets Failure('conflict'). */
function leaveDraft(
  db: Database,
  request: SignRequest,
  { csr, requester, admission, now }: Order,
  attributes: unknown,
): Place {
  return async ({ status, findings, attempt, reason, details }) => {
    const { id, revision } = request
    await moveSignRequest(db, {
      id,
      from: 'draft',
      to: status,
      actor: requester,
      at: now,
      where: { revision },
      set: {
        requester: JSON.stringify(requester),
        requester_key: requesterKey(requester),
        source_address: requester.source ?? null,
        csr: csr.der,
        spki_hash: csr.publicKey.spkiHash,
        wanted: JSON.stringify(admission.wanted),
        findings: JSON.stringify(findings),
        attempt,
        reason: reason ?? null,
      },
      details: { ...details, revision },
    })
    if (attributes !== undefined) await keepOrdered(db, { id, profile: request, kept: { attributes } })
    return readSignRequest(db, id)
  }
}
