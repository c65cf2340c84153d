import type { OcspRequest } from '../pki/ocsp.ts'
import type { OcspSingleResponse } from '../pki/ocspResponse.ts'
import type { Speaker } from './ocspSpeaker.ts'
import type { KnownStatus } from './ocspStatus.ts'

/** RFC 6960 section 2.2: what is said of a certificate that was never issued, with extended-revoke beside it. */
const NON_ISSUED = { revokedAt: new Date(0), reason: 6 }

/** Signs the answer to a request whose statuses were just read; `settled` as in OcspAnswer. */
export async function signAnswer(
  { certIds, nonce }: OcspRequest,
  { speaker, statuses, now, settled }: { speaker: Speaker; statuses: KnownStatus[]; now: Date; settled: boolean },
) {
  const { ocspValidity, ocspArchiveCutoff, ocspNeverIssued } = speaker.settings
  // As the wire has it: whole seconds.
  const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000)
  const nextUpdate = new Date(Math.min(thisUpdate.getTime() + ocspValidity, speaker.notAfter.getTime()))
  const cutoff = ocspArchiveCutoff === undefined ? undefined : new Date(thisUpdate.getTime() - ocspArchiveCutoff)
  let extendedRevoke = false
  const responses = certIds.map((certId, at): OcspSingleResponse => {
    const status = statuses[at]
    if (!status || status.kind === 'neverIssued') {
      if (ocspNeverIssued !== 'revoked') return { certId, status: 'unknown', thisUpdate, nextUpdate }
      extendedRevoke = true
      return { certId, status: NON_ISSUED, thisUpdate, nextUpdate }
    }
    const response: OcspSingleResponse = { certId, status: wireStatus(status), thisUpdate, nextUpdate }
    if (cutoff) response.archiveCutoff = cutoff
    return response
  })
  const der = await speaker.write({
    producedAt: thisUpdate,
    responses,
    ...(nonce ? { nonce } : {}),
    ...(extendedRevoke ? { extendedRevoke } : {}),
  })
  return { der, signed: { thisUpdate, nextUpdate, nonce: nonce !== undefined, settled } }
}

function wireStatus(status: Exclude<KnownStatus, { kind: 'neverIssued' }>): OcspSingleResponse['status'] {
  if (status.kind === 'good') return 'good'
  const revokedAt = new Date(status.since)
  return status.reason === undefined ? { revokedAt } : { revokedAt, reason: status.reason }
}

/** What an answer says of its certificates, to be compared. */
export function textOf(statuses: readonly KnownStatus[]): string {
  return statuses
    .map((status) => (status.kind === 'revoked' ? `revoked ${status.since} ${status.reason}` : status.kind))
    .join()
}
