import { type Kysely, type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Action } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'
import type { Origin, RequestRef, RevokeRequest, RevokeStatus, SignRequest, SignStatus } from './request.ts'

/** Columns of a SignRequest in the database, read back into the type. */
export function toSignRequest(row: Selectable<CoreTables['sign_requests']>): SignRequest {
  return {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    profileId: row.profile_id,
    authorityId: row.authority_id,
    status: row.status as SignStatus,
    revision: row.revision,
    action: row.action as Action,
    protocol: row.protocol,
    ...(row.origin_ref === null ? {} : { origin: { protocol: row.protocol, ref: row.origin_ref } }),
    requester: JSON.parse(row.requester),
    ...(row.csr === null ? {} : { csr: row.csr }),
    wanted: JSON.parse(row.wanted),
    findings: JSON.parse(row.findings),
    ...(row.renews_id === null ? {} : { renews: row.renews_id }),
    attempt: row.attempt,
    ...texts(row),
    ...times(row),
  }
}

export function toRevokeRequest(row: Selectable<CoreTables['revoke_requests']>): RevokeRequest {
  return {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    authorityId: row.authority_id,
    certificateId: row.certificate_id,
    status: row.status as RevokeStatus,
    revision: row.revision,
    protocol: row.protocol,
    requester: JSON.parse(row.requester),
    ...(row.code === null ? {} : { code: row.code }),
    ...(row.invalidity_at === null ? {} : { invalidityDate: new Date(row.invalidity_at) }),
    ...(row.destroy_key === 1 ? { destroyKey: true } : {}),
    findings: JSON.parse(row.findings),
    ...texts(row),
    ...times(row),
  }
}

function texts(row: { last_error: string | null; reason: string | null }) {
  return {
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  }
}

function times(row: { created_at: number; updated_at: number; expires_at: number | null; ended_at: number | null }) {
  return {
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
    ...(row.ended_at === null ? {} : { endedAt: new Date(row.ended_at) }),
  }
}

// SQLite prepares a statement anew whenever the value of its limit is bound, which takes five times what running it does.
const newestOfOrigin = statement((tables: Kysely<CoreTables>, protocol: string, ref: string) =>
  tables
    .selectFrom('sign_requests')
    .selectAll()
    .where('protocol', '=', protocol)
    .where('origin_ref', '=', ref)
    .orderBy('origin_generation', 'desc')
    .limit(sql.lit(1)),
)

/** The newest generation of an origin. */
export async function findByOrigin(db: Database, { protocol, ref }: Origin) {
  const [row] = (await newestOfOrigin(db, protocol, ref)).rows
  return row && { request: toSignRequest(row), generation: row.origin_generation }
}

/** Throws Failure('notFound'). */
export async function readSignRequest(db: Database, ref: RequestRef): Promise<SignRequest> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .selectAll()
    .where(typeof ref === 'number' ? 'id' : 'uuid', '=', ref)
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such request')
  return toSignRequest(row)
}

/** Throws Failure('notFound'). */
export async function readRevokeRequest(db: Database, ref: RequestRef): Promise<RevokeRequest> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .selectAll()
    .where(typeof ref === 'number' ? 'id' : 'uuid', '=', ref)
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such request')
  return toRevokeRequest(row)
}
