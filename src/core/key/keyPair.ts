import type { KeyObject } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { publicKeyFrom } from '../../pki/publicKey.ts'
import { type Actor, type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { checkedName } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import type { KeySpec } from '../key.ts'
import { takes, wishOf } from '../profile/csrAttributes.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'
import { type KeyPair, type KeyPairRow, keyPairRow, toKeyPair } from './keyPairView.ts'
import { findKeyProfile, keySpecs, specsOf } from './keyProfile.ts'
import { makeKey } from './serverKeyKind.ts'

/** The additional data of the seal: a sealed key opens in its own row alone. */
export const KEY_PAIR_SEAL = 'key pair'

export interface KeyPairDraft {
  /** Uuid of the key profile. */
  profile: string
  name: string
  description?: string
  /** Absent: the first that the key profile allows. */
  spec?: KeySpec
  /** True when absent. */
  enabled?: boolean
  /** Uuids. */
  groups?: readonly string[]
  /** Uuid of an RA profile for which it is meant: it must take such keys. */
  raProfile?: string
}

/** See KeyPairs.create. */
export async function createKeyPair(context: AdminContext, draft: KeyPairDraft): Promise<KeyPair> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const profile = await findKeyProfile(it.db, actor, draft.profile)
  const organizationId = profile.organization_id
  await requireCapability(it.db, actor, 'manage', { organizationId })
  const name = checkedName(draft.name)
  const described = text(500).safeParse(draft.description || '-')
  if (!described.success) throw new Failure('malformed', 'a description is one line of at most 500 characters')
  const specs = specsOf(profile)
  const spec = draft.spec ?? specs[0]
  if (!spec || !keySpecs.includes(spec)) throw new Failure('badKey', `a key is one of ${keySpecs.join(', ')}`)
  requireUsable(profile, spec)
  if (draft.raProfile !== undefined) await requireTaken(it, actor, draft.raProfile, { spec, organizationId })
  const groups = await groupsOf(it.db, organizationId, draft.groups ?? [])
  const made = await generate(it, spec)
  const { description = '', enabled = true } = draft
  return transaction(it.db, async (db) => {
    await lockProfile(db, profile.id, spec)
    await insertKeyPair(db, { it, requester, actor }, made, {
      profile,
      name,
      description,
      enabled,
      groups,
      reason: 'asked',
    })
    return toKeyPair(db, await keyPairRow(db, actor, made.uuid))
  })
}

/** Throws Failure('conflict' | 'badKey'). */
export function requireUsable(profile: { name: string; enabled: number; specs: string }, spec: KeySpec): void {
  if (profile.enabled !== 1) throw new Failure('conflict', `the key profile ${profile.name} is disabled`)
  const specs = specsOf(profile)
  if (!specs.includes(spec))
    throw new Failure('badKey', `the key profile ${profile.name} takes ${specs.join(', ')}, not ${spec}`)
}

interface Meant {
  spec: KeySpec
  organizationId: number
}

async function requireTaken(it: Installation, actor: Actor, uuid: string, { spec, organizationId }: Meant) {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('ra_profiles')
    .select(['id', 'organization_id', 'builtin'])
    .where('uuid', '=', uuid)
    .executeTakeFirst()
  if (!row || row.builtin === 1 || row.organization_id !== organizationId || !seesOrganization(actor, organizationId))
    throw new Failure('notFound', 'there is no such RA profile')
  const { name, settings } = await loadProfile(it.db, row.id)
  if (!takes(settings.certificate.keys, wishOf(spec)))
    throw new Failure('badKey', `the RA profile ${name} takes no keys ${spec}`)
}

async function groupsOf(db: Database, organizationId: number, uuids: readonly string[]): Promise<string[]> {
  const wanted = [...new Set(uuids)]
  if (wanted.length === 0) return []
  if (wanted.length > 100) throw new Failure('malformed', 'a key belongs to at most 100 groups')
  const rows = await withTables<CoreTables>(db)
    .selectFrom('groups')
    .select('uuid')
    .where('organization_id', '=', organizationId)
    .where('uuid', 'in', wanted)
    .execute()
  if (rows.length < wanted.length) throw new Failure('notFound', 'there is no such group')
  return wanted
}

/** A private key that exists in this process alone until it is stored. */
export interface MadeKey {
  uuid: string
  spec: KeySpec
  key: KeyObject
  at: Date
}

/** In the thread pool. Throws Failure('unavailable') where too many are wanted at once. */
export async function generate(it: Installation, spec: KeySpec): Promise<MadeKey> {
  const key = await makeKey(wishOf(spec))
  const at = it.clock()
  return { uuid: uuidv7(at), spec, key, at }
}

/** Nobody deletes or disables it until the transaction ends. */
export async function lockProfile(db: Database, id: number, spec: KeySpec): Promise<void> {
  const row = await forUpdate(
    db,
    withTables<CoreTables>(db)
      .selectFrom('key_profiles')
      .select(['name', 'enabled', 'specs'])
      .where('id', '=', id)
      .where('deleted_at', 'is', null),
  ).executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such key profile')
  requireUsable(row, spec)
}

interface Storing {
  it: Installation
  requester: Requester
  actor: Actor
}

interface Described {
  profile: { id: number; organization_id: number; name: string }
  name: string
  description: string
  enabled: boolean
  groups: readonly string[]
  /** Why it was made, for the trail. */
  reason: 'asked' | 'rekey'
}

/** Stores a key, sealed, in the caller's transaction. Throws Failure('conflict') for a name that is taken. */
export async function insertKeyPair(
  db: Database,
  { it, requester, actor }: Storing,
  { uuid, spec, key, at }: MadeKey,
  { profile, name, description, enabled, groups, reason }: Described,
): Promise<number> {
  const { spki, spkiHash } = publicKeyFrom(key)
  const tables = withTables<CoreTables>(db)
  const row = await tables
    .insertInto('key_pairs')
    .values({
      uuid,
      organization_id: profile.organization_id,
      key_profile_id: profile.id,
      name,
      description,
      spec,
      spki,
      spki_hash: spkiHash,
      sealed: it.vault.seal(key.export({ format: 'der', type: 'pkcs8' }), uuid, KEY_PAIR_SEAL),
      enabled: enabled ? 1 : 0,
      owner_id: actor.user?.id ?? null,
      created_at: at.getTime(),
      destroyed_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', `there is a key ${name} already`)
  if (groups.length > 0)
    await tables
      .insertInto('key_pair_groups')
      .values(groups.map((group) => ({ key_pair_id: row.id, group_uuid: group })))
      .execute()
  await audit(db, requester, at, {
    action: 'key_pair.created',
    organizationId: profile.organization_id,
    subject: { kind: 'key_pair', id: row.id },
    details: { name, spec, spkiHash, keyProfile: profile.name, enabled, reason },
  })
  return row.id
}

/** See KeyPairs.enable. */
export async function enableKeyPair(context: AdminContext, uuid: string, enabled: boolean): Promise<void> {
  const { it, requester } = context
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const row = await managedKeyPair(db, requester, uuid)
    if (row.destroyed_at !== null) throw new Failure('conflict', `the key ${row.name} is destroyed`)
    if ((row.enabled === 1) === enabled) return
    await withTables<CoreTables>(db)
      .updateTable('key_pairs')
      .set({ enabled: enabled ? 1 : 0 })
      .where('id', '=', row.id)
      .execute()
    await audit(db, requester, at, {
      action: `key_pair.${enabled ? 'enabled' : 'disabled'}`,
      organizationId: row.organization_id,
      subject: { kind: 'key_pair', id: row.id },
      details: { name: row.name, spkiHash: row.spki_hash },
    })
  })
}

/** A key whose row is locked, for somebody with `manage` in its organization. Throws Failure: notFound, forbidden. */
export async function managedKeyPair(db: Database, requester: Requester, uuid: string): Promise<KeyPairRow> {
  const actor = await actorOf(db, requester)
  const { organization_id: organizationId } = await keyPairRow(db, actor, uuid)
  await requireCapability(db, actor, 'manage', { organizationId })
  await forUpdate(
    db,
    withTables<CoreTables>(db).selectFrom('key_pairs').select('id').where('uuid', '=', uuid),
  ).execute()
  return keyPairRow(db, actor, uuid)
}
