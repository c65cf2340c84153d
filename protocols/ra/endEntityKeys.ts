import { withTables } from '../../src/db/tables.ts'
import type { EndEntity, EndEntityPlace } from './endEntity.ts'
import { Unprocessable } from './errors.ts'
import type { RaTables } from './tables.ts'

/** SHA-256 of the keys, in hex, for which a certificate was ever issued with the password of an end entity. */
export async function certifiedKeys(
  { host, door }: Pick<EndEntityPlace, 'host' | 'door'>,
  { id }: Pick<EndEntity, 'id'>,
): Promise<Set<string>> {
  const orders = await withTables<RaTables>(host.db)
    .selectFrom('ra_end_entity_orders')
    .select('ref')
    .where('end_entity_id', '=', id)
    .execute()
  const refs = orders.map(({ ref }) => ref)
  const outcomes = await door.enrolment.outcomes('ra', refs)
  return new Set(refs.filter((ref) => outcomes.get(ref)?.status === 'signed').map(keyOf))
}

/** The last word of the ref that an order has. */
const keyOf = (ref: string): string => ref.slice(ref.lastIndexOf(' ') + 1)

/**
 * Whether somebody may say that the key which an end entity has gets a certificate once more: that takes what handing out a key takes. Throws Failure('forbidden'),
 * Unprocessable where there is no such key.
 */
export async function requireRecoverable(place: EndEntityPlace, found: EndEntity): Promise<void> {
  await place.door.enrolment.require(place.profile, 'export_private_key', 'manage')
  if ((await certifiedKeys(place, found)).size === 0)
    throw new Unprocessable([
      'status: KEY_RECOVERY is for an end entity whose key had a certificate: this one has none',
    ])
}
