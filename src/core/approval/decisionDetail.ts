import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { duration } from '../profile/profile.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import { stepText } from '../profile/stepNow.ts'
import { actingUser, holdRequest, isBehind } from '../request/held.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type ApprovalContext, createApprovals } from './approvals.ts'
import { type DecisionDetail, decisionId, type Named } from './decisionRecords.ts'
import { type DecisionRow, decisionRows, stepsOf, toRecords } from './decisionRow.ts'
import { votesOf } from './votes.ts'

const HOUR = 3_600_000

/** See Decisions.find. */
export async function decisionDetail(it: Installation, requester: Requester, uuid: string): Promise<DecisionDetail> {
  const { db } = it
  const id = decisionId(uuid)
  const row = id === undefined ? undefined : await decisionRows(db).where('decisions.id', '=', id).executeTakeFirst()
  const [record] = row ? await toRecords(db, [row], it.clock()) : []
  if (!row || !record) throw noDecision()
  const held = await holdRequest(db, record.kind, record.request.id, false)
  const user = await actingUser(db, requester)
  // Reads as an approver does, and refuses whom that refuses.
  const seen = await reviewed(it, requester, record)
  const current = held.request.revision === row.revision && record.status === 'waiting'
  const able = current ? await usersNamed(db, seen.mayApprove) : []
  const votes = await votesOf(db, row.id)
  const users = await usersNamed(
    db,
    votes.map(({ user }) => user),
  )
  return {
    ...record,
    hash: row.hash,
    step: row.step,
    steps: await Promise.all(stepsOf(row).map((step) => stepView(db, row, step))),
    votes: votes.map(({ user, step, verdict, override, reason, at }) => ({
      user: users.find(({ name }) => name === user) ?? { uuid: '', name: user },
      step,
      verdict,
      override,
      ...(reason === undefined ? {} : { reason }),
      at,
    })),
    able,
    viewer: {
      behind: isBehind(held, requester, user),
      expected: user !== undefined && able.some(({ uuid }) => uuid === user.uuid),
    },
  }
}

function noDecision(): Failure {
  return new Failure('notFound', 'there is no such approval')
}

async function reviewed({ db, clock }: Installation, requester: Requester, { kind, request }: DecisionRecordRef) {
  const nothing = async () => undefined
  const context: ApprovalContext = { db, clock, requester, approved: nothing, retry: nothing }
  try {
    return await createApprovals(context).review(kind, request.id)
  } catch (error) {
    if (error instanceof Failure && (error.code === 'forbidden' || error.code === 'notFound')) throw noDecision()
    throw error
  }
}

type DecisionRecordRef = Pick<DecisionDetail, 'kind' | 'request'>

async function stepView(
  db: Database,
  { organization_id: organizationId }: DecisionRow,
  step: ApprovalStep,
): Promise<DecisionDetail['steps'][number]> {
  const { quorum, users, roles, groups = [], expires } = step
  const named = async (table: 'roles' | 'groups', names: string[]): Promise<Named[]> =>
    names.length === 0 || organizationId === null
      ? []
      : withTables<CoreTables>(db)
          .selectFrom(table)
          .select(['uuid', 'name'])
          .where('organization_id', '=', organizationId)
          .where('name', 'in', names)
          .orderBy('name')
          .execute()
  return {
    quorum,
    text: stepText(step),
    users: await usersNamed(db, users),
    roles: await named('roles', roles),
    groups: await named('groups', groups),
    hours: Math.ceil(duration.parse(expires) / HOUR),
  }
}

async function usersNamed(db: Database, names: readonly string[]): Promise<Named[]> {
  if (names.length === 0) return []
  const lower = [...new Set(names.map((name) => name.toLowerCase()))]
  return withTables<CoreTables>(db)
    .selectFrom('users')
    .select(['uuid', 'name'])
    .where('name', 'in', lower)
    .orderBy('name')
    .execute()
}
