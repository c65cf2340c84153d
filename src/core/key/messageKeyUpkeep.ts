import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { CoreTables } from '../tables.ts'
import { heldKeys, messageKeys } from './messageKey.ts'

/** Asks for the key of every enabled profile that has one, which makes the ones that are due; what cannot be renewed is an alert. */
export async function renewMessageKeys(it: Installation): Promise<void> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('ra_profiles')
    .select(['id', 'name', 'organization_id'])
    .where('enabled', '=', 1)
    .where(({ exists, selectFrom }) =>
      exists(selectFrom('message_keys').select('id').whereRef('message_keys.profile_id', '=', 'ra_profiles.id')),
    )
    .execute()
  for (const { id, name, organization_id: organizationId } of rows) {
    try {
      const held = await heldKeys(it, id)
      const [newest] = held
      if (!newest) continue
      const size = newest.size === 3072 ? 3072 : 2048
      const [current] = await messageKeys(it, await loadProfile(it.db, name), { key: 'ra', size })
      // One that was made now is not among those of before.
      const due = held.find((key) => key === current)
      if (!due || it.clock() < due.renewAt) continue
      throw new Failure('unavailable', 'it is due and could not be renewed')
    } catch (error) {
      it.log.error({ err: error, profile: name }, 'the message key of a profile could not be renewed')
      const detail = `the message key of the profile ${name} could not be renewed; the log says why`
      const subject = { kind: 'profile', id } as const
      await transaction(it.db, (db) =>
        raiseAlert(db, it.clock(), { kind: 'message_key', organizationId, subject, detail }),
      )
    }
  }
}
