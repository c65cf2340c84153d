import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Action, ApprovalStep } from '../profile/rule.ts'
import { type Attended, stepsNow } from '../profile/stepNow.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { planNameOf } from './approvalPlanUse.ts'
import type { DecisionOutcome } from './decision.ts'
import { type DecisionRecord, decisionUuid } from './decisionRecords.ts'

/** In the words of the partial index decisions_asked. What an earlier approval let pass was asked of nobody. */
function asked(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('decisions')
    .where(sql<boolean>`decisions.steps <> '[]'`)
    .where('decisions.outcome', 'not in', ['auto', 'remembered', 'granted'])
}

/** Questions to people, by their ids alone. */
export function decisionIds(db: Database) {
  return asked(db).select('decisions.id')
}

/** With what says who may read the request. */
export function readableRows(db: Database) {
  return asked(db)
    .leftJoin('sign_requests as signing', 'signing.id', 'decisions.sign_request_id')
    .leftJoin('revoke_requests as revoking', 'revoking.id', 'decisions.revoke_request_id')
    .select(['decisions.id', 'decisions.sign_request_id'])
    .select(({ fn }) => [
      fn.coalesce('signing.id', 'revoking.id').as('request_id'),
      fn.coalesce('signing.requester', 'revoking.requester').as('requester'),
      fn.coalesce('signing.requester_key', 'revoking.requester_key').as('requester_key'),
      fn.coalesce('signing.organization_id', 'revoking.organization_id').as('organization_id'),
      fn.coalesce('signing.authority_id', 'revoking.authority_id').as('authority_id'),
      fn.coalesce('signing.profile_id', 'revoking.profile_id').as('profile_id'),
    ])
}

export type ReadableRow = Awaited<ReturnType<ReturnType<typeof readableRows>['execute']>>[number]

/** With all that the request says of itself. */
export function decisionRows(db: Database) {
  return readableRows(db)
    .leftJoin('sign_requests as issued', 'issued.id', 'revoking.certificate_id')
    .select([
      'decisions.revision',
      'decisions.outcome',
      'decisions.rule',
      'decisions.steps',
      'decisions.step',
      'decisions.attended',
      'decisions.hash',
      'decisions.created_at',
      'decisions.decided_at',
      'signing.action',
      'issued.uuid as issued_uuid',
    ])
    .select(({ fn }) => [
      fn.coalesce('signing.uuid', 'revoking.uuid').as('request_uuid'),
      fn.coalesce('signing.status', 'revoking.status').as('request_status'),
      fn.coalesce('signing.expires_at', 'revoking.expires_at').as('expires_at'),
    ])
}

export type DecisionRow = Awaited<ReturnType<ReturnType<typeof decisionRows>['execute']>>[number]

export const isSign = ({ sign_request_id: id }: Pick<DecisionRow, 'sign_request_id'>): boolean => id !== null

/** As they stand: see stepsNow. */
export function stepsOf({ steps, attended }: Pick<DecisionRow, 'steps' | 'attended'>): ApprovalStep[] {
  const done: Attended[] = attended === null ? [] : JSON.parse(attended)
  return stepsNow(JSON.parse(steps), done)
}

export const presentStep = (row: DecisionRow): ApprovalStep | undefined => stepsOf(row)[row.step]

const ended = {
  approved: 'approved',
  denied: 'denied',
  expired: 'expired',
  canceled: 'canceled',
  // The request is another one by now, and another question.
  void: 'canceled',
} as const satisfies Partial<Record<DecisionOutcome, DecisionRecord['status']>>

/** Where the decision stands at a moment, whoever has noted it. */
export function statusOf(row: DecisionRow, at: Date): DecisionRecord['status'] {
  if (row.outcome !== 'waiting') return ended[row.outcome as keyof typeof ended]
  if (row.request_status !== 'requested') return 'canceled'
  return row.expires_at !== null && row.expires_at <= at.getTime() ? 'expired' : 'waiting'
}

/** Rows as records, with the names of profiles, people and plans. */
export async function toRecords(db: Database, rows: DecisionRow[], at: Date): Promise<DecisionRecord[]> {
  const requesters = rows.map((row): Requester => JSON.parse(row.requester ?? '{}'))
  const people = await uuidsOf(
    db,
    'users',
    requesters.flatMap(({ people }) => people.slice(0, 1)),
  )
  const profiles = await uuidsOf(
    db,
    'ra_profiles',
    rows.flatMap(({ profile_id: id }) => (id === null ? [] : [id])),
  )
  return Promise.all(
    rows.map(async (row, index): Promise<DecisionRecord> => {
      const requester = requesters[index]
      const creator = people.get(requester?.people[0] ?? -1)
      const profile = row.profile_id === null ? undefined : profiles.get(row.profile_id)
      const plan = await planOf(db, row)
      const status = statusOf(row, at)
      const sign = isSign(row)
      return {
        uuid: decisionUuid(row.id),
        kind: sign ? 'sign' : 'revoke',
        action: sign ? ((row.action ?? 'issue') as Action) : 'revoke',
        request: { id: Number(row.request_id), uuid: row.request_uuid ?? '', status: row.request_status ?? '' },
        object: (sign ? row.request_uuid : row.issued_uuid) ?? '',
        creator: {
          key: row.requester_key ?? '',
          name: requester?.name ?? '',
          ...(creator ? { uuid: creator.uuid } : {}),
        },
        ...(profile ? { profile } : {}),
        status,
        rule: row.rule,
        ...(plan ? { plan } : {}),
        createdAt: new Date(row.created_at),
        ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
        ...(row.decided_at === null ? {} : { closedAt: new Date(row.decided_at) }),
      }
    }),
  )
}

async function uuidsOf(db: Database, table: 'users' | 'ra_profiles', ids: number[]) {
  if (ids.length === 0) return new Map<number, { uuid: string; name: string }>()
  const rows = await withTables<CoreTables>(db)
    .selectFrom(table)
    .select(['id', 'uuid', 'name'])
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map(({ id, uuid, name }) => [id, { uuid, name }]))
}

async function planOf(db: Database, row: DecisionRow): Promise<DecisionRecord['plan']> {
  const name = planNameOf(row.rule)
  if (name === undefined || row.organization_id === null) return undefined
  const found = await withTables<CoreTables>(db)
    .selectFrom('approval_plans as plans')
    .innerJoin('approval_plan_versions as versions', 'versions.plan_id', 'plans.id')
    .select(['plans.uuid', 'plans.name', 'versions.version'])
    .where('plans.name', '=', name)
    .where('plans.organization_id', '=', row.organization_id)
    .where('versions.created_at', '<=', row.created_at)
    .orderBy('versions.version', 'desc')
    .limit(1)
    .executeTakeFirst()
  return found
}
