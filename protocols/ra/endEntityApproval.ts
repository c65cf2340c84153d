import { Failure } from '../../src/core/failure.ts'
import { transaction } from '../../src/db/transaction.ts'
import { change, type EndEntity, type EndEntityPlace, record } from './endEntity.ts'
import type { EndEntityDraft } from './endEntityDraft.ts'
import { sameDraft } from './endEntityWait.ts'
import { Unprocessable } from './errors.ts'

/**
 * For somebody with approve on the profile, and as far as his token goes, who neither added nor changed it: whoever he is. Throws Failure('forbidden').
 */
export async function requireApprover({ door, profile, requester }: EndEntityPlace, known: EndEntity): Promise<void> {
  if (requester.people.some((person) => known.people.includes(person)))
    throw new Failure(
      'forbidden',
      'you added or changed this end entity, so somebody else who has approve sets it to NEW (separation of duties)',
    )
  await door.enrolment.require(profile, 'approve')
}

/**
 * NEW for one that waits, as it was read: `draft` is what its approver has seen. He stands behind none of it. Throws Unprocessable where he says
 * something else than what waits, ChangedMeanwhile.
 */
export async function approveEndEntity(
  place: EndEntityPlace,
  known: EndEntity,
  { draft, password }: { draft: EndEntityDraft; password?: string },
): Promise<void> {
  if (password !== undefined)
    throw new Unprocessable(['password: whoever approves an end entity sets none: leave it out'])
  if (!sameDraft(known, draft))
    throw new Unprocessable([
      'status: NEW approves this end entity as it waits, and what came says something else: read it again, and send it as it is',
    ])
  const { host, door, profile, requester } = place
  const { id, username, round } = known
  await transaction(host.db, async (db) => {
    await change(db, { host, requester: { ...requester, people: [] } }, known, {
      status: 'NEW',
      awaits_approval: 0,
      order_ref: null,
      round: round + 1,
    })
    await door.enrolment.forgive(db, { profile, name: username })
    await record(db, place, { change: 'changed', id, details: { username, status: 'NEW', approved: true, ...draft } })
  })
}
