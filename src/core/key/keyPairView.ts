import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type KeyAlgorithm, readPublicKey } from '../../pki/publicKey.ts'
import { type Actor, type AdminContext, actorOf, isSuperuser, seesOrganization } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import { asGroup, type InventoryGroup } from '../identity/inventoryGroup.ts'
import type { ComplianceStatus } from '../inventory/compliance.ts'
import type { KeySpec } from '../key.ts'
import type { CoreTables } from '../tables.ts'

/**
 * pre-active: nothing was certified for it yet, and it may sign nothing; deactivated: it signs nothing any more; compromised: a certificate of it was revoked because
 * others know the key, so that nothing is certified for it. All but the last two follow whether it is enabled.
 */
export type KeyState = 'pre-active' | 'active' | 'deactivated' | 'compromised' | 'destroyed' | 'compromisedDestroyed'

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
  state: KeyState
  enabled: boolean
  owner?: { uuid: string; name: string }
  groups: InventoryGroup[]
  /** How many certificates of its organization have it, in whatever state. */
  certificates: number
  /** nok: its kind is not what its key profile, or the RA profile of a certificate, takes; not_checked: nothing was certified for it. */
  compliance: ComplianceStatus
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
      'key_profiles.specs as profile_specs',
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
  destroyed?: boolean
}

/** See KeyPairs.page. */
export async function pageOfKeyPairs(
  { it, requester }: AdminContext,
  { page, rows: size, profile, destroyed }: KeyPairQuery,
): Promise<{ rows: KeyPair[]; total: number }> {
  const actor = await actorOf(it.db, requester)
  const narrowed = () => {
    let query = keyPairRows(it.db)
    if (!isSuperuser(actor)) query = query.where('key_pairs.organization_id', '=', actor.user?.organizationId ?? -1)
    if (profile !== undefined) query = query.where('key_profiles.uuid', '=', profile)
    if (destroyed !== undefined) query = query.where('key_pairs.destroyed_at', destroyed ? 'is not' : 'is', null)
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
  const uses = await usesOf(db, rows)
  const blocked = await compromisedOf(db, rows)
  const groups = await readGroups(db, rows)
  return rows.map((row) => {
    const { algorithm, size } = readPublicKey(row.spki)
    const use = uses.get(row.spki_hash)
    const compromised = blocked.has(row.spki_hash) || use?.compromised === true
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
      state: stateOf(row, { compromised, used: use !== undefined }),
      enabled: row.enabled === 1,
      ...(row.owner_uuid === null || row.owner_name === null
        ? {}
        : { owner: { uuid: row.owner_uuid, name: row.owner_name } }),
      groups: groups.filter(({ key }) => key === row.id).map(asGroup),
      certificates: use?.certificates ?? 0,
      compliance: complianceOf(row, use),
      createdAt: new Date(row.created_at),
      ...(row.destroyed_at === null ? {} : { destroyedAt: new Date(row.destroyed_at) }),
    }
  })
}

function stateOf(
  { destroyed_at: destroyedAt, enabled }: Pick<KeyPairRow, 'destroyed_at' | 'enabled'>,
  { compromised, used }: { compromised: boolean; used: boolean },
): KeyState {
  if (destroyedAt !== null) return compromised ? 'compromisedDestroyed' : 'destroyed'
  if (compromised) return 'compromised'
  if (enabled === 1) return 'active'
  return used ? 'deactivated' : 'pre-active'
}

interface Use {
  certificates: number
  /** One of them was revoked for it. */
  compromised: boolean
  /** A soft policy found for one of them that its key is of the wrong kind. */
  noticed: boolean
}

function complianceOf(row: Pick<KeyPairRow, 'spec' | 'profile_specs'>, use: Use | undefined): ComplianceStatus {
  const allowed: unknown[] = JSON.parse(row.profile_specs)
  if (use?.noticed || !allowed.includes(row.spec)) return 'nok'
  return use ? 'ok' : 'not_checked'
}

/** Of their own organization: what another one has certified is its own affair. */
async function usesOf(db: Database, rows: readonly KeyPairRow[]): Promise<Map<string, Use>> {
  const found = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('key_pairs', (join) =>
      join
        .onRef('key_pairs.spki_hash', '=', 'certificates.spki_hash')
        .onRef('key_pairs.organization_id', '=', 'certificates.organization_id'),
    )
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select('certificates.spki_hash')
    .select(({ fn }) => fn.countAll().as('count'))
    .select(sql<number>`max(case when revocation_reason = 'keyCompromise' then 1 else 0 end)`.as('compromised'))
    .select(sql<number>`max(case when findings like ${NOTICED} then 1 else 0 end)`.as('noticed'))
    .where(
      'certificates.spki_hash',
      'in',
      rows.map((row) => row.spki_hash),
    )
    .groupBy('certificates.spki_hash')
    .execute()
  return new Map(
    found.map(({ spki_hash: hash, count, compromised, noticed }) => [
      hash,
      { certificates: Number(count), compromised: Number(compromised) === 1, noticed: Number(noticed) === 1 },
    ]),
  )
}

/** As JSON has it: quotes inside of a text are escaped there. */
const NOTICED = '%"check":"keyAlgorithm"%'

/** Those that are known to be in other hands, whoever said so. */
async function compromisedOf(db: Database, rows: readonly KeyPairRow[]): Promise<Set<string>> {
  const hashes = rows.map((row) => row.spki_hash)
  const found = await withTables<CoreTables>(db)
    .selectFrom('blocked_keys')
    .select('spki_hash')
    .where('spki_hash', 'in', hashes)
    .where('reason', '=', 'keyCompromise')
    .execute()
  return new Set(found.map(({ spki_hash: hash }) => hash))
}

function readGroups(db: Database, rows: readonly KeyPairRow[]) {
  return withTables<CoreTables>(db)
    .selectFrom('key_pair_groups')
    .innerJoin('groups', 'groups.uuid', 'key_pair_groups.group_uuid')
    .select(['key_pair_groups.key_pair_id as key', 'groups.uuid', 'groups.name', 'groups.description', 'groups.email'])
    .select('groups.attributes')
    .where(
      'key_pair_groups.key_pair_id',
      'in',
      rows.map((row) => row.id),
    )
    .orderBy('groups.name')
    .execute()
}
