import type { CertId } from '../../pki/ocsp.ts'
import type { OcspSingleResponse } from '../../pki/ocspResponse.ts'
import type { SignedAnswer } from './ocsp.ts'
import { countedAs } from './ocspCount.ts'
import type { Speaker } from './ocspSpeaker.ts'
import type { KnownStatus } from './ocspStatus.ts'

/** RFC 6960 section 2.2: what is said of a certificate that was never issued, with extended-revoke beside it. */
const NON_ISSUED = { revokedAt: new Date(0), reason: 6 }

interface Signing {
  speaker: Speaker
  statuses: readonly KnownStatus[]
  now: Date
  settled: boolean
}

/** Signs the answer to a request whose statuses were just read; `settled` as in OcspAnswer. At once where the key signs at once. */
export function signAnswer(
  { certIds, nonce }: { certIds: readonly CertId[]; nonce?: Buffer },
  { speaker, statuses, now, settled }: Signing,
): SignedAnswer | Promise<SignedAnswer> {
  const { ocspValidity, ocspArchiveCutoff, ocspNeverIssued } = speaker.settings
  // As the wire has it: whole seconds.
  const second = Math.floor(now.getTime() / 1000) * 1000
  const thisUpdate = new Date(second)
  const nextUpdate = new Date(Math.min(second + ocspValidity, speaker.notAfter.getTime()))
  const cutoff = ocspArchiveCutoff === undefined ? undefined : new Date(second - ocspArchiveCutoff)
  let extendedRevoke = false
  const responses = certIds.map((certId, at): OcspSingleResponse => {
    const status = statuses[at]
    if (status && status.kind !== 'neverIssued')
      return { certId, status: wireStatus(status), thisUpdate, nextUpdate, archiveCutoff: cutoff }
    const revoked = ocspNeverIssued === 'revoked'
    extendedRevoke ||= revoked
    return { certId, status: revoked ? NON_ISSUED : 'unknown', thisUpdate, nextUpdate, archiveCutoff: undefined }
  })
  const der = speaker.write({ producedAt: thisUpdate, responses, nonce, extendedRevoke })
  const signed = { thisUpdate, nextUpdate, nonce: nonce !== undefined, settled }
  const counted = countedAs(statuses, 'fresh')
  return Buffer.isBuffer(der) ? { der, signed, counted } : der.then((ready) => ({ der: ready, signed, counted }))
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
