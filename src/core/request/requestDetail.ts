import { withTables } from '../../db/tables.ts'
import { nameText } from '../../pki/name.ts'
import type { RequestKind } from '../approval/approval.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RequestDetail } from '../listing/listing.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { keptCsr } from './csr.ts'
import { type Held, holdRequest } from './held.ts'
import type { RequestRef } from './request.ts'
import { readerOf } from './requestReader.ts'

/** See Listing.request. Throws Failure('notFound') alike for none and for one that the requester may not read. */
export async function requestDetail(
  it: Installation,
  requester: Requester,
  ref: RequestRef,
  kind?: RequestKind,
): Promise<RequestDetail> {
  const held = await find(it, ref, kind)
  if (!(await mayRead(it, requester, held))) throw notFound()
  const names = { ...(await namesOf(it, held)), credential: await credentialOf(it, held.request.requester) }
  return held.kind === 'sign' ? signDetail(it, held, names) : revokeDetail(it, held, names)
}

function notFound(): Failure {
  return new Failure('notFound', 'there is no such request')
}

/** A number counts among the requests of one kind; a uuid is unique over both. */
async function find({ db }: Installation, ref: RequestRef, kind: RequestKind | undefined): Promise<Held> {
  if (kind !== undefined || typeof ref === 'number') return holdRequest(db, kind ?? 'sign', ref, false)
  return holdRequest(db, 'sign', ref, false).catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'notFound') return holdRequest(db, 'revoke', ref, false)
    throw error
  })
}

/** Whether the requester may read a request. */
export async function mayRead(
  { db, clock }: Installation,
  asking: Requester,
  { kind, request }: Held,
): Promise<boolean> {
  const reader = await readerOf(db, asking, clock())
  if (reader.sees === 'all') return true
  if (reader.sees === 'own') return reader.requesterKey === requesterKey(request.requester)
  if (reader.organizationId !== request.organizationId) return false
  const row = {
    id: request.id,
    authority_id: request.authorityId,
    profile_id: 'profileId' in request ? request.profileId : null,
    requester: JSON.stringify(request.requester),
    requester_key: requesterKey(request.requester),
  }
  return (await reader.may(kind, [row])).has(request.id)
}

async function namesOf(
  { db }: Installation,
  { kind, request }: Held,
): Promise<{ profile: string; authority: string; source: string | null }> {
  const tables = withTables<CoreTables>(db)
  const named =
    kind === 'sign'
      ? tables.selectFrom('sign_requests as asked').select(['authority_id', 'profile_id', 'source_address', 'asked.id'])
      : tables
          .selectFrom('revoke_requests as asked')
          .select(['authority_id', 'profile_id', 'source_address', 'asked.id'])
  const row = await tables
    .selectFrom(named.where('asked.id', '=', request.id).as('asked'))
    .innerJoin('authorities', 'authorities.id', 'asked.authority_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'asked.profile_id')
    .select(['authorities.name as authority', 'ra_profiles.name as profile', 'asked.source_address as source'])
    .executeTakeFirstOrThrow()
  return { ...row, profile: row.profile ?? '' }
}

type Names = Awaited<ReturnType<typeof namesOf>> & Pick<RequestDetail, 'credential'>

async function credentialOf({ db }: Installation, { credential: id }: Requester): Promise<RequestDetail['credential']> {
  if (id === undefined) return null
  const row = await withTables<CoreTables>(db)
    .selectFrom('credentials')
    .select(['kind', 'name', 'note'])
    .where('id', '=', id)
    .executeTakeFirst()
  return row ?? null
}

function common({ kind, request }: Held, names: Names) {
  return {
    kind,
    id: request.id,
    uuid: request.uuid,
    status: request.status,
    revision: request.revision,
    protocol: request.protocol,
    ...names,
    requester: request.requester.name,
    requesterKind: request.requester.kind,
    reason: request.reason ?? null,
    lastError: request.lastError ?? null,
    createdAt: request.createdAt,
    expiresAt: request.expiresAt ?? null,
    endedAt: request.endedAt ?? null,
    findings: request.findings,
  }
}

async function signDetail(
  it: Installation,
  held: Extract<Held, { kind: 'sign' }>,
  names: Names,
): Promise<RequestDetail> {
  const { request } = held
  const { wanted } = request
  const { algorithm, size, curve, spkiHash } = request.csr ? keptCsr(request.csr).publicKey : {}
  return {
    ...common(held, names),
    names: wanted.identifiers.map(({ value }) => value),
    action: request.action,
    wanted: {
      type: wanted.type,
      subject: nameText(wanted.subject),
      identifiers: [...wanted.identifiers],
      notBefore: wanted.notBefore === undefined ? null : new Date(wanted.notBefore),
      notAfter: wanted.notAfter === undefined ? null : new Date(wanted.notAfter),
      validity: wanted.validity,
      mustStaple: wanted.mustStaple,
      pathLength: wanted.pathLength ?? null,
      nameConstraints: wanted.nameConstraints ?? null,
    },
    key:
      algorithm === undefined || size === undefined
        ? null
        : { algorithm, size, curve: curve ?? null, spkiHash: spkiHash ?? '' },
    csr: request.csr ?? null,
    code: null,
    certificate: request.status === 'signed' ? await certificateOf(it, request.id) : null,
    renews: request.renews ?? null,
  }
}

async function revokeDetail(
  it: Installation,
  held: Extract<Held, { kind: 'revoke' }>,
  names: Names,
): Promise<RequestDetail> {
  const certificate = await certificateOf(it, held.request.certificateId)
  const rest = { wanted: null, key: null, csr: null, renews: null }
  return {
    ...common(held, names),
    ...rest,
    names: certificate?.names ?? [],
    action: 'revoke',
    code: held.request.code ?? null,
    certificate,
  }
}

async function certificateOf({ db }: Installation, id: number): Promise<RequestDetail['certificate']> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'serial', 'subject', 'identifiers', 'not_after', 'status'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) return null
  const names = (JSON.parse(row.identifiers) as { value: string }[]).map(({ value }) => value)
  return {
    id: row.id,
    serial: row.serial,
    subject: row.subject,
    names,
    notAfter: new Date(row.not_after),
    status: row.status,
  }
}
