import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { enqueueJob } from '../jobs.ts'
import type { CoreTables } from '../tables.ts'

export const defaultThreshold = 30

const draft = z.strictObject({
  enabled: z.boolean(),
  /** Days. */
  frequency: z.int().min(1).max(366).default(1),
  /** Days. */
  expiringThreshold: z.int().min(1).max(3660).default(defaultThreshold),
})

/** Whether, how often and how the certificates of a profile are validated without being asked. */
export type ValidationSettings = z.output<typeof draft>

/** The kind of the jobs that walk over the certificates of a profile; their ref is the profile, the round, and after which certificate. */
export const VALIDATION_JOB = 'inventory.validate'

/** Of a profile, by id; where nothing was set it is off. */
export async function validationSettings(db: Database, profileId: number): Promise<ValidationSettings> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('profile_validations')
    .selectAll()
    .where('profile_id', '=', profileId)
    .executeTakeFirst()
  if (!row) return { enabled: false, frequency: 1, expiringThreshold: defaultThreshold }
  return { enabled: row.enabled === 1, frequency: row.frequency, expiringThreshold: row.expiring_threshold }
}

export async function thresholdOf(db: Database, profileId: number): Promise<number> {
  return (await validationSettings(db, profileId)).expiringThreshold
}

/** See Inventory.setValidation. */
export async function setValidation(
  { it, requester }: AdminContext,
  profileName: string,
  given: unknown,
): Promise<ValidationSettings> {
  const parsed = draft.safeParse(given)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Failure('malformed', `${issue?.path.join('.')}: ${issue?.message}`)
  }
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const { id, organizationId } = await managedProfile(db, { it, requester }, profileName)
    const settings = {
      enabled: parsed.data.enabled ? 1 : 0,
      frequency: parsed.data.frequency,
      expiring_threshold: parsed.data.expiringThreshold,
      updated_at: at.getTime(),
    }
    const { round } = await withTables<CoreTables>(db)
      .insertInto('profile_validations')
      .values({ profile_id: id, round: 1, ...settings })
      .onConflict((conflict) =>
        conflict
          .column('profile_id')
          .doUpdateSet((eb) => ({ ...settings, round: eb('profile_validations.round', '+', 1) })),
      )
      .returning('round')
      .executeTakeFirstOrThrow()
    if (parsed.data.enabled) await enqueueJob(db, { kind: VALIDATION_JOB, ref: `${id}/${round}/0`, runAt: at, at })
    await audit(db, requester, at, {
      action: 'profile.validation',
      organizationId,
      subject: { kind: 'profile', id },
      details: parsed.data,
    })
  })
  return parsed.data
}

/** For a new profile: every day, from now on. */
export async function enableValidation(db: Database, id: number, at: Date): Promise<void> {
  const settings = { enabled: 1, frequency: 1, expiring_threshold: defaultThreshold, updated_at: at.getTime() }
  await withTables<CoreTables>(db)
    .insertInto('profile_validations')
    .values({ profile_id: id, round: 1, ...settings })
    .execute()
  await enqueueJob(db, { kind: VALIDATION_JOB, ref: `${id}/1/0`, runAt: at, at })
}

/** See Inventory.validation. */
export async function showValidation(
  { it, requester }: AdminContext,
  profileName: string,
): Promise<ValidationSettings> {
  const actor = await actorOf(it.db, requester)
  const profile = await profileRow(it.db, profileName)
  if (!profile || !seesOrganization(actor, profile.organization_id)) throw noProfile(profileName)
  return validationSettings(it.db, profile.id)
}

async function managedProfile(db: Database, { requester }: AdminContext, name: string) {
  const actor = await actorOf(db, requester)
  const profile = await profileRow(db, name)
  if (!profile || !seesOrganization(actor, profile.organization_id)) throw noProfile(name)
  const { id, organization_id: organizationId, authority_id: authorityId } = profile
  await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId: id })
  return { id, organizationId }
}

function profileRow(db: Database, name: string) {
  return withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select(['id', 'organization_id', 'authority_id'])
    .where('name', '=', name)
    .executeTakeFirst()
}

const noProfile = (name: string) => new Failure('notFound', `there is no profile ${name}`)
