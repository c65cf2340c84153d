import { createHash } from 'node:crypto'
import type { Insertable, Kysely, Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure } from '../failure.ts'
import { duration } from '../profile/profile.ts'
import type { Action, ApprovalStep } from '../profile/rule.ts'
import { type Attended, attendAt, stepsNow, stepText } from '../profile/stepNow.ts'
import type { Finding, WantedCertificate } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { Outcome, RequestKind } from './approval.ts'
import { type Circle, eligibleUsers } from './eligible.ts'
import { nobodyMayApprove, type Remembered, useRemembered } from './remember.ts'
import { type Granted, useGranted } from './standingUse.ts'

/** void: the request was edited, and its next revision is decided anew. */
export type DecisionOutcome =
  | 'auto'
  | 'remembered'
  | 'granted'
  | 'approved'
  | 'denied'
  | 'waiting'
  | 'expired'
  | 'canceled'
  | 'void'

/** What became of the rules' verdict, and of people's, for one revision of a request. */
export interface Decision {
  id: number
  outcome: DecisionOutcome
  rule: string
  ruleVersion: string
  /** As they stand: those that were escalated name more people than the rule's. */
  steps: ApprovalStep[]
  /** Index into steps of the one that waits for votes. */
  step: number
  /** What votes must name. Who may vote is not part of it: the rule's text, which says so, is. */
  hash: string
  /** What its steps have done while they waited. */
  attended: Attended[]
  /** When somebody has to look at the present step next; absent: never. */
  attendAt?: Date
  /** Id of the standing approval that let it pass. */
  standingApproval?: number
}

/** All that an approver sees of a request, and so all that his vote is bound to. */
export interface HashParts {
  kind: RequestKind
  action: Action
  profile: string
  requester: Requester
  revision: number
  findings: Finding[]
  ruleVersion: string
  /** To sign: SHA-256 of the CSR in hex, and what policy made of it. */
  csrHash?: string
  wanted?: WantedCertificate
  /** To revoke: which certificate, and why. */
  certificate?: { id: number; serial: string }
  reason?: string
  /** ISO 8601. */
  invalidityDate?: string
}

/** SHA-256 in hex over the canonical JSON of what an approver sees. */
export function requestHash(parts: HashParts): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('hex')
}

/** An approval given earlier, which stands in for people. */
export type Standing = Remembered | Granted

export interface NewDecision {
  kind: RequestKind
  requestId: number
  revision: number
  organizationId: number
  authorityId: number
  requester: Requester
  outcome: Outcome
  /** Found with findRemembered or findGranted: the approval that stands in for people. */
  remembered?: Standing
  hash: string
  at: Date
}

export interface OpenedDecision {
  id: number
  outcome: 'auto' | Standing['kind'] | 'denied' | 'waiting'
  /** For the request's expires_at: when the first step ends. Only while people are asked. */
  expiresAt?: Date
  /** For the request's findings, after those that the hash covers: steps that nobody, or too few, may approve. */
  findings: Finding[]
}

type DecisionRow = Omit<Insertable<CoreTables['decisions']>, 'id'>

const insertDecision = statement((tables: Kysely<CoreTables>, row: DecisionRow) =>
  tables.insertInto('decisions').values(row).returning('id'),
)

/** Stores what the rules came to, in the transaction that creates or revises the request. */
export async function openDecision(db: Database, decision: NewDecision): Promise<OpenedDecision> {
  const { outcome, at } = decision
  const steps = outcome.kind === 'require' ? outcome.steps : []
  const result = await outcomeName(db, decision)
  const [stored] = (
    await insertDecision(db, {
      sign_request_id: decision.kind === 'sign' ? decision.requestId : null,
      revoke_request_id: decision.kind === 'revoke' ? decision.requestId : null,
      revision: decision.revision,
      outcome: result,
      rule: outcome.rule,
      rule_version: outcome.version,
      steps: JSON.stringify(steps),
      step: 0,
      hash: decision.hash,
      created_at: at.getTime(),
      decided_at: result === 'waiting' ? null : at.getTime(),
      standing_approval_id: result === 'granted' ? (decision.remembered?.id ?? null) : null,
      attend_at: result === 'waiting' && steps[0] ? attendAt(steps[0], at) : null,
      attended: null,
    })
  ).rows
  if (!stored) throw new Failure('internal', 'a decision was not stored')
  const { id } = stored
  const [first] = steps
  if (result !== 'waiting' || !first) return { id, outcome: result, findings: [] }
  return { id, outcome: result, expiresAt: stepExpiry(first, at), findings: await lonelySteps(db, decision, steps) }
}

async function outcomeName(db: Database, { outcome, remembered, at }: NewDecision): Promise<OpenedDecision['outcome']> {
  if (outcome.kind === 'auto') return 'auto'
  if (outcome.kind === 'deny') return 'denied'
  if (!remembered) return 'waiting'
  const used = remembered.kind === 'granted' ? useGranted(db, remembered.id, at) : useRemembered(db, remembered)
  return (await used) ? remembered.kind : 'waiting'
}

/** When a step that begins now ends without an answer. */
export function stepExpiry(step: ApprovalStep, begins: Date): Date {
  return new Date(begins.getTime() + duration.parse(step.expires))
}

/** A finding for every step that fewer people may approve than it asks for: the request would only ever expire. */
async function lonelySteps(db: Database, decision: NewDecision, steps: ApprovalStep[]): Promise<Finding[]> {
  const findings: Finding[] = []
  const behind = new Set(decision.requester.people)
  for (const [index, step] of steps.entries()) {
    const able = async (circle: Circle) =>
      (await eligibleUsers(db, circle, decision)).filter(({ id }) => !behind.has(id)).length
    const may = await able(step)
    if (may >= step.quorum) continue
    const [wider] = stepsNow([step], [{ step: 0, escalated: 0 }])
    if (!wider || !step.escalate || (await able(wider)) < wider.quorum)
      findings.push({ by: 'rule', check: nobodyMayApprove, detail: lonely(decision, { step, index, may }) })
  }
  return findings
}

function lonely(
  { outcome, requester }: NewDecision,
  { step, index, may }: { step: ApprovalStep; index: number; may: number },
) {
  const asked = `step ${index + 1} of the rule ${outcome.rule} asks for ${step.quorum} of ${stepText(step)}`
  const found = may === 0 ? 'nobody is left who may approve' : `only ${may} may approve`
  const behind = requester.people.length > 0 ? ' (whoever is behind a request does not vote on it)' : ''
  return `${asked}, but ${found}${behind}; an administrator can override or change the rule`
}

function toDecision(row: Selectable<CoreTables['decisions']>): Decision {
  const attended: Attended[] = row.attended === null ? [] : JSON.parse(row.attended)
  return {
    id: row.id,
    outcome: row.outcome as DecisionOutcome,
    rule: row.rule,
    ruleVersion: row.rule_version,
    steps: stepsNow(JSON.parse(row.steps), attended),
    step: row.step,
    hash: row.hash,
    attended,
    ...(row.attend_at === null ? {} : { attendAt: new Date(row.attend_at) }),
    ...(row.standing_approval_id === null ? {} : { standingApproval: row.standing_approval_id }),
  }
}

/** The decision of this revision of a request. */
export async function findDecision(
  db: Database,
  kind: RequestKind,
  request: { id: number; revision: number },
): Promise<Decision | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .selectAll()
    .where(kind === 'sign' ? 'sign_request_id' : 'revoke_request_id', '=', request.id)
    .where('revision', '=', request.revision)
    .executeTakeFirst()
  return row && toDecision(row)
}

/** Ends a decision that waits, or moves it to its next step; `attendAt` (stepNow.ts) says when that is to be looked at. */
export async function settleDecision(
  db: Database,
  id: number,
  set: { outcome: DecisionOutcome; at: Date } | { step: number; attendAt: number | null },
): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('decisions')
    .set(
      'step' in set
        ? { step: set.step, attend_at: set.attendAt }
        : { outcome: set.outcome, decided_at: set.at.getTime(), attend_at: null },
    )
    .where('id', '=', id)
    .where('outcome', '=', 'waiting')
    .execute()
}
