import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { type KeyAlgorithm, readPublicKey } from '../pki/publicKey.ts'
import { type Actor, type AdminContext, actorOf, isSuperuser, seesOrganization } from './adminActor.ts'
import { Failure } from './failure.ts'
import type { KeySpec } from './key.ts'
import type { CoreTables } from './tables.ts'

/** A key pair of the keystore as people see it: never its private key. */
export interface KeyPair {
  uuid: string
  name: string
  description: string
  /** Uuid of the keystore that it is in. */
  keystore: string
  profile: { uuid: string; name: string }
  spec: KeySpec
  algorithm: KeyAlgorithm
  /** Bits. */
  size: number
  /** DER SubjectPublicKeyInfo. */
  publicKey: Buffer
  spkiHash: string
  state: 'active' | 'destroyed'
  enabled: boolean
  owner?: { uuid: string; name: string }
  groups: { uuid: string; name: string; description: string | null; email: string | null }[]
  /** How many certificates of its organization have it, in whatever state. */
  certificates: number
  createdAt: Date
  destroyedAt?: Date
}

export function keyPairRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('key_pairs')
    .innerJoin('key_profiles', 'key_profiles.id', 'key_pairs.key_profile_id')
    .innerJoin('organizations', 'organizations.id', 'key_pairs.organization_id')
    .leftJoin('users', 'users.id', 'key_pairs.owner_id')
    .selectAll('key_pairs')
    .select([
      'key_profiles.uuid as profile_uuid',
      'key_profiles.name as profile_name',
      'key_profiles.enabled as profile_enabled',
      'organizations.uuid as keystore',
      'users.uuid as owner_uuid',
      'users.name as owner_name',
    ])
}

/** Throws Failure('notFound') alike for none and for one of another organization. */
export async function keyPairRow(db: Database, actor: Actor, uuid: string): Promise<KeyPairRow> {
  const row = await keyPairRows(db).where('key_pairs.uuid', '=', uuid).executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id)) throw new Failure('notFound', 'there is no such key')
  return row
}

export type KeyPairRow = NonNullable<Awaited<ReturnType<ReturnType<typeof keyPairRows>['executeTakeFirst']>>>

export interface KeyPairQuery {
  /** From 1. */
  page: number
  /** At most 1000. */
  rows: number
  /** Uuid of a key profile. */
  profile?: string
  state?: KeyPair['state']
}

/** See KeyPairs.page. */
export async function pageOfKeyPairs(
  { it, requester }: AdminContext,
  { page, rows: size, profile, state }: KeyPairQuery,
): Promise<{ rows: KeyPair[]; total: number }> {
  const actor = await actorOf(it.db, requester)
  const narrowed = () => {
    let query = keyPairRows(it.db)
    if (!isSuperuser(actor)) query = query.where('key_pairs.organization_id', '=', actor.user?.organizationId ?? -1)
    if (profile !== undefined) query = query.where('key_profiles.uuid', '=', profile)
    if (state !== undefined) query = query.where('key_pairs.destroyed_at', state === 'active' ? 'is' : 'is not', null)
    return query
  }
  const { total } = await narrowed()
    .clearSelect()
    .select(({ fn }) => fn.countAll().as('total'))
    .executeTakeFirstOrThrow()
  const limit = Math.min(1000, size)
  const found = await narrowed()
    .orderBy('key_pairs.id', 'desc')
    .limit(limit)
    .offset((page - 1) * limit)
    .execute()
  return { rows: await toKeyPairs(it.db, found), total: Number(total) }
}

/** See KeyPairs.read. */
export async function readKeyPair({ it, requester }: AdminContext, uuid: string): Promise<KeyPair> {
  return toKeyPair(it.db, await keyPairRow(it.db, await actorOf(it.db, requester), uuid))
}

/** See KeyPairs.ofCertificate. */
export async function keyPairOf(
  { it, requester }: AdminContext,
  { spkiHash, organizationId }: { spkiHash: string; organizationId: number },
): Promise<KeyPair | undefined> {
  const actor = await actorOf(it.db, requester)
  if (!seesOrganization(actor, organizationId)) return undefined
  const row = await keyPairRows(it.db)
    .where('key_pairs.spki_hash', '=', spkiHash)
    .where('key_pairs.organization_id', '=', organizationId)
    .executeTakeFirst()
  return row && toKeyPair(it.db, row)
}

export async function toKeyPair(db: Database, row: KeyPairRow): Promise<KeyPair> {
  const [view] = await toKeyPairs(db, [row])
  if (!view) throw new Failure('internal', 'a key went missing')
  return view
}

async function toKeyPairs(db: Database, rows: readonly KeyPairRow[]): Promise<KeyPair[]> {
  if (rows.length === 0) return []
  const counts = await countCertificates(db, rows)
  const groups = await readGroups(db, rows)
  return rows.map((row) => {
    const { algorithm, size } = readPublicKey(row.spki)
    return {
      uuid: row.uuid,
      name: row.name,
      description: row.description,
      keystore: row.keystore,
      profile: { uuid: row.profile_uuid, name: row.profile_name },
      spec: row.spec as KeySpec,
      algorithm,
      size,
      publicKey: row.spki,
      spkiHash: row.spki_hash,
      state: row.destroyed_at === null ? 'active' : 'destroyed',
      enabled: row.enabled === 1,
      ...(row.owner_uuid === null || row.owner_name === null
        ? {}
        : { owner: { uuid: row.owner_uuid, name: row.owner_name } }),
      groups: groups.filter(({ key }) => key === row.id).map(({ key: _, ...group }) => group),
      certificates: counts.get(row.spki_hash) ?? 0,
      createdAt: new Date(row.created_at),
      ...(row.destroyed_at === null ? {} : { destroyedAt: new Date(row.destroyed_at) }),
    }
  })
}

/** Of their own organization: what another one has certified is its own affair. */
async function countCertificates(db: Database, rows: readonly KeyPairRow[]): Promise<Map<string, number>> {
  const found = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('key_pairs', (join) =>
      join
        .onRef('key_pairs.spki_hash', '=', 'certificates.spki_hash')
        .onRef('key_pairs.organization_id', '=', 'certificates.organization_id'),
    )
    .select('certificates.spki_hash')
    .select(({ fn }) => fn.countAll().as('count'))
    .where(
      'certificates.spki_hash',
      'in',
      rows.map((row) => row.spki_hash),
    )
    .groupBy('certificates.spki_hash')
    .execute()
  return new Map(found.map(({ spki_hash: hash, count }) => [hash, Number(count)]))
}

function readGroups(db: Database, rows: readonly KeyPairRow[]) {
  return withTables<CoreTables>(db)
    .selectFrom('key_pair_groups')
    .innerJoin('groups', 'groups.uuid', 'key_pair_groups.group_uuid')
    .select(['key_pair_groups.key_pair_id as key', 'groups.uuid', 'groups.name', 'groups.description', 'groups.email'])
    .where(
      'key_pair_groups.key_pair_id',
      'in',
      rows.map((row) => row.id),
    )
    .orderBy('groups.name')
    .execute()
}
