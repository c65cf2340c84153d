import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { ActingUser } from '../identity/identity.ts'
import { isNamed, namesakesOf } from '../profile/namedAs.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import { type Attended, stepsNow } from '../profile/stepNow.ts'
import { scopeReads } from '../request/requestReader.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { RequestKind } from './approval.ts'

/** So many requests that wait are looked at, the newest first. */
const LOOKED_AT = 1_000

/** What waits for the vote of a user. */
export interface Waiting {
  /** The newest first. */
  requests: { kind: RequestKind; id: number }[]
  /** There may be more. */
  atLeast: boolean
}

/** The requests on which a user may vote now, for himself or by a delegation, at most so many. */
export async function waitingFor(
  db: Database,
  user: ActingUser,
  { at, most }: { at: Date; most: number },
): Promise<Waiting> {
  const rows = await waiting(db, user)
  const namesakes = await namesakesOf(db, user, at)
  const named = rows.flatMap((row) => {
    const step = row.steps[row.step]
    const inPlace = row.organization_id === user.organizationId
    if (!step || row.people.includes(user.id) || !(inPlace || user.superuser)) return []
    if (!scopeReads(user.scope, row.kind, row)) return []
    // Elsewhere roles and groups of the same name are others'.
    const circle = inPlace ? step : { ...step, roles: [], groups: [] }
    const seats = namesakes.filter((one) => isNamed(one, circle, row)).map(({ id }) => id)
    return seats.length > 0 ? [{ ...row, seats }] : []
  })
  const voted = await votes(
    db,
    named.map(({ decision }) => decision),
  )
  const able = named.filter((row) => {
    const given = voted.get(row.decision) ?? []
    if (given.some(({ user_id }) => user_id === user.id)) return false
    const voices = given.map(({ user_id, of }) => of ?? user_id)
    return row.seats.some((seat) => !voices.includes(seat))
  })
  return {
    requests: able.slice(0, most).map(({ kind, id }) => ({ kind, id })),
    atLeast: able.length > most || rows.length === LOOKED_AT,
  }
}

async function waiting(db: Database, { superuser, organizationId }: ActingUser) {
  let query = withTables<CoreTables>(db)
    .selectFrom('decisions')
    .leftJoin('sign_requests as s', 's.id', 'decisions.sign_request_id')
    .leftJoin('revoke_requests as r', 'r.id', 'decisions.revoke_request_id')
    .select(['decisions.id as decision', 'steps', 'step', 'attended'])
    .select(['s.id as sign', 's.status as s_status', 's.requester as s_requester', 's.authority_id as s_authority'])
    .select(['s.profile_id as s_profile', 's.organization_id as s_organization'])
    .select(['r.id as revoke', 'r.status as r_status', 'r.requester as r_requester', 'r.authority_id as r_authority'])
    .select(['r.profile_id as r_profile', 'r.organization_id as r_organization'])
    // In the words of the partial index.
    .where(sql<boolean>`decisions.outcome = 'waiting'`)
    .orderBy('decisions.id', 'desc')
    .limit(sql.lit(LOOKED_AT))
  // However much waits in another organization, it hides nothing here.
  if (!superuser)
    query = query.where(({ or, eb }) =>
      or([eb('s.organization_id', '=', organizationId), eb('r.organization_id', '=', organizationId)]),
    )
  return (await query.execute()).flatMap((row) => {
    const kind: RequestKind = row.sign === null ? 'revoke' : 'sign'
    if ((row.s_status ?? row.r_status) !== 'requested') return []
    const { people }: Requester = JSON.parse(row.s_requester ?? row.r_requester ?? '{"people":[]}')
    const steps: ApprovalStep[] = JSON.parse(row.steps)
    const attended: Attended[] = JSON.parse(row.attended ?? '[]')
    return {
      kind,
      id: row.sign ?? row.revoke ?? 0,
      decision: row.decision,
      step: row.step,
      steps: stepsNow(steps, attended),
      people,
      authority_id: row.s_authority ?? row.r_authority ?? 0,
      profile_id: row.s_profile ?? row.r_profile,
      organization_id: row.s_organization ?? row.r_organization ?? 0,
    }
  })
}

/** Of each decision: who has voted, and for whom. */
async function votes(db: Database, decisions: number[]) {
  const found = new Map<number, { user_id: number; of: number | null }[]>()
  if (decisions.length === 0) return found
  const rows = await withTables<CoreTables>(db)
    .selectFrom('votes')
    .leftJoin('delegations', 'delegations.id', 'votes.delegation_id')
    .select(['votes.decision_id', 'votes.user_id', 'delegations.delegator_id as of'])
    .where('votes.decision_id', 'in', decisions)
    .execute()
  for (const { decision_id, ...vote } of rows) found.set(decision_id, [...(found.get(decision_id) ?? []), vote])
  return found
}
