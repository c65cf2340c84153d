import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { ruleVersion } from '../profile/decide.ts'
import { leftOut } from '../profile/policy.ts'
import { duration } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { Action } from '../profile/rule.ts'
import type { Finding, SignRequest, WantedCertificate } from '../request/request.ts'
import { requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** The check of the finding that says that a step can never be approved. */
export const nobodyMayApprove = 'nobodyMayApprove'

/** What an approval was given for. A later request passes with it only where it asks for no more. */
export interface RememberedScope {
  type: string
  /** `type:value` of each name. */
  names: string[]
  /** Canonical JSON of the subject without common names that are among the names. */
  subject: string
  /** Milliseconds of validity. */
  validity: number
  /** Milliseconds from the moment of asking to notAfter: a postdated certificate is wider. */
  reach: number
  mustStaple: boolean
  /** -1: none was stated, which for a CA means no limit. */
  pathLength: number
  /** Canonical JSON, empty for none. */
  nameConstraints: string
  /** Its revocation would be told to nobody. Absent in what was kept before there was this: it would. */
  noRevAvail?: true
  /** What policy and rules had noticed; an approver was not asked about anything else. */
  noticed: string[]
}

/** The scope of what policy made of an order, asked at a moment, with what policy and rules noticed about it. */
export function rememberedScope(wanted: WantedCertificate, findings: readonly Finding[], at: Date): RememberedScope {
  const begin = wanted.notBefore ?? at.getTime()
  const end = wanted.notAfter ?? begin + wanted.validity
  const values = new Set(wanted.identifiers.map(({ value }) => value))
  const subject = wanted.subject
    .map((rdn) => rdn.filter(({ type, value }) => type !== 'CN' || !values.has(value)))
    .filter((rdn) => rdn.length > 0)
  return {
    type: wanted.type,
    names: wanted.identifiers.map(({ type, value }) => `${type}:${value}`),
    subject: canonicalJson(subject),
    validity: end - begin,
    reach: end - at.getTime(),
    mustStaple: wanted.mustStaple,
    pathLength: wanted.pathLength ?? -1,
    nameConstraints: wanted.nameConstraints === undefined ? '' : canonicalJson(wanted.nameConstraints),
    ...(wanted.noRevAvail ? { noRevAvail: true } : {}),
    noticed: findings
      .filter(({ by, check }) => by !== 'lint' && check !== nobodyMayApprove && check !== leftOut)
      .map(({ by, check }) => `${by}:${check}`),
  }
}

/** A client that says notAfter as now plus ninety days asks for some milliseconds more or less each time. */
const tolerance = 1.001

/** Whether what is asked now is no wider than what was approved. */
export function covers(approved: RememberedScope, asked: RememberedScope): boolean {
  const names = new Set(approved.names)
  return (
    asked.type === approved.type &&
    asked.names.every((name) => names.has(name)) &&
    (asked.names.length > 0 || approved.names.length === 0) &&
    asked.subject === approved.subject &&
    asked.validity <= approved.validity * tolerance &&
    asked.reach <= approved.reach * tolerance &&
    (asked.mustStaple || !approved.mustStaple) &&
    pathCovered(approved.pathLength, asked.pathLength) &&
    asked.nameConstraints === approved.nameConstraints &&
    (!asked.noRevAvail || approved.noRevAvail === true) &&
    asked.noticed.every((check) => approved.noticed.includes(check))
  )
}

function pathCovered(approved: number, asked: number): boolean {
  return approved === -1 || (asked !== -1 && asked <= approved)
}

/** An approval that stands in for people. `once`: it was given for one order, which failed, and ends with its use. */
export interface Remembered {
  kind: 'remembered'
  id: number
  decisionId: number
  once: boolean
}

export interface RememberedQuery {
  profileId: number
  action: Action
  requesterKey: string
  /** Those behind the order: what one of them approved does not let it pass. */
  people: readonly number[]
  ruleVersion: string
  scope: RememberedScope
  at: Date
}

/** An approval still remembered that covers what is asked: same profile, action, requester and text of the rule. */
export async function findRemembered(db: Database, query: RememberedQuery): Promise<Remembered | undefined> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('remembered_approvals as kept')
    .innerJoin('decisions', 'decisions.id', 'kept.decision_id')
    .leftJoin('votes', (join) =>
      join.onRef('votes.decision_id', '=', 'decisions.id').on('votes.remember', 'is not', null),
    )
    .select(['kept.id', 'kept.decision_id', 'kept.scope', 'votes.id as asked_by'])
    .where('kept.requester_key', '=', query.requesterKey)
    .where('kept.profile_id', '=', query.profileId)
    .where('kept.action', '=', query.action)
    .where('kept.rule_version', '=', query.ruleVersion)
    .where('kept.expires_at', '>', query.at.getTime())
    .where('decisions.outcome', '=', 'approved')
    .orderBy('kept.id', 'desc')
    .limit(100)
    .execute()
  const covering = rows.filter(({ scope }) => covers(JSON.parse(scope), query.scope))
  const own = await decidedBy(
    db,
    covering.map((row) => row.decision_id),
    query.people,
  )
  const fitting = covering.filter((row) => !own.has(row.decision_id))
  // One that lasts is preferred, so that one given for a single order is not used up in vain.
  const chosen = fitting.find(({ asked_by }) => asked_by !== null) ?? fitting[0]
  return chosen && { kind: 'remembered', id: chosen.id, decisionId: chosen.decision_id, once: chosen.asked_by === null }
}

/** Of these decisions those in which one of these people has voted, himself or by another. */
async function decidedBy(db: Database, decisions: number[], people: readonly number[]): Promise<Set<number>> {
  if (decisions.length === 0 || people.length === 0) return new Set()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('votes')
    .leftJoin('delegations', 'delegations.id', 'votes.delegation_id')
    .select('votes.decision_id')
    .where('votes.decision_id', 'in', decisions)
    .where(({ or, eb }) => or([eb('votes.user_id', 'in', people), eb('delegations.delegator_id', 'in', people)]))
    .execute()
  return new Set(rows.map((row) => row.decision_id))
}

/** Takes note that a remembered approval is used. False: it was for a single order, and another one was quicker. */
export async function useRemembered(db: Database, remembered: Remembered): Promise<boolean> {
  if (!remembered.once) return true
  const used = await withTables<CoreTables>(db)
    .deleteFrom('remembered_approvals')
    .where('id', '=', remembered.id)
    .returning('id')
    .executeTakeFirst()
  return used !== undefined
}

interface Approval {
  decisionId: number
  ruleVersion: string
  /** Milliseconds. */
  lasts: number
  at: Date
}

/** Keeps an approval for requests of the same requester that ask for no more, for as long as `lasts`. */
export async function rememberApproval(db: Database, request: SignRequest, approval: Approval): Promise<void> {
  await withTables<CoreTables>(db)
    .insertInto('remembered_approvals')
    .values({
      decision_id: approval.decisionId,
      profile_id: request.profileId,
      action: request.action,
      requester_key: requesterKey(request.requester),
      rule_version: approval.ruleVersion,
      // As it was asked, not as it was approved: a vote that comes late must not shorten it.
      scope: JSON.stringify(rememberedScope(request.wanted, request.findings, request.createdAt)),
      created_at: approval.at.getTime(),
      expires_at: approval.at.getTime() + approval.lasts,
    })
    .execute()
}

/** For how long the rule that asked for people lets their approval be remembered, in milliseconds; undefined: not at all. */
export async function longestRemembered(
  db: Database,
  request: { profileId: number; action: Action },
  version: string,
): Promise<number | undefined> {
  const { rules } = await loadProfile(db, request.profileId)
  const rule = rules[request.action].find((candidate) => ruleVersion(candidate) === version)
  return rule && 'remember' in rule && rule.remember !== undefined ? duration.parse(rule.remember) : undefined
}

/** How long an approval is kept for the order that follows a failed one, unless its rule says otherwise. */
const nextOrder = 72 * 3_600_000

/**
 * Keeps the approval of a failed request for the next order: call it when its contract has told its client the failure,
 * after which the request itself cannot be tried again. Does nothing for a request that people did not approve or that was
 * decided by an override, and for one whose approval is remembered already.
 */
export async function rememberForNextOrder(db: Database, request: SignRequest, at: Date): Promise<void> {
  if (request.status !== 'failed') return
  const decision = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .leftJoin('remembered_approvals as kept', 'kept.decision_id', 'decisions.id')
    .select(['decisions.id', 'decisions.rule_version', 'kept.id as kept'])
    .where('decisions.sign_request_id', '=', request.id)
    .where('decisions.revision', '=', request.revision)
    .where('decisions.outcome', '=', 'approved')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('votes')
            .select('votes.id')
            .whereRef('votes.decision_id', '=', 'decisions.id')
            .where('votes.override', '=', 1),
        ),
      ),
    )
    .executeTakeFirst()
  if (!decision || decision.kept !== null) return
  const lasts = (await longestRemembered(db, request, decision.rule_version)) ?? nextOrder
  const approval = {
    decisionId: decision.id,
    ruleVersion: decision.rule_version,
    lasts: Math.min(lasts, nextOrder),
    at,
  }
  await rememberApproval(db, request, approval)
}
