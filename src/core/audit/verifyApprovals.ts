import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { CoreTables } from '../tables.ts'
import { type KnownRules, loadKnownRules } from './verifyDecisions.ts'
import { type Complain, eachSpan, type Histories, pairs, readJson, type Told } from './verifyHistory.ts'

/** Who may vote for whom, and what was approved before it was asked: groups, delegations and standing approvals, as their events tell. */
export async function verifyApprovals(db: Database, complain: Complain): Promise<void> {
  const rules = await loadKnownRules(db)
  await eachSpan(db, complain, { kind: 'group', check: (histories, complain) => verifyGroups(db, histories, complain) })
  await eachSpan(db, complain, {
    kind: 'delegation',
    check: (histories, complain) => verifyDelegations(db, histories, complain),
  })
  await eachSpan(db, complain, {
    kind: 'standing_approval',
    check: (histories, complain) => verifyStanding(db, { histories, rules }, complain),
  })
}

const find = (events: Told[], action: string) => events.find((event) => event.action === action)

async function verifyGroups(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('groups')
    .select(['id', 'name', 'organization_id'])
    .where('id', '>', histories.after)
    .where('id', '<=', histories.upTo)
    .execute()
  const members = await withTables<CoreTables>(db)
    .selectFrom('group_members')
    .select(['group_id', 'user_id'])
    .where('group_id', '>', histories.after)
    .where('group_id', '<=', histories.upTo)
    .execute()
  for (const { id, events: all, row } of pairs(histories, rows)) {
    // On SQLite a new group may have the id of one that was deleted.
    const events = all.slice(all.findLastIndex(({ action }) => action === 'group.deleted') + 1)
    const made = find(events, 'group.created')
    const subject = `group ${row?.name ?? made?.details.name ?? id}`
    if (!row && all.length > 0 && events.length === 0) continue
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    if (!row || !made) continue
    const named = events.findLast(({ details }) => typeof details.name === 'string')
    if (row.name !== named?.details.name) complain(`${subject} is called ${named?.details.name} by its last event`)
    if (row.organization_id !== made.organizationId)
      complain(`${subject} was moved to another organization by no event`)
    const told = toldMembers(events)
    const has = new Set(members.filter(({ group_id }) => group_id === id).map(({ user_id }) => user_id))
    for (const user of has) if (!told.has(user)) complain(`${subject} has user ${user}, by no event`)
    for (const user of told) if (!has.has(user)) complain(`${subject} has lost user ${user}, by no event`)
  }
}

function toldMembers(events: Told[]): Set<number> {
  const told = new Set<number>()
  for (const { action, details } of events) {
    if (action === 'group.member_added') told.add(Number(details.userId))
    if (action === 'group.member_removed') told.delete(Number(details.userId))
  }
  return told
}

async function verifyDelegations(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('delegations')
    .innerJoin('users as delegator', 'delegator.id', 'delegations.delegator_id')
    .innerJoin('users as delegate', 'delegate.id', 'delegations.delegate_id')
    .select(['delegations.id', 'delegations.organization_id', 'from_at', 'until_at', 'profile_id', 'authority_id'])
    .select(['ended_at', 'delegator.name as delegator', 'delegate.name as delegate'])
    .where('delegations.id', '>', histories.after)
    .where('delegations.id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const made = find(events, 'delegation.created')
    const subject = `delegation ${id}`
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    if (!row || !made) continue
    const { delegator, delegate, from, until, profileId, authorityId } = made.details
    const told = [delegator, delegate, from, until, profileId, authorityId, made.organizationId]
    const is = [row.delegator, row.delegate, row.from_at, row.until_at, row.profile_id, row.authority_id]
    if (canonicalJson(told) !== canonicalJson([...is, row.organization_id]))
      complain(`${subject} is another than the one that was made`)
    if (row.ended_at !== (find(events, 'delegation.ended')?.at ?? null))
      complain(`${subject} has ${row.ended_at === null ? 'not ' : ''}ended, its events say otherwise`)
  }
}

const columns = [
  'profile_id',
  'action',
  'rule',
  'rule_version',
  'requester_key',
  'requester_user_id',
  'days',
  'uses',
  'until_at',
] as const

async function verifyStanding(
  db: Database,
  { histories, rules }: { histories: Histories; rules: KnownRules },
  complain: Complain,
): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('standing_approvals as standing')
    .innerJoin('users', 'users.id', 'standing.maker_id')
    .select([
      'standing.id',
      'standing.organization_id',
      'names',
      'steps',
      'uses_left',
      'ended_at',
      'users.name as maker',
      ...columns,
    ])
    .select(({ selectFrom }) =>
      selectFrom('decisions')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('decisions.standing_approval_id', '=', 'standing.id')
        .as('used'),
    )
    .where('standing.id', '>', histories.after)
    .where('standing.id', '<=', histories.upTo)
    .execute()
  const votes = await withTables<CoreTables>(db)
    .selectFrom('standing_approval_votes')
    .innerJoin('users', 'users.id', 'standing_approval_votes.user_id')
    .select(['standing_approval_id', 'step', 'users.name'])
    .where('standing_approval_id', '>', histories.after)
    .where('standing_approval_id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const made = find(events, 'standing_approval.created')
    const subject = `standing approval ${id}`
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    if (!row || !made) continue
    const differs: string[] = columns.filter((column) => row[column] !== made.details[column])
    if (canonicalJson(readJson(row.names)) !== canonicalJson(made.details.names)) differs.push('names')
    if (row.maker !== made.details.user) differs.push('maker')
    if (row.organization_id !== made.organizationId) differs.push('organization_id')
    for (const column of differs) complain(`${subject}: ${column} is not as it was made`)
    if (row.uses - row.uses_left !== Number(row.used))
      complain(`${subject} let ${row.used} orders pass, and ${row.uses - row.uses_left} of its uses are gone`)
    if (row.ended_at !== (find(events, 'standing_approval.ended')?.at ?? null))
      complain(`${subject} has ${row.ended_at === null ? 'not ' : ''}ended, its events say otherwise`)
    if (rules.get(row.rule_version) !== canonicalJson(readJson(row.steps)))
      complain(`${subject}: its steps are not those of a rule that a profile ever had`)
    else if (Number(row.used) > 0 && !approvedBy(row.steps, events))
      complain(`${subject} let orders pass without the approvers that its rule asks for`)
    const given = votes.filter((vote) => vote.standing_approval_id === id)
    verifyVoters({ subject, events, given }, complain)
  }
}

interface Voters {
  subject: string
  events: Told[]
  given: { name: string; step: number }[]
}

function verifyVoters({ subject, events, given }: Voters, complain: Complain): void {
  const told = new Set(approvals(events))
  const has = new Set(given.map(({ name, step }) => `${name} at step ${step}`))
  for (const vote of has) if (!told.has(vote)) complain(`${subject} has the approval of ${vote}, by no event`)
  for (const vote of told) if (!has.has(vote)) complain(`${subject} has lost the approval of ${vote}, by no event`)
}

function approvals(events: Told[]): string[] {
  return events
    .filter(({ action }) => action === 'standing_approval.created' || action === 'standing_approval.confirmed')
    .map(({ details }) => `${details.user} at step ${details.step}`)
}

function approvedBy(steps: string, events: Told[]): boolean {
  const given = approvals(events)
  return (readJson(steps) as { quorum: number }[]).every(
    ({ quorum }, step) => given.filter((vote) => vote.endsWith(` at step ${step}`)).length >= quorum,
  )
}
