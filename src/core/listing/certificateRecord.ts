import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { holdRequest } from '../request/held.ts'
import type { RequestRef, RevokeStatus, SignRequest } from '../request/request.ts'
import { mayRead } from '../request/requestDetail.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** An order and what came of it: one resource under one uuid, from the first answer on (DESIGN: identity of things). */
export interface CertificateRecord {
  request: SignRequest
  /** The profile that it was ordered over; absent for what was uploaded. */
  profile?: { id: number; uuid: string; name: string; enabled: boolean }
  authority: { id: number; uuid: string; name: string; kind: string }
  certificate?: Certificate
  /** The revocation that waits or is under way; at most one is. */
  revocation?: { id: number; uuid: string; status: RevokeStatus; code?: string }
  /** The uuid of what it renews. */
  renews?: string
}

/** Throws Failure('notFound') alike for none and for one that the requester may not read. */
export async function certificateRecord(
  it: Installation,
  requester: Requester,
  ref: RequestRef,
): Promise<CertificateRecord> {
  const held = await holdRequest(it.db, 'sign', ref, false).catch(asNoCertificate)
  if (held.kind !== 'sign' || !(await mayRead(it, requester, held))) throw noCertificate()
  const { request } = held
  const [places, certificate, revocation, renews] = await Promise.all([
    placesOf(it.db, request),
    findCertificate(it.db, { id: request.id }),
    openRevocation(it.db, request.id),
    uuidOf(it.db, request.renews),
  ])
  return {
    request,
    ...places,
    ...(certificate ? { certificate } : {}),
    ...(revocation ? { revocation } : {}),
    ...(renews === undefined ? {} : { renews }),
  }
}

function noCertificate(): Failure {
  return new Failure('notFound', 'there is no such certificate')
}

function asNoCertificate(error: unknown): never {
  throw error instanceof Failure && error.code === 'notFound' ? noCertificate() : error
}

async function placesOf(
  db: Database,
  { authorityId, profileId }: SignRequest,
): Promise<Pick<CertificateRecord, 'profile' | 'authority'>> {
  const tables = withTables<CoreTables>(db)
  const authority = await tables
    .selectFrom('authorities')
    .select(['id', 'uuid', 'name', 'kind'])
    .where('id', '=', authorityId)
    .executeTakeFirstOrThrow()
  const row = await tables
    .selectFrom('ra_profiles')
    .select(['id', 'uuid', 'name', 'enabled', 'builtin'])
    .where('id', '=', profileId)
    .executeTakeFirst()
  if (!row || row.builtin === 1) return { authority }
  return { authority, profile: { id: row.id, uuid: row.uuid, name: row.name, enabled: row.enabled === 1 } }
}

async function openRevocation(db: Database, certificate: number): Promise<CertificateRecord['revocation']> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select(['id', 'uuid', 'status', 'code'])
    .where('certificate_id', '=', certificate)
    .where('status', 'in', ['requested', 'revoking'])
    .executeTakeFirst()
  if (!row) return undefined
  const { id, uuid, status, code } = row
  return { id, uuid, status: status as RevokeStatus, ...(code === null ? {} : { code }) }
}

async function uuidOf(db: Database, id: number | undefined): Promise<string | undefined> {
  if (id === undefined) return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('uuid')
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.uuid
}
