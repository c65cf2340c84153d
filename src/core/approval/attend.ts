import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { duration } from '../profile/profile.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import { type Attended, attendAt, dueOf, stepText } from '../profile/stepNow.ts'
import { type Held, holdRequest, subjectOf } from '../request/held.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Decision, findDecision } from './decision.ts'

const batch = 100

/** Reminds of steps that have waited long, and widens those that are to be escalated. Answers how many it looked at. */
export async function attendWaiting(db: Database, at: Date): Promise<number> {
  let seen = 0
  for (let last = batch; last === batch; seen += last) {
    const due = await dueDecisions(db, at).execute()
    for (const row of due) await transaction(db, (db) => attendOne(db, row, at))
    last = due.length
  }
  return seen
}

/** Decisions with a step that has waited long enough for something, the longest first. */
export function dueDecisions(db: Database, at: Date) {
  return withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select(['id', 'sign_request_id', 'revoke_request_id'])
    .where('attend_at', '<=', at.getTime())
    .orderBy('attend_at')
    .orderBy('id')
    .limit(batch)
}

interface Due {
  id: number
  sign_request_id: number | null
  revoke_request_id: number | null
}

/**
 * By the lock on the request, as a vote: of two nodes the second one finds nothing left to do. What was decided, ended,
 * or revised meanwhile is only struck off.
 */
async function attendOne(db: Database, due: Due, at: Date): Promise<void> {
  const kind = due.sign_request_id === null ? 'revoke' : 'sign'
  const held = await holdRequest(db, kind, due.sign_request_id ?? due.revoke_request_id ?? 0)
  const decision = await findDecision(db, kind, held.request)
  const step = decision?.steps[decision.step]
  const { status, expiresAt } = held.request
  const waits = decision?.id === due.id && decision.outcome === 'waiting' && status === 'requested'
  if (!waits || !step || !expiresAt || expiresAt <= at) return store(db, due.id, { attend_at: null })
  if (decision.attendAt === undefined || decision.attendAt > at) return
  const begins = new Date(expiresAt.getTime() - duration.parse(step.expires))
  const earlier = decision.attended.find((one) => one.step === decision.step)
  const { remind, escalate } = dueOf(step, begins, earlier)
  const done: Attended = { ...earlier, step: decision.step }
  if (remind !== undefined && remind <= at.getTime()) {
    done.reminded = at.getTime()
    await tell(db, { held, decision, step, at }, 'reminded')
  }
  if (escalate !== undefined && escalate <= at.getTime()) {
    done.escalated = at.getTime()
    await tell(db, { held, decision, step, at }, 'escalated')
  }
  const attended = [...decision.attended.filter((one) => one.step !== decision.step), done]
  await store(db, decision.id, { attended: JSON.stringify(attended), attend_at: attendAt(step, begins, done) })
}

async function store(db: Database, id: number, set: { attend_at: number | null; attended?: string }): Promise<void> {
  await withTables<CoreTables>(db).updateTable('decisions').set(set).where('id', '=', id).execute()
}

interface Waiting {
  held: Held
  decision: Decision
  step: ApprovalStep
  at: Date
}

/** An alert and an audit row. */
async function tell(
  db: Database,
  { held, decision, step, at }: Waiting,
  what: 'reminded' | 'escalated',
): Promise<void> {
  const { organizationId, id } = held.request
  const subject = subjectOf(held)
  const name = held.kind === 'sign' ? `request ${id}` : `request r${id}`
  const where = `step ${decision.step + 1} of ${decision.steps.length} of the rule ${decision.rule}`
  const { escalate } = step
  const to = what === 'escalated' && escalate ? stepText(escalate) : undefined
  const detail = to ? `${name} was escalated at ${where} to ${to}` : `${name} waits at ${where} for ${stepText(step)}`
  await raiseAlert(db, at, { kind: 'approval.waiting', organizationId, subject, detail })
  await audit(db, system('upkeep'), at, {
    action: `request.${what}`,
    organizationId,
    subject,
    details: {
      decision: decision.id,
      rule: decision.rule,
      step: decision.step,
      ...(to === undefined ? {} : { to, quorum: escalate?.quorum ?? step.quorum }),
    },
  })
}
