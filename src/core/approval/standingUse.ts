import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { nameProblems } from '../profile/names.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Action, ApprovalStep } from '../profile/rule.ts'
import { subjectOf } from '../profile/subject.ts'
import type { Finding, WantedCertificate } from '../request/request.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import type { Outcome } from './approval.ts'
import type { StandingApprovalsTable } from './approvalTables.ts'
import { eligibleUsers, type Home } from './eligible.ts'
import { rememberedScope } from './remember.ts'

/** Which names, by the patterns of a profile (profile.ts, nameRules); a kind without patterns is not among them. */
export const standingNames = z
  .strictObject({
    dns: z.array(text(300)).max(50).default([]),
    wildcards: z.boolean().default(false),
    ip: z.array(text(60)).max(50).default([]),
    email: z.array(text(300)).max(50).default([]),
    uri: z.array(text(300)).max(50).default([]),
  })
  .refine(
    ({ dns, ip, email, uri }) => dns.length + ip.length + email.length + uri.length > 0,
    'a standing approval names patterns: dns, ip, email or uri',
  )

export type StandingNames = z.output<typeof standingNames>

/** A standing approval that stands in for people. */
export interface Granted {
  kind: 'granted'
  id: number
  uuid: string
}

/** An order, as far as a standing approval looks at it. */
export interface StandingQuery {
  profile: RaProfile
  action: Action
  requester: Requester
  outcome: Extract<Outcome, { kind: 'require' }>
  wanted: WantedCertificate
  findings: readonly Finding[]
  at: Date
}

const types: ReadonlySet<string> = new Set(['server', 'client', 'dual_purpose'])

/**
 * The oldest standing approval that covers an order and still has the approvers whom the rule asks for. It covers no
 * certificate of an authority, nothing that policy or rules noticed something about, and no subject but the profile's own:
 * its makers were not asked about these. Unless it names a requester, one who is only known by his key is not covered.
 */
export async function findGranted(db: Database, query: StandingQuery): Promise<Granted | undefined> {
  if (query.requester.kind === 'system' || !types.has(query.wanted.type)) return undefined
  const rows = await openRows(db, query)
  const scope = rememberedScope(query.wanted, query.findings, query.at)
  if (rows.length === 0 || scope.noticed.length > 0 || !ownSubject(query)) return undefined
  for (const row of rows) {
    if (!coversRequester(row, query.requester) || !coversNames(row, query.wanted)) continue
    const longest = row.days === null ? Number.POSITIVE_INFINITY : row.days * 86_400_000 * tolerance
    if (scope.validity > longest || scope.reach > longest) continue
    if (await approvedBy(db, row, query)) return { kind: 'granted', id: row.id, uuid: row.uuid }
  }
  return undefined
}

/** As in remember.ts: notAfter as a client computes it is some milliseconds off. */
const tolerance = 1.001

function openRows(db: Database, { profile, action, outcome, at }: StandingQuery) {
  return withTables<CoreTables>(db)
    .selectFrom('standing_approvals')
    .selectAll()
    .where('profile_id', '=', profile.id)
    .where('action', '=', action)
    .where('rule_version', '=', outcome.version)
    .where('ended_at', 'is', null)
    .where('uses_left', '>', 0)
    .where('until_at', '>', at.getTime())
    .orderBy('id')
    .limit(100)
    .execute()
}

/** The subject is what the template of the profile makes of the names alone: nothing of it came with the order. */
function ownSubject({ profile, wanted, findings, at }: StandingQuery): boolean {
  const subject = subjectOf(profile.settings.certificate, { subject: [] }, wanted.identifiers)
  const own = rememberedScope({ ...wanted, subject }, findings, at).subject
  return rememberedScope(wanted, findings, at).subject === own
}

type Row = Selectable<StandingApprovalsTable>

function coversRequester({ requester_key, requester_user_id }: Row, requester: Requester): boolean {
  if (requester_key !== null) return requester_key === requesterKey(requester)
  if (requester_user_id !== null) return requester.people.includes(requester_user_id)
  return requester.kind !== 'key-holder'
}

function coversNames({ names }: Row, { identifiers }: WantedCertificate): boolean {
  const allowed: StandingNames = JSON.parse(names)
  return identifiers.length > 0 && nameProblems(allowed, identifiers).length === 0
}

/** Nobody behind the request is among its approvers, and every step has as many of them as the rule asks for. */
async function approvedBy(db: Database, row: Row, { profile, requester, outcome }: StandingQuery): Promise<boolean> {
  const approvers = await approversOf(db, row.id)
  if (approvers.some(({ user_id }) => requester.people.includes(user_id))) return false
  const lacking = await lackingVotes(db, { steps: outcome.steps, approvers }, profile)
  return lacking.every((votes) => votes === 0)
}

/** Who gave a standing approval, and for which step of its rule. */
export function approversOf(db: Database, id: number) {
  return withTables<CoreTables>(db)
    .selectFrom('standing_approval_votes')
    .innerJoin('users', 'users.id', 'standing_approval_votes.user_id')
    .select(['user_id', 'step', 'users.name'])
    .where('standing_approval_id', '=', id)
    .orderBy('standing_approval_votes.created_at')
    .orderBy('user_id')
    .execute()
}

/** How many approvers each step still lacks: only those count who may approve it at this moment, in their own right. */
export async function lackingVotes(
  db: Database,
  { steps, approvers }: { steps: readonly ApprovalStep[]; approvers: readonly { user_id: number; step: number }[] },
  home: Home,
): Promise<number[]> {
  const lacking: number[] = []
  for (const [index, step] of steps.entries()) {
    const able = new Set((await eligibleUsers(db, step, home)).map(({ id }) => id))
    const given = approvers.filter((one) => one.step === index && able.has(one.user_id)).length
    lacking.push(Math.max(0, step.quorum - given))
  }
  return lacking
}

/**
 * Takes one use, in the transaction that stores the request. False: others were quicker, or it was ended meanwhile. Of
 * many at once no more pass than it has uses: the row is locked until the commit.
 */
export async function useGranted(db: Database, id: number, at: Date): Promise<boolean> {
  const used = await withTables<CoreTables>(db)
    .updateTable('standing_approvals')
    .set(({ eb }) => ({ uses_left: eb('uses_left', '-', 1) }))
    .where('id', '=', id)
    .where('uses_left', '>', 0)
    .where('ended_at', 'is', null)
    .where('until_at', '>', at.getTime())
    .returning('id')
    .executeTakeFirst()
  return used !== undefined
}
