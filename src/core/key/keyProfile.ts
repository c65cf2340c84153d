import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  isSuperuser,
  requireAdministrator,
  seesOrganization,
} from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { checkedName } from '../identity/identity.ts'
import type { KeySpec } from '../key.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'

export const keySpecs = [
  'P-256',
  'P-384',
  'P-521',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  'Ed25519',
] as const satisfies readonly KeySpec[]

/** Where the keys of an organization are: each has one keystore, whose uuid is the organization's. */
export interface Keystore {
  uuid: string
  name: 'local'
  organization: string
  /** How many key profiles it has. */
  profiles: number
}

/** Which keys may be made in a keystore, under a name that orders give. */
export interface KeyProfile {
  uuid: string
  name: string
  description: string
  keystore: string
  specs: readonly KeySpec[]
  enabled: boolean
}

export interface KeyProfileDraft {
  name: string
  description?: string
  specs: readonly KeySpec[]
  /** False when absent. */
  enabled?: boolean
}

export async function listKeystores({ it, requester }: AdminContext): Promise<Keystore[]> {
  const actor = await actorOf(it.db, requester)
  let query = withTables<CoreTables>(it.db)
    .selectFrom('organizations')
    .select(['uuid', 'name'])
    .select(({ selectFrom, fn }) =>
      selectFrom('key_profiles')
        .whereRef('key_profiles.organization_id', '=', 'organizations.id')
        .where('deleted_at', 'is', null)
        .select(fn.countAll().as('count'))
        .as('profiles'),
    )
    .orderBy('organizations.id')
  if (!isSuperuser(actor)) query = query.where('organizations.id', '=', actor.user?.organizationId ?? -1)
  const rows = await query.execute()
  return rows.map(({ uuid, name, profiles }) => ({
    uuid,
    name: 'local',
    organization: name,
    profiles: Number(profiles),
  }))
}

/** The organization of a keystore. Throws Failure('notFound'). */
export async function keystoreOwner(db: Database, actor: Actor, keystore: string): Promise<number> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('organizations')
    .select('id')
    .where('uuid', '=', keystore)
    .executeTakeFirst()
  if (!row || !seesOrganization(actor, row.id)) throw new Failure('notFound', 'there is no such keystore')
  return row.id
}

export async function listKeyProfiles({ it, requester }: AdminContext): Promise<KeyProfile[]> {
  const actor = await actorOf(it.db, requester)
  let query = profileRows(it.db).orderBy('key_profiles.id')
  if (!isSuperuser(actor)) query = query.where('key_profiles.organization_id', '=', actor.user?.organizationId ?? -1)
  return (await query.execute()).map(toKeyProfile)
}

export async function readKeyProfile({ it, requester }: AdminContext, uuid: string): Promise<KeyProfile> {
  return toKeyProfile(await findKeyProfile(it.db, await actorOf(it.db, requester), uuid))
}

const drafted = z.object({
  description: z.union([z.literal(''), text(500)]).default(''),
  specs: z.array(z.enum(keySpecs)).min(1).max(keySpecs.length),
  enabled: z.boolean().default(false),
})

export async function createKeyProfile(
  { it, requester }: AdminContext,
  keystore: string,
  draft: KeyProfileDraft,
): Promise<KeyProfile> {
  const at = it.clock()
  const name = checkedName(draft.name)
  const read = drafted.safeParse(draft)
  if (!read.success)
    throw new Failure('malformed', `a key profile takes one or more of ${keySpecs.join(', ')}, and a short description`)
  const { description, enabled } = read.data
  const specs = [...new Set(read.data.specs)]
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const organizationId = await keystoreOwner(db, actor, keystore)
    requireAdministrator(actor, organizationId)
    const uuid = uuidv7(at)
    const made = await withTables<CoreTables>(db)
      .insertInto('key_profiles')
      .values({
        uuid,
        organization_id: organizationId,
        name,
        description,
        specs: JSON.stringify(specs),
        enabled: enabled ? 1 : 0,
        created_at: at.getTime(),
        deleted_at: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!made) throw new Failure('conflict', `there is a key profile ${name} already`)
    await audit(db, requester, at, {
      action: 'key_profile.created',
      organizationId,
      subject: { kind: 'key_profile', id: made.id },
      details: { name, specs, enabled },
    })
    return { uuid, name, description, keystore, specs, enabled }
  })
}

/** Throws Failure('conflict') while keys that were made under it are there. */
export async function deleteKeyProfile({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const { id, organization_id: organizationId, name } = await administered(db, { it, requester }, uuid)
    const tables = withTables<CoreTables>(db)
    const used = await tables
      .selectFrom('key_pairs')
      .select('id')
      .where('key_profile_id', '=', id)
      .where('destroyed_at', 'is', null)
      .limit(1)
      .executeTakeFirst()
    if (used) throw new Failure('conflict', `keys were made under the key profile ${name}: destroy them first`)
    await tables.updateTable('key_profiles').set({ deleted_at: at.getTime() }).where('id', '=', id).execute()
    const subject = { kind: 'key_profile', id } as const
    await audit(db, requester, at, { action: 'key_profile.deleted', organizationId, subject, details: { name } })
  })
}

/** Under a disabled one no key is made, and none of its keys is used. */
export async function enableKeyProfile({ it, requester }: AdminContext, uuid: string, enabled: boolean): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const { id, organization_id: organizationId, name, ...row } = await administered(db, { it, requester }, uuid)
    if ((row.enabled === 1) === enabled) return
    await withTables<CoreTables>(db)
      .updateTable('key_profiles')
      .set({ enabled: enabled ? 1 : 0 })
      .where('id', '=', id)
      .execute()
    await audit(db, requester, at, {
      action: `key_profile.${enabled ? 'enabled' : 'disabled'}`,
      organizationId,
      subject: { kind: 'key_profile', id },
      details: { name },
    })
  })
}

/** Its row locked: nothing is made under one that is being deleted. */
async function administered(db: Database, { requester }: AdminContext, uuid: string) {
  const actor = await actorOf(db, requester)
  const row = await findKeyProfile(db, actor, uuid, 'locked')
  requireAdministrator(actor, row.organization_id)
  return row
}

function profileRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('key_profiles')
    .innerJoin('organizations', 'organizations.id', 'key_profiles.organization_id')
    .selectAll('key_profiles')
    .select('organizations.uuid as keystore')
    .where('deleted_at', 'is', null)
}

type Row = Awaited<ReturnType<typeof findKeyProfile>>

/** Throws Failure('notFound') alike for none, a deleted one and one of another organization. */
export async function findKeyProfile(db: Database, actor: Actor, uuid: string, locked?: 'locked') {
  if (locked)
    await forUpdate(
      db,
      withTables<CoreTables>(db).selectFrom('key_profiles').select('id').where('uuid', '=', uuid),
    ).execute()
  const row = await profileRows(db).where('key_profiles.uuid', '=', uuid).executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id))
    throw new Failure('notFound', 'there is no such key profile')
  return row
}

function toKeyProfile({ uuid, name, description, keystore, specs, enabled }: Row): KeyProfile {
  return { uuid, name, description, keystore, specs: specsOf({ specs }), enabled: enabled === 1 }
}

/** Which keys a stored profile takes. */
export const specsOf = ({ specs }: { specs: string }): KeySpec[] => z.array(z.enum(keySpecs)).parse(JSON.parse(specs))
