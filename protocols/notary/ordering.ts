import { createHash, randomUUID } from 'node:crypto'
import { Failure } from '../../src/core/failure.ts'
import type { Simulation } from '../../src/core/issuance/simulate.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { type Csr, parseCsr, readKeptCsr, withoutChallenge } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import type { Call } from './operation.ts'
import { profileFor, requireManage } from './profileChoice.ts'
import { insertRow, nextRound, numberRow, originOf } from './requestRow.ts'
import { ANEW, type Current } from './requestState.ts'

/** The one request in a text. Throws Failure('malformed' | 'badCsr') in the contract's words. */
function readCsr(text: string): Csr {
  const [block, another] = decoded(text)
  if (!block || another) throw new Failure('malformed', 'invalid request: could not decode PEM block')
  if (block.label !== 'CERTIFICATE REQUEST' && block.label !== 'NEW CERTIFICATE REQUEST')
    throw new Failure('malformed', "invalid request: expected PEM block type 'CERTIFICATE REQUEST'")
  try {
    return parseCsr(block.der)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    if (error.kind === 'malformed')
      throw new Failure('malformed', `invalid request: could not parse CSR: ${error.message}`, { cause: error })
    throw new Failure('badCsr', error.message, { cause: error })
  }
}

function decoded(text: string) {
  try {
    return pemDecode(text)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new Failure('malformed', `invalid request: could not decode PEM block: ${error.message}`, { cause: error })
  }
}

function orderOf(call: Pick<Call, 'door'>, profile: RaProfile, csr: Csr) {
  const identifiers = call.door.requestedNames(profile, csr)
  return { profile, protocol: 'notary', action: 'issue', csr, identifiers, refusal: 'store' } as const
}

/** A new certificate request, as an order of whoever calls. Answers its number. */
export async function order(call: Call<{ csr: string }>): Promise<number> {
  const { host, door, body } = call
  const csr = readCsr(body.csr)
  const profile = await profileFor(call)
  const ref = randomUUID()
  const row = {
    ref,
    organization_id: profile.organizationId,
    asker: call.caller.user.id,
    live_hash: createHash('sha256').update(csr.der).digest('hex'),
    csr: csr.challengePassword === undefined ? body.csr : pemEncode('CERTIFICATE REQUEST', withoutChallenge(csr).der),
    created_at: host.clock().getTime(),
  }
  const origin = originOf({ ref, round: 0 })
  const { request } = await door.sign({ ...orderOf(call, profile, csr), origin }, (db) => insertRow(db, row))
  await numberRow(host.db, ref, request.id)
  return request.id
}

/**
 * The same once more, over that profile: whoever asked first asks, so that whoever calls, who needs manage, may decide on it. What waits is
 * withdrawn before.
 * Throws what Door.sign throws; until there is a new order, the request stays Outstanding.
 */
export async function orderAgain(
  call: Pick<Call, 'host' | 'door' | 'caller'>,
  { row, request }: Current,
  profile: RaProfile,
  why: string,
): Promise<SignRequest> {
  const { host, door } = call
  // From here on whoever asked first speaks: what whoever calls may is looked at before.
  await requireManage(call, request.profileId)
  if (!request.csr) throw new Failure('conflict', 'this order has no certificate request')
  const asker = host.core.as(request.requester)
  const draft = orderOf({ door: asker }, profile, readKeptCsr(request.csr))
  refuseRefused(await asker.simulate(draft).catch(asNoAsker), profile)
  if (request.status === 'requested' || request.status === 'signing')
    await door.approvals.cancel('sign', request.id, `${ANEW}${why}`)
  const origin = originOf({ ref: row.ref, round: row.round + 1 })
  const made = await asker.sign({ ...draft, origin }, (db) => nextRound(db, row))
  if (made.repeat) throw new Failure('conflict', 'somebody else has ordered it anew meanwhile: look at it again')
  // The order is that of whoever asked first; this says who has made it anew.
  await door.approvals.comment('sign', made.request.id, `${ANEW}${why}`)
  return made.request
}

/** What would only be denied stays where it is. Throws Failure('unsupported') with the reason. */
function refuseRefused({ refused, decision }: Simulation, { name }: RaProfile): void {
  const [first] = refused
  const why = first?.detail ?? (decision?.outcome === 'deny' ? (decision.message ?? 'a rule denies it') : undefined)
  if (why !== undefined)
    throw new Failure('unsupported', `the RA profile ${name} does not certify this request: ${why}`)
}

/** Whoever asked first has lost the right to, or is gone. */
function asNoAsker(error: unknown): never {
  if (!(error instanceof Failure) || (error.code !== 'forbidden' && error.code !== 'notFound')) throw error
  const detail = 'whoever made this request may order no certificates there: have it made anew'
  throw new Failure('unsupported', detail, { cause: error })
}
