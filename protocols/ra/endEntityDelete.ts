import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { ChangedMeanwhile, change, type EndEntity, type EndEntityPlace, readEndEntity, record } from './endEntity.ts'
import type { RaTables } from './tables.ts'

/**
 * Withdraws what waits, revokes what is valid by the ordinary road, and deletes the end entity once nothing of it is left. From the first step
 * on it is REVOKED and orders nothing. Where revocations wait for people it stays, and the same call goes on later. Throws Failure.
 */
export async function deleteEndEntity(place: EndEntityPlace, known: EndEntity): Promise<void> {
  const { host } = place
  await transaction(host.db, (db) =>
    change(db, place, known, { status: 'REVOKED', order_ref: null, round: known.round + 1 }),
  )
  const closed = await readEndEntity(place, known.username)
  const problems = await endOrders(place, closed)
  if (problems.length > 0)
    throw new Failure('malformed', `${[...new Set(problems)].join('; ')}. The end entity is REVOKED until then`)
  await transaction(host.db, async (db) => {
    const tables = withTables<RaTables>(db)
    await change(db, place, closed, {})
    await tables.deleteFrom('ra_end_entity_orders').where('end_entity_id', '=', closed.id).execute()
    const gone = await tables
      .deleteFrom('ra_end_entities')
      .where('id', '=', closed.id)
      .returning('id')
      .executeTakeFirst()
    if (!gone) throw new ChangedMeanwhile()
    const details = { username: closed.username, deleted: true }
    await record(db, place, { change: 'deactivated', id: closed.id, details })
  })
}

/** Why it cannot be deleted yet, for each order of which something is left. */
async function endOrders(place: EndEntityPlace, { id }: EndEntity): Promise<string[]> {
  const { host, door } = place
  const orders = await withTables<RaTables>(host.db)
    .selectFrom('ra_end_entity_orders')
    .select('ref')
    .where('end_entity_id', '=', id)
    .orderBy('id')
    .execute()
  const outcomes = await door.enrolment.outcomes(
    'ra',
    orders.map(({ ref }) => ref),
  )
  const problems: string[] = []
  for (const { uuid, status, id, certificate } of outcomes.values()) {
    if (status === 'draft' || status === 'requested' || status === 'signing')
      await door.approvals.cancel('sign', uuid, 'its end entity was deleted')
    else if (status === 'failed') await door.answered(uuid)
    else if (certificate && certificate.status !== 'revoked' && certificate.notAfter > host.clock())
      problems.push(...(await revoke(place, id)))
  }
  return problems
}

async function revoke({ door, profile }: EndEntityPlace, certificate: number): Promise<string[]> {
  try {
    const { status, reason } = await door.revoke({ protocol: 'ra', certificate, profile, grounds: 'user' })
    switch (status) {
      case 'revoked':
        return []
      case 'requested':
        return ['the revocation of its certificates waits for approval: delete it again when that is there']
      case 'revoking':
        return ['its certificates are being revoked: delete it again when that is done']
      default:
        return [`a certificate of it is not revoked: ${reason ?? status}`]
    }
  } catch (error) {
    if (error instanceof Failure && error.code === 'alreadyRevoked') return []
    throw error
  }
}
