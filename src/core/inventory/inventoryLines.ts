import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { AdminContext } from '../adminActor.ts'
import { loadIssuer } from '../authority/authority.ts'
import { type Certificate, selectCertificates, toCertificate } from '../certificate.ts'
import { groupsOf, type InventoryGroup } from '../identity/inventoryGroup.ts'
import { createCache, type Installation } from '../installation.ts'
import type { CertificateRecord } from '../listing/certificateRecord.ts'
import { toSignRequest } from '../request/records.ts'
import type { RequestRef, RevokeStatus, SignRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { type ComplianceStatus, complianceOf } from './compliance.ts'
import type { KnownChain } from './inventoryIssuers.ts'
import { findItems, type InventoryItem } from './inventoryItem.ts'
import { chainFor } from './inventoryValidation.ts'
import type { ValidationStatus } from './validation.ts'

/** An entry as far as a list shows it. */
export interface InventoryLine {
  record: CertificateRecord
  archived: boolean
  /** What people say of a certificate of others; of ours it follows from what it is. */
  trusted: boolean
  foreign: boolean
  owner?: { uuid: string; name: string }
  groups: InventoryGroup[]
  privateKey: boolean
  compliance: ComplianceStatus
  validation: ValidationStatus
}

/** Between so many the event loop turns: each is parsed, and looked at by the lint. */
const BATCH = 20

/** See Inventory.lines. */
export async function readLines(context: AdminContext, refs: readonly RequestRef[]): Promise<InventoryLine[]> {
  if (refs.length === 0) return []
  const { it, requester } = context
  const items = await findItems(it.db, requester, refs)
  if (items.length === 0) return []
  const about = await readAbout(
    it.db,
    items.map(({ id }) => id),
  )
  const byRef = new Map<RequestRef, InventoryItem>(
    items.flatMap((item) => [
      [item.id, item],
      [item.uuid, item],
    ]),
  )
  const lines: InventoryLine[] = []
  for (const ref of refs) {
    const item = byRef.get(ref)
    const line = item && (await lineOf(context, item, about))
    if (!line) continue
    lines.push(line)
    if (lines.length % BATCH === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return lines
}

async function lineOf({ it }: AdminContext, item: InventoryItem, about: About): Promise<InventoryLine | undefined> {
  const { id } = item
  const request = about.requests.get(id)
  const place = request && about.places.get(request.profileId)
  if (!request || !place) return undefined
  const certificate = about.certificates.get(id)
  const kept = about.kept.get(id)
  const revocation = about.revocations.get(id)
  const renews = request.renews === undefined ? undefined : about.uuids.get(request.renews)
  return {
    record: {
      request,
      ...place,
      ...(certificate ? { certificate } : {}),
      ...(revocation ? { revocation } : {}),
      ...(renews === undefined ? {} : { renews }),
    },
    archived: item.archivedAt !== undefined,
    trusted: kept?.trusted_ca === 1,
    foreign: item.foreign,
    ...(kept?.owner && kept.owner_uuid ? { owner: { uuid: kept.owner_uuid, name: kept.owner } } : {}),
    groups: about.groups.get(id) ?? [],
    privateKey: certificate !== undefined && about.keys.has(`${item.organizationId} ${certificate.spkiHash}`),
    compliance: await complianceIn(it, request, certificate),
    validation: (kept?.validation_status ?? 'not_checked') as ValidationStatus,
  }
}

const caches = new WeakMap<Database, ReturnType<typeof createCache<number, ComplianceStatus>>>()

/** What was issued, and what was found of it then, never changes: the lint looks at each once. */
async function complianceIn(
  it: Installation,
  request: SignRequest,
  certificate: Certificate | undefined,
): Promise<ComplianceStatus> {
  if (certificate?.source !== 'managed' || request.status !== 'signed')
    return complianceOf(request, certificate, undefined).status
  let cache = caches.get(it.db)
  if (!cache) {
    cache = createCache(10_000)
    caches.set(it.db, cache)
  }
  const known = cache.get(request.id)
  if (known) return known
  const { status } = complianceOf(request, certificate, await issuerOf(it, certificate))
  cache.set(request.id, status)
  return status
}

/** The lint needs no more of a chain than its first; of authorities of ours that is parsed already. */
async function issuerOf(it: Installation, certificate: Certificate): Promise<KnownChain> {
  if (certificate.authorityCertificateId === undefined) return chainFor(it, certificate)
  const { certificate: fields } = await loadIssuer(it, certificate.authorityCertificateId)
  return { issuers: [{ fields, ours: true, trusted: true }], complete: false }
}

type About = Awaited<ReturnType<typeof readAbout>>

/** All that many lines are made of, by a few statements. */
async function readAbout(db: Database, ids: number[]) {
  const [requests, certificates] = await Promise.all([requestsOf(db, ids), certificatesOf(db, ids)])
  const [places, kept, groups, keys, revocations, uuids] = await Promise.all([
    placesOf(db, [...new Set([...requests.values()].map(({ profileId }) => profileId))]),
    keptOf(db, ids),
    groupsOf(db, ids),
    keysOf(
      db,
      [...certificates.values()].map(({ spkiHash }) => spkiHash),
    ),
    revocationsOf(db, ids),
    uuidsOf(
      db,
      [...requests.values()].flatMap(({ renews }) => (renews === undefined ? [] : [renews])),
    ),
  ])
  return { requests, certificates, places, kept, groups, keys, revocations, uuids }
}

async function requestsOf(db: Database, ids: number[]): Promise<Map<number, SignRequest>> {
  const rows = await withTables<CoreTables>(db).selectFrom('sign_requests').selectAll().where('id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, toSignRequest(row)]))
}

async function certificatesOf(db: Database, ids: number[]): Promise<Map<number, Certificate>> {
  const rows = await selectCertificates(db).where('certificates.id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, toCertificate(row)]))
}

async function placesOf(
  db: Database,
  profiles: number[],
): Promise<Map<number, Pick<CertificateRecord, 'profile' | 'authority'>>> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .innerJoin('authorities', 'authorities.id', 'ra_profiles.authority_id')
    .select(['ra_profiles.id', 'ra_profiles.uuid', 'ra_profiles.name', 'ra_profiles.enabled', 'builtin'])
    .select(['authorities.id as authority_id', 'authorities.uuid as authority_uuid', 'authorities.kind'])
    .select('authorities.name as authority')
    .where('ra_profiles.id', 'in', profiles)
    .execute()
  return new Map(
    rows.map(({ id, uuid, name, enabled, builtin, ...row }) => [
      id,
      {
        authority: { id: row.authority_id, uuid: row.authority_uuid, name: row.authority, kind: row.kind },
        ...(builtin === 1 ? {} : { profile: { id, uuid, name, enabled: enabled === 1 } }),
      },
    ]),
  )
}

async function keptOf(db: Database, ids: number[]) {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('inventory_records')
    .leftJoin('users', 'users.id', 'inventory_records.owner_id')
    .select(['inventory_records.id', 'trusted_ca', 'validation_status'])
    .select(['users.uuid as owner_uuid', 'users.name as owner'])
    .where('inventory_records.id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

async function keysOf(db: Database, hashes: string[]): Promise<Set<string>> {
  if (hashes.length === 0) return new Set()
  const held = (table: 'server_keys' | 'key_pairs') =>
    withTables<CoreTables>(db)
      .selectFrom(table)
      .select(['organization_id', 'spki_hash'])
      .where('spki_hash', 'in', hashes)
      .where('sealed', 'is not', null)
      .execute()
  const rows = (await Promise.all([held('server_keys'), held('key_pairs')])).flat()
  return new Set(rows.map((row) => `${row.organization_id} ${row.spki_hash}`))
}

async function revocationsOf(db: Database, ids: number[]) {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select(['id', 'uuid', 'status', 'code', 'certificate_id'])
    .where('certificate_id', 'in', ids)
    .where('status', 'in', ['requested', 'revoking'])
    .execute()
  return new Map(
    rows.map(({ id, uuid, status, code, certificate_id }) => [
      certificate_id,
      { id, uuid, status: status as RevokeStatus, ...(code === null ? {} : { code }) },
    ]),
  )
}

async function uuidsOf(db: Database, ids: number[]): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select(['id', 'uuid'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map(({ id, uuid }) => [id, uuid]))
}
