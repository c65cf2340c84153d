import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { defaultRule, ruleVersion } from '../profile/decide.ts'
import { type ApprovalRule, type ApprovalRules, type ApprovalStep, approvalRules } from '../profile/rule.ts'
import type { Attended } from '../profile/stepNow.ts'
import type { CoreTables } from '../tables.ts'
import { type Complain, eachSpan, type Histories, readJson, type Told } from './verifyHistory.ts'

/** Canonical JSON of the steps of every rule that a profile ever had, by the rule's version. */
export type KnownRules = ReadonlyMap<string, string>

/** From the events that tell of profiles. */
export async function loadKnownRules(db: Database): Promise<KnownRules> {
  const known = new Map<string, string>()
  const know = (rule: ApprovalRule) => {
    if ('require' in rule) known.set(ruleVersion(rule), canonicalJson(rule.require))
  }
  know(defaultRule)
  await eachSpan(db, () => {}, {
    kind: 'profile',
    actions: ['profile.created', 'profile.changed'],
    check: async ({ told }) => {
      for (const { details } of [...told.values()].flat()) rulesIn(details.rules).forEach(know)
    },
  })
  return known
}

/** As they were written, and as they are read today: a version is one of the two. */
function rulesIn(text: unknown): ApprovalRule[] {
  const written = readJson(text)
  const read = approvalRules.safeParse(written)
  if (!read.success) return []
  return [...Object.values(written as ApprovalRules), ...Object.values(read.data)].flat()
}

interface Subjects {
  kind: 'sign_request' | 'revoke_request'
  histories: Histories
  rules: KnownRules
}

/** Decisions say what the events of their requests say, and each approval has the votes that its rule asks for. */
export async function verifyDecisions(db: Database, subjects: Subjects, complain: Complain): Promise<void> {
  const { kind, histories, rules } = subjects
  const decisions = await decisionsIn(db, subjects)
  const votes = await votesIn(db, subjects)
  for (const decision of decisions) {
    const events = histories.told.get(decision.request ?? 0) ?? []
    const about = {
      subject: `${kind} ${decision.request}`,
      decision,
      rules,
      given: events.filter(({ action, details }) => action.startsWith('vote.') && details.hash === decision.hash),
      votes: votes.filter((vote) => vote.decision_id === decision.id),
      complain,
    }
    verifyOutcome(about, events)
    verifyVotes(about)
    verifyAttended(about, events)
    verifyApart(about)
  }
  const decided = new Set(decisions.map(({ request, revision }) => `${request} ${revision}`))
  for (const [id, events] of histories.told)
    for (const revision of decidedRevisions(events))
      if (!decided.has(`${id} ${revision}`))
        complain(`the decision on ${kind} ${id} is gone${revision > 1 ? ` (revision ${revision})` : ''}`)
  await verifyRemembered(db, subjects, complain)
}

async function decisionsIn(db: Database, { kind, histories: { after, upTo } }: Subjects) {
  const column = `${kind}_id` as const
  return withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select(({ selectFrom }) =>
      selectFrom(`${kind}s`).select('requester').whereRef(`${kind}s.id`, '=', `decisions.${column}`).as('requester'),
    )
    .select(['id', `${column} as request`, 'revision', 'outcome', 'rule', 'rule_version', 'steps', 'hash'])
    .select(['attended', 'standing_approval_id'])
    .where(column, '>', after)
    .where(column, '<=', upTo)
    .execute()
}

async function votesIn(db: Database, { kind, histories: { after, upTo } }: Subjects) {
  const column = `${kind}_id` as const
  return withTables<CoreTables>(db)
    .selectFrom('decisions')
    .innerJoin('votes', 'votes.decision_id', 'decisions.id')
    .leftJoin('users', 'users.id', 'votes.user_id')
    .leftJoin('delegations', 'delegations.id', 'votes.delegation_id')
    .leftJoin('users as delegators', 'delegators.id', 'delegations.delegator_id')
    .select(['votes.decision_id', 'votes.step', 'votes.verdict', 'votes.override', 'votes.created_at', 'users.name'])
    .select(['votes.delegation_id', 'votes.user_id', 'delegations.delegator_id', 'delegators.name as delegator'])
    .where(column, '>', after)
    .where(column, '<=', upTo)
    .execute()
}

interface About {
  subject: string
  decision: Awaited<ReturnType<typeof decisionsIn>>[number]
  rules: KnownRules
  /** Events of votes on what the decision's hash stands for. */
  given: Told[]
  votes: Awaited<ReturnType<typeof votesIn>>
  complain: Complain
}

const possible: Record<string, readonly string[]> = {
  auto: ['auto'],
  deny: ['denied'],
  remembered: ['remembered'],
  granted: ['granted'],
  require: ['waiting', 'approved', 'denied', 'expired', 'canceled', 'void'],
}

/** An event that tells what the rules, or policy, made of a revision. */
function isDecided({ status, details }: Told): boolean {
  return status !== null && typeof details.rule === 'string'
}

function revisionOf({ details }: Told): number {
  return typeof details.revision === 'number' ? details.revision : 1
}

/** Whatever was not parked was decided when it was made. */
function decidedRevisions(events: Told[]): Set<number> {
  const told = events.filter(isDecided).map(revisionOf)
  return new Set(told.length === 0 && events[0] && events[0].status !== 'draft' ? [1] : told)
}

function verifyOutcome({ subject, decision, rules, given, complain }: About, events: Told[]): void {
  const { outcome } = decision
  const first = events.find((event) => isDecided(event) && revisionOf(event) === decision.revision)
  if (!first) {
    if (events.length > 0) complain(`${subject} has a decision, ${decision.id}, that no event tells of`)
    return
  }
  // A refusal by policy is told without an outcome.
  const told = String(first.details.outcome ?? 'deny')
  if (!possible[told]?.includes(outcome)) complain(`${subject} was decided as ${outcome}, its first event says ${told}`)
  if (decision.rule !== first.details.rule)
    complain(`${subject} was decided by the rule ${decision.rule}, its first event says ${first.details.rule}`)
  if (decision.standing_approval_id !== (first.details.standingApproval ?? null))
    complain(`${subject} passed by another standing approval than its first event says`)
  const edited = events.some((event) => isDecided(event) && revisionOf(event) > decision.revision)
  if (edited !== (outcome === 'void'))
    complain(`${subject} was ${edited ? '' : 'never '}edited after its decision ${decision.id}, which is ${outcome}`)
  if (told !== 'require') return
  const steps = canonicalJson(readJson(decision.steps))
  if (rules.get(decision.rule_version) !== steps)
    complain(`${subject}: the steps of its decision are not those of a rule that a profile ever had`)
  else if (outcome === 'approved' && !approvedBy(decision.steps, given, escalations(decision, events)))
    complain(`${subject} was approved without the votes that its rule asks for`)
  if (outcome === 'denied' && !given.some(({ details }) => details.verdict === 'deny'))
    complain(`${subject} was denied without a vote`)
}

/** The quorum of each step that was escalated, as the event says. */
function escalations({ id }: About['decision'], events: Told[]): Map<unknown, number> {
  const told = events.filter(({ action, details }) => action === 'request.escalated' && details.decision === id)
  return new Map(told.map(({ details }) => [details.step, Number(details.quorum)]))
}

/** By different voices: those who voted, and those for whom others did. */
function approvedBy(steps: string, given: Told[], escalated: Map<unknown, number>): boolean {
  const approvals = given.filter(({ details }) => details.verdict === 'approve')
  if (approvals.some(({ action }) => action === 'vote.override')) return true
  return (readJson(steps) as ApprovalStep[]).every((step, index) => {
    const votes = approvals.filter(({ details }) => details.step === index)
    const voices = votes.map(({ details }) => details.for ?? details.user)
    const widened = step.escalate && escalated.has(index) ? step.escalate.quorum : undefined
    return new Set(voices).size >= (widened ?? step.quorum)
  })
}

/** A step that was widened or reminded of has its event, and each such event its mark. */
function verifyAttended({ subject, decision, complain }: About, events: Told[]): void {
  const marks = (readJson(decision.attended ?? '[]') ?? []) as Attended[]
  const told = events.filter(({ details }) => details.decision === decision.id)
  for (const what of ['reminded', 'escalated'] as const) {
    const has = marks.flatMap((mark) => (mark[what] === undefined ? [] : [`${mark.step} at ${mark[what]}`]))
    const had = told
      .filter(({ action }) => action === `request.${what}`)
      .map(({ details, at }) => `${details.step} at ${at}`)
    for (const mark of has) if (!had.includes(mark)) complain(`${subject}: step ${mark} was ${what}, by no event`)
    for (const mark of had)
      if (!has.includes(mark)) complain(`${subject}: step ${mark} was ${what}, and is not marked so`)
  }
}

/** Each vote has its event; each event its vote, unless an override of the same person took its place. */
function verifyVotes({ subject, given, votes, complain }: About): void {
  const last = new Map(given.map((event) => [event.details.user, event]))
  for (const { name, verdict, step, override, created_at, delegation_id, delegator } of votes) {
    const event = last.get(name)
    const agrees =
      event?.details.verdict === verdict &&
      event.details.step === step &&
      event.at === created_at &&
      (event.details.delegation ?? null) === delegation_id &&
      (event.details.for ?? null) === delegator &&
      (event.action === 'vote.override') === (override === 1)
    if (!agrees) complain(`${subject} has a vote of ${name ?? 'nobody'} that no event tells of`)
  }
  const voters = new Set(votes.map(({ name }) => name))
  for (const [name, event] of last)
    if (!voters.has(String(name))) complain(`${subject}: the vote of ${name} is gone, event ${event.id} tells of it`)
}

/** Nobody behind a request is among those who decided it. Who edited it since voted on an earlier revision, which is void. */
function verifyApart({ subject, decision, votes, complain }: About): void {
  if (decision.outcome !== 'approved' && decision.outcome !== 'denied') return
  const { people = [] } = (readJson(decision.requester) ?? {}) as { people?: unknown[] }
  for (const { name, user_id, delegator_id } of votes)
    if (people.includes(user_id) || people.includes(delegator_id))
      complain(`${subject} was decided with the vote of ${name}, and whose it is stands behind it`)
}

/** What passed because people had approved it earlier names that decision. */
async function verifyRemembered(db: Database, { kind, histories }: Subjects, complain: Complain): Promise<void> {
  const by = new Map<number, number>()
  for (const [id, events] of histories.told)
    for (const { details } of events)
      if (details.outcome === 'remembered' && typeof details.decision === 'number') by.set(id, details.decision)
  if (by.size === 0) return
  const approved = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select('id')
    .where('id', 'in', [...new Set(by.values())])
    .where('outcome', '=', 'approved')
    .execute()
  const good = new Set(approved.map(({ id }) => id))
  for (const [id, decision] of by)
    if (!good.has(decision)) complain(`${kind} ${id} passed by the decision ${decision}, which approved nothing`)
}
