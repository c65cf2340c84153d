import { setImmediate } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { findCertificate } from '../certificate.ts'
import type { Installation } from '../installation.ts'
import { enqueueJob } from '../jobs.ts'
import type { CoreTables } from '../tables.ts'
import { keep, type Looked, look, upkeepActor } from './inventoryValidation.ts'
import { VALIDATION_JOB } from './validationSettings.ts'

/** Requests and certificates share their numbers; of a window a few or all may be of the profile. */
const WINDOW = 2000
const MOST_WINDOWS = 20
const BATCH = 50
const MOST = 400
const day = 86_400_000

/**
 * One job of a walk over the certificates of a profile: `profile/round/after`. It looks at some hundred certificates at most, and at one at a time, so that the process
 * goes on with other things between them; then it leaves a job for the rest, or for the next round.
 */
export async function walkValidations(it: Installation, ref: string): Promise<void> {
  const [profileId = 0, round = 0, from = 0] = ref.split('/').map(Number)
  const settings = await withTables<CoreTables>(it.db)
    .selectFrom('profile_validations')
    .selectAll()
    .where('profile_id', '=', profileId)
    .where('round', '=', round)
    .where('enabled', '=', 1)
    .executeTakeFirst()
  if (!settings) return
  const end = await newestCertificate(it.db)
  let after = from
  for (let windows = 0, done = 0; after < end && windows < MOST_WINDOWS && done < MOST; windows++) {
    const ids = await due(it.db, profileId, after)
    const few = ids.slice(0, MOST)
    await validateAll(it, few, settings.expiring_threshold)
    done += few.length
    after = few.length < ids.length ? (few.at(-1) ?? after) : after + WINDOW
  }
  await goOn(it, { profileId, round, after, ended: after >= end, frequency: settings.frequency })
}

async function newestCertificate(db: Database): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  return id ?? 0
}

/** What has ended for good is not looked at again. */
async function due(db: Database, profileId: number, after: number): Promise<number[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .leftJoin('inventory_records', 'inventory_records.id', 'certificates.id')
    .select(['certificates.id'])
    .where('certificates.id', '>', after)
    .where('certificates.id', '<=', after + WINDOW)
    .where('sign_requests.profile_id', '=', profileId)
    .where('archived_at', 'is', null)
    .where(({ or, eb }) => or([eb('validation_status', 'is', null), eb('validation_status', '<>', 'expired')]))
    .orderBy('certificates.id')
    .execute()
  return rows.map(({ id }) => id)
}

async function validateAll(it: Installation, ids: readonly number[], threshold: number): Promise<void> {
  for (let start = 0; start < ids.length; start += BATCH) {
    const found: Looked[] = []
    for (const id of ids.slice(start, start + BATCH)) {
      const certificate = await findCertificate(it.db, { id })
      if (certificate) found.push(await look(it, certificate, threshold))
      await setImmediate()
    }
    const at = it.clock()
    await transaction(it.db, async (db) => {
      for (const looked of found) await keep(db, looked, { actor: upkeepActor, at, alerts: true })
    })
  }
}

interface Walk {
  profileId: number
  round: number
  after: number
  ended: boolean
  /** Days. */
  frequency: number
}

async function goOn(it: Installation, { profileId, round, after, ended, frequency }: Walk): Promise<void> {
  const at = it.clock()
  const next = ended
    ? { ref: `${profileId}/${round + 1}/0`, runAt: new Date(at.getTime() + frequency * day) }
    : { ref: `${profileId}/${round}/${after}`, runAt: at }
  await transaction(it.db, async (db) => {
    const current = await withTables<CoreTables>(db)
      .updateTable('profile_validations')
      .set({ round: ended ? round + 1 : round })
      .where('profile_id', '=', profileId)
      .where('round', '=', round)
      .where('enabled', '=', 1)
      .returning('round')
      .executeTakeFirst()
    if (current) await enqueueJob(db, { kind: VALIDATION_JOB, ...next, at })
  })
}
