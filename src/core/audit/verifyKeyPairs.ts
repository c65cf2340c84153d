import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import { type Complain, eachSpan, type Histories, pairs, type Told } from './verifyHistory.ts'

/** The keystore: that each key was made, enabled and destroyed as its events tell, and each key profile allows what its own say. */
export async function verifyKeyPairs(db: Database, complain: Complain): Promise<void> {
  await eachSpan(db, complain, {
    kind: 'key_pair',
    check: async (histories, complain) => {
      for (const { id, events, row } of pairs(histories, await keysOf(db, histories)))
        checkKey(`key pair ${id}`, events, row, complain)
    },
  })
  await eachSpan(db, complain, {
    kind: 'key_profile',
    check: async (histories, complain) => {
      for (const { id, events, row } of pairs(histories, await profilesOf(db, histories)))
        checkProfile(`key profile ${id}`, events, row, complain)
    },
  })
}

function keysOf(db: Database, { after, upTo }: Histories) {
  return withTables<CoreTables>(db)
    .selectFrom('key_pairs')
    .select(['id', 'organization_id', 'spec', 'spki_hash', 'enabled', 'destroyed_at'])
    .select((eb) => eb.case().when('sealed', 'is', null).then(1).else(0).end().as('gone'))
    .where('id', '>', after)
    .where('id', '<=', upTo)
    .execute()
}

function profilesOf(db: Database, { after, upTo }: Histories) {
  return withTables<CoreTables>(db)
    .selectFrom('key_profiles')
    .select(['id', 'organization_id', 'name', 'specs', 'enabled', 'deleted_at'])
    .where('id', '>', after)
    .where('id', '<=', upTo)
    .execute()
}

type Key = Awaited<ReturnType<typeof keysOf>>[number]
type Profile = Awaited<ReturnType<typeof profilesOf>>[number]

function checkKey(subject: string, events: Told[], row: Key | undefined, complain: Complain): void {
  const made = events.find(({ action }) => action === 'key_pair.created')
  if (!row) complain(`${subject} is gone`)
  else if (!made) complain(`${subject} was made by no event`)
  if (!row || !made) return
  if (row.spki_hash !== made.details.spkiHash || row.spec !== made.details.spec)
    complain(`${subject} is another than the one that was made`)
  if (row.organization_id !== made.organizationId) complain(`${subject} was moved to another organization by no event`)
  checkEnabled(subject, events, { row, made }, complain)
  const destroyed = events.find(({ action }) => action === 'key_pair.destroyed')
  if (row.destroyed_at !== (destroyed?.at ?? null) || (row.gone === 1) !== (destroyed !== undefined))
    complain(
      `${subject} is ${row.destroyed_at === null && row.gone === 0 ? 'not ' : ''}destroyed, its events say otherwise`,
    )
}

function checkProfile(subject: string, events: Told[], row: Profile | undefined, complain: Complain): void {
  const made = events.find(({ action }) => action === 'key_profile.created')
  if (!row) complain(`${subject} is gone`)
  else if (!made) complain(`${subject} was made by no event`)
  if (!row || !made) return
  if (row.organization_id !== made.organizationId) complain(`${subject} was moved to another organization by no event`)
  if (row.name !== made.details.name || row.specs !== JSON.stringify(made.details.specs))
    complain(`${subject} allows other keys than its event says, or has another name`)
  checkEnabled(subject, events, { row, made }, complain)
  if (row.deleted_at !== (events.find(({ action }) => action === 'key_profile.deleted')?.at ?? null))
    complain(`${subject} is ${row.deleted_at === null ? 'not ' : ''}deleted, its events say otherwise`)
}

function checkEnabled(
  subject: string,
  events: Told[],
  { row, made }: { row: { enabled: number }; made: Told },
  complain: Complain,
): void {
  const last = events.findLast(({ action }) => /\.(en|dis)abled$/.test(action))
  const told = last ? last.action.endsWith('.enabled') : made.details.enabled === true
  if ((row.enabled === 1) !== told)
    complain(`${subject} is ${row.enabled === 1 ? 'enabled' : 'disabled'}, its events say otherwise`)
}
