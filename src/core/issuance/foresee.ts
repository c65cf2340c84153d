import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Facts, Outcome } from '../approval/approval.ts'
import { findDecision, openDecision, requestHash } from '../approval/decision.ts'
import { certificateFacts } from '../approval/facts.ts'
import { covers, findRemembered, rememberedScope } from '../approval/remember.ts'
import { findGranted } from '../approval/standingUse.ts'
import { audit } from '../audit/audit.ts'
import { type Certificate, findRenewed } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { decide } from '../profile/decide.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { ApprovalRule } from '../profile/rule.ts'
import { subjectOf } from '../profile/subject.ts'
import { openSign } from '../request/openRequests.ts'
import { toSignRequest } from '../request/records.ts'
import type { Finding, SignDraft, SignRequest, WantedCertificate } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { type Requester, requesterKey, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { insertRequestRow } from './newRequest.ts'

/** An order that will come, before its CSR is there. */
export type ForeseenDraft = Pick<
  SignDraft,
  'profile' | 'protocol' | 'action' | 'entitled' | 'notBefore' | 'notAfter' | 'renews'
> &
  Required<Pick<SignDraft, 'origin' | 'identifiers'>>

/** A variable of Facts that only a CSR can fill. A word in a literal counts too: then finalize decides, as ever. */
const ofTheCsr = /\b(key|subject|mustStaple|findings)\b/

/** The rules up to the first that looks at the CSR: what they decide, they decide without it. */
function decidableRules(rules: readonly ApprovalRule[]): { rules: ApprovalRule[]; all: boolean } {
  const first = rules.findIndex(({ when }) => ofTheCsr.test(when))
  return first < 0 ? { rules: [...rules], all: true } : { rules: rules.slice(0, first), all: false }
}

/**
 * Lets the rules decide an order as early as they can: a denial is thrown at once (Failure('forbidden')), and where
 * people are asked, the answer asks them, in the transaction that stores the order, so that nobody is asked about one
 * that never was. The record waits without a CSR, while the client still proves its names, and `sign` with the same
 * origin gives it one. Undefined where the rules say auto or need the CSR; nothing is stored where an approval is
 * remembered or stands. An open record of the same requester that covers the order is taken over instead of asking twice.
 */
export async function foresee(
  it: Installation,
  requester: Requester,
  draft: ForeseenDraft,
): Promise<Claim | undefined> {
  const { profile } = draft
  if (Object.values(profile.settings.certificate.subject).some((template) => template.includes('{csr.')))
    return undefined
  const { rules, all } = decidableRules(profile.rules[draft.action])
  const now = it.clock()
  const wanted = foreseenCertificate(profile, draft)
  const renewed = await findRenewed(it.db, draft.renews)
  const { outcome, findings } = decide(rules, foreseenFacts(requester, draft, { wanted, renewed, now }))
  if (!all && outcome.rule === 'default') return undefined
  if (outcome.kind === 'auto') return undefined
  if (outcome.kind === 'deny') throw new Failure('forbidden', outcome.message)
  return (db) => askEarly(db, { requester, draft, wanted, outcome, findings, now })
}

/** The certificate as far as it is known: the subject comes with the CSR. */
function foreseenCertificate({ settings }: RaProfile, draft: ForeseenDraft): WantedCertificate {
  const { certificate } = settings
  return {
    type: certificate.type,
    subject: subjectOf(certificate, { subject: [] }, draft.identifiers),
    identifiers: draft.identifiers,
    ...(draft.notBefore ? { notBefore: draft.notBefore.getTime() } : {}),
    ...(draft.notAfter ? { notAfter: draft.notAfter.getTime() } : {}),
    validity: certificate.validity.default,
    backdate: certificate.validity.backdate,
    mustStaple: false,
  }
}

interface Foreseen {
  wanted: WantedCertificate
  renewed: Certificate | undefined
  now: Date
}

function foreseenFacts(requester: Requester, draft: ForeseenDraft, { wanted, renewed, now }: Foreseen): Facts {
  const begin = wanted.notBefore ?? now.getTime()
  const end = wanted.notAfter ?? begin + wanted.validity
  return {
    action: draft.action,
    protocol: draft.protocol,
    profile: draft.profile.name,
    ...(draft.profile.variant === undefined ? {} : { variant: draft.profile.variant }),
    requester: { kind: requester.kind, ref: requester.ref, name: requester.name },
    source: requester.source ?? '',
    // The order only comes to its end when all of them are proved.
    identifiers: wanted.identifiers.map((identifier) => ({ ...identifier, validated: true })),
    validated: wanted.identifiers.length > 0,
    entitled: draft.entitled ?? false,
    subject: {},
    key: { algorithm: '', size: 0, curve: '' },
    type: wanted.type,
    days: Math.ceil((end - begin) / 86_400_000),
    mustStaple: false,
    certificate: certificateFacts(renewed, wanted, now),
    reason: '',
    grounds: '',
    capable: false,
  }
}

interface Early {
  requester: Requester
  draft: ForeseenDraft
  wanted: WantedCertificate
  outcome: Extract<Outcome, { kind: 'require' }>
  findings: Finding[]
  now: Date
}

/** So that whoever approves knows what he may rely on. */
const unproved: Finding = {
  by: 'rule',
  check: 'askedEarly',
  detail: 'asked when the order was made, before its names were proved; nothing is signed until they are',
}

async function askEarly(db: Database, early: Early): Promise<void> {
  const { requester, draft, wanted, outcome, findings, now } = early
  const { profile } = draft
  const scope = rememberedScope(wanted, findings, now)
  const query = {
    profileId: profile.id,
    action: draft.action,
    requesterKey: requesterKey(requester),
    people: requester.people,
    ruleVersion: outcome.version,
    scope,
    at: now,
  }
  if (await findRemembered(db, query)) return
  if (await findGranted(db, { profile, action: draft.action, requester, outcome, wanted, findings, at: now })) return
  if (await takeOver(db, early)) return
  const shown = [...findings, unproved]
  const request = await insertRequestRow(
    db,
    { draft, requester, wanted, now },
    { status: 'requested', findings: shown, generation: 0, attempt: 0 },
  )
  if (!request) return
  const hash = requestHash({
    kind: 'sign',
    action: draft.action,
    profile: profile.name,
    requester,
    revision: request.revision,
    findings: shown,
    ruleVersion: outcome.version,
    wanted,
  })
  const { id: requestId, revision, organizationId, authorityId } = request
  const opened = await openDecision(db, {
    kind: 'sign',
    requestId,
    revision,
    organizationId,
    authorityId,
    requester,
    outcome,
    hash,
    at: now,
  })
  await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({
      expires_at: opened.expiresAt?.getTime() ?? null,
      findings: JSON.stringify([...shown, ...opened.findings]),
    })
    .where('id', '=', requestId)
    .execute()
  await audit(db, requester, now, {
    action: 'sign_request.requested',
    organizationId,
    subject: { kind: 'sign_request', id: requestId },
    status: 'requested',
    details: {
      protocol: draft.protocol,
      profile: profile.name,
      rule: outcome.rule,
      outcome: 'require',
      foreseen: true,
    },
  })
}

/** How many of one requester's orders people are asked about before their names are proved. */
const mostAskedEarly = 20

/** A record that still waits for a CSR, asked by the same requester under the same rule for no less: it now waits for this order's. */
async function takeOver(db: Database, { requester, draft, wanted, outcome, findings, now }: Early): Promise<boolean> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .selectAll()
    .where(openSign)
    .where('status', 'in', ['requested', 'signing'])
    .where('csr', 'is', null)
    .where('requester_key', '=', requesterKey(requester))
    .where('profile_id', '=', draft.profile.id)
    .where('action', '=', draft.action)
    .orderBy('id', 'desc')
    .limit(mostAskedEarly)
    .execute()
  for (const row of rows) {
    const request = toSignRequest(row)
    if (!(await stillCovers(db, request, { wanted, findings, version: outcome.version, at: now }))) continue
    await withTables<CoreTables>(db)
      .updateTable('sign_requests')
      .set({ origin_ref: draft.origin.ref, origin_generation: 0 })
      .where('id', '=', request.id)
      .execute()
    return true
  }
  // Names can be ordered without end before any is proved: from here on people are asked when they are.
  return rows.length >= mostAskedEarly
}

/** Whether what people see, or saw, of a record without a CSR is no less than what is asked now, and under the same rule. */
export async function stillCovers(
  db: Database,
  request: SignRequest,
  { wanted, findings, version, at }: { wanted: WantedCertificate; findings: Finding[]; version: string; at: Date },
): Promise<boolean> {
  const decision = await findDecision(db, 'sign', request)
  if (decision?.ruleVersion !== version) return false
  return covers(
    rememberedScope(request.wanted, request.findings, request.createdAt),
    rememberedScope(wanted, findings, at),
  )
}

/** How long an approval waits for the CSR of its order. */
const longest = 7 * 86_400_000

/** Withdraws approved requests whose CSR never came. Answers how many. */
export async function abandonForeseen(db: Database, at: Date): Promise<number> {
  const due = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('id')
    .where(openSign)
    .where('status', '=', 'signing')
    .where('csr', 'is', null)
    .where('updated_at', '<=', at.getTime() - longest)
    .limit(100)
    .execute()
  for (const { id } of due) await withdrawForeseen(db, id, at)
  return due.length
}

async function withdrawForeseen(db: Database, id: number, at: Date): Promise<void> {
  await transaction(db, (db) =>
    moveSignRequest(db, {
      id,
      from: 'signing',
      to: 'canceled',
      actor: system('expire'),
      at,
      set: { reason: 'the order for which this was approved was never finished' },
    }),
  )
}
