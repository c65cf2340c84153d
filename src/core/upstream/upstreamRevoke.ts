import { transaction } from '../../db/transaction.ts'
import { reasonCodes } from '../../pki/crl.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { RevokeRequest } from '../request/request.ts'
import { system } from '../requester.ts'
import { carryOut } from '../revocation/revoke.ts'
import type { Errand } from './upstreamProof.ts'
import { endWork } from './upstreamWork.ts'

/** An approved revocation, done where the certificate comes from; done here in the same sense from then on. Throws Failure. */
export async function revokeUpstream({ it, work, upstream }: Errand, request: RevokeRequest): Promise<void> {
  const certificate = await findCertificate(it.db, { id: request.certificateId })
  if (!certificate) throw new Failure('notFound', 'the certificate is gone')
  await upstream.revoke(certificate.der, reasonOf(request)).catch((error: unknown) => {
    // An earlier try that was cut off has done it, or somebody at the CA.
    if (!(error instanceof Failure) || error.code !== 'alreadyRevoked') throw error
  })
  await transaction(it.db, async (db) => {
    await endWork(db, it, work)
    await carryOut(db, request, { approved: false, actor: system('upstream'), at: it.clock() })
  })
}

/** Its number in RFC 5280 section 5.3.1; unspecified is said by leaving it out. Throws Failure for what ACME does not know. */
function reasonOf({ code }: RevokeRequest): number | undefined {
  if (code === undefined || code === 'unspecified') return undefined
  if (code === 'certificateHold' || code === 'removeFromCRL')
    throw new Failure('badReason', 'an upstream CA puts nothing on hold: revoke the certificate for another reason')
  return Object.entries(reasonCodes).find(([name]) => name === code)?.[1]
}
