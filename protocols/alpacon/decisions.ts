import type { RequestKind } from '../../src/core/approval/approval.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Call } from './operation.ts'

/** The contract names no revision: a vote is on the request as it stands when the call comes. Throws as Approvals.vote. */
export async function decide(
  { door, requester }: Pick<Call, 'door' | 'requester'>,
  { kind, id, verdict }: { kind: RequestKind; id: string; verdict: 'approve' | 'deny' },
): Promise<void> {
  const { status } = await door.list.request(id, kind)
  if (status === 'draft')
    throw new Failure('conflict', 'this order has no certificate request yet: there is nothing to decide on')
  const { hash } = await door.approvals.review(kind, id)
  // A denial needs a reason, which whoever asked reads, and the contract has no field for one.
  const reason =
    verdict === 'deny' ? { reason: `denied by ${requester.name} over the Alpacon contract, which takes no reason` } : {}
  await door.approvals.vote(kind, id, { verdict, hash, ...reason })
}
