import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { signingAuthority } from './authorityState.ts'
import type { Call } from './operation.ts'
import { orderAgain } from './ordering.ts'
import { profileFor, profileOf } from './profileChoice.ts'
import type { Current } from './requestState.ts'

/**
 * Has an authority sign: the caller's approval of the order, which is made anew where it was with another authority. What then stands is told in
 * a sentence, for the contract has no word for waiting. Throws Failure.
 */
export async function signWith(call: Call, current: Current, authorityId: number): Promise<string> {
  if (current.status !== 'Outstanding')
    throw new Failure('unsupported', `this certificate request is ${current.status}: only an Outstanding one is signed`)
  const authority = await signingAuthority(call, authorityId)
  const { door } = call
  const { id, status, authorityId: present, profileId } = current.request
  const same = present === authority.id
  if (same && status === 'signing') return afterwards(status)
  const retried = same && status === 'failed' ? await retry(door, id) : undefined
  if (retried !== undefined) return afterwards(retried)
  refuseOwn(call, current)
  if (same && status === 'requested') return afterwards(await approve(door, id))
  const profile = same ? await profileOf(call, profileId) : await profileFor(call, authority)
  return decide(door, await orderAgain(call, current, profile, `to be signed by ${authority.name}`))
}

/** Before anything moves: the core would refuse the vote only afterwards. */
function refuseOwn({ caller }: Call, { request }: Current): void {
  if (!request.requester.people.includes(caller.user.id)) return
  throw new Failure(
    'forbidden',
    'you have made this request yourself, and whoever asked never decides: have another certificate manager sign it',
  )
}

/** Undefined for what was never approved, and so is ordered anew. */
async function retry(door: Call['door'], id: number): Promise<string | undefined> {
  try {
    return (await door.approvals.retry('sign', id)).status
  } catch (error) {
    if (error instanceof Failure && error.code === 'conflict') return undefined
    throw error
  }
}

/** On an order that was made just now. */
async function decide(door: Call['door'], { id, status, reason }: SignRequest): Promise<string> {
  switch (status) {
    case 'requested':
      return afterwards(await approve(door, id))
    case 'draft':
    case 'signing':
    case 'signed':
    case 'failed':
      return afterwards(status)
    case 'denied':
    case 'expired':
    case 'canceled':
      throw new Failure('unsupported', `the certificate request was rejected: ${reason ?? status}`)
  }
}

async function approve(door: Call['door'], id: number): Promise<string> {
  const { hash } = await door.approvals.review('sign', id)
  try {
    return (await door.approvals.vote('sign', id, { verdict: 'approve', hash })).status
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'forbidden') throw error
    const rule =
      'a rule for issue with require: [{ roles: [notary-certificate-manager] }] lets every certificate manager sign'
    throw new Failure('forbidden', `${error.detail}. The approval rules of the RA profile say who: ${rule}`, {
      cause: error,
    })
  }
}

function afterwards(status: string): string {
  switch (status) {
    case 'signed':
      return 'success'
    case 'requested':
      return 'success: your approval counts, and the approval of others is needed too'
    default:
      return 'success: it is approved, and its certificate will follow'
  }
}

/** Says no: a vote where the rules ask the caller, else by withdrawing it, which needs manage or that he made it. */
export async function reject({ door }: Call, { request, status }: Current): Promise<void> {
  const { id } = request
  if (status !== 'Outstanding') throw new Failure('unsupported', `this certificate request is ${status} already`)
  if (request.status === 'failed')
    throw new Failure('unsupported', 'its signing has failed for good: sign it once more, or delete it')
  const reason = 'rejected over Notary'
  if (request.status === 'requested') {
    try {
      const { hash } = await door.approvals.review('sign', id)
      await door.approvals.vote('sign', id, { verdict: 'deny', hash, reason })
      return
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'forbidden') throw error
    }
  }
  await door.approvals.cancel('sign', id, reason)
}
