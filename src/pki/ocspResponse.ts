import { reasonName } from './crl.ts'
import { bits, enumerated, explicit, generalizedTime, implicit, nullValue, octets, oid, seq } from './der.ts'
import { malformed } from './error.ts'
import { encodeExtension } from './extensions.ts'
import type { CertId } from './ocsp.ts'
import { OID } from './oid.ts'
import type { Signer } from './signer.ts'

/** The answer about one certificate, RFC 6960 section 4.2.1. `reason` is a CRLReason number; absent or 0 is left out. */
export interface OcspSingleResponse {
  certId: Pick<CertId, 'der'>
  status: 'good' | 'unknown' | { revokedAt: Date; reason?: number }
  thisUpdate: Date
  nextUpdate?: Date
  /** How far back the status of ended certificates is still known (section 4.4.4). */
  archiveCutoff?: Date
}

/** `keyHash`: SHA-1 of the bits of the responder's public key (byKey). `name`: DER of its subject (byName). */
export type ResponderId = { keyHash: Buffer } | { name: Buffer }

export interface OcspResponseDraft {
  responderId: ResponderId
  producedAt: Date
  responses: readonly OcspSingleResponse[]
  /** The client's nonce, repeated. */
  nonce?: Buffer
  /** Says that "revoked" also stands for what was never issued; must be set when a response does so (section 4.4.8). */
  extendedRevoke?: boolean
  /** DER certificates that lead to the responder's key; none when the issuer itself signs. */
  certificates: readonly Buffer[]
  signer: Signer
}

const GOOD = implicit(0, Buffer.alloc(0))
const UNKNOWN = implicit(2, Buffer.alloc(0))
const SUCCESSFUL = enumerated(0)
const BASIC = oid(OID.ocspBasic)
const EXTENDED_REVOKE = encodeExtension(OID.ocspExtendedRevoke, nullValue())

/**
 * DER OCSPResponse, successful, with a signed BasicOCSPResponse. Times are cut to whole seconds.
 * Throws PkiError('malformed') for a nonce of another length than 1 to 128 octets or a reason that has no name.
 */
export async function writeOcspResponse(draft: OcspResponseDraft): Promise<Buffer> {
  const { signer, certificates } = draft
  const tbs = encodeResponseData(draft)
  const basic = seq(
    tbs,
    signer.algorithm,
    bits(await signer.sign(tbs)),
    ...(certificates.length ? [explicit(0, seq(...certificates))] : []),
  )
  return seq(SUCCESSFUL, explicit(0, seq(BASIC, octets(basic))))
}

function encodeResponseData(draft: OcspResponseDraft): Buffer {
  const { responderId, nonce, extendedRevoke, producedAt, responses } = draft
  if (nonce && (nonce.length < 1 || nonce.length > 128)) throw malformed('a nonce has 1 to 128 octets')
  const extensions = [
    ...(nonce ? [encodeExtension(OID.ocspNonce, octets(nonce))] : []),
    ...(extendedRevoke ? [EXTENDED_REVOKE] : []),
  ]
  return seq(
    'name' in responderId ? explicit(1, responderId.name) : explicit(2, octets(responderId.keyHash)),
    momentOf(producedAt),
    seq(...responses.map(encodeSingle)),
    ...(extensions.length ? [explicit(1, seq(...extensions))] : []),
  )
}

const moments = new Map<number, Buffer>()

/** GeneralizedTime. Answers of the same second share it: writing it costs as much as the rest of them. */
function momentOf(date: Date): Buffer {
  const second = Math.floor(date.getTime() / 1000)
  let known = moments.get(second)
  if (!known) {
    known = generalizedTime(date)
    if (moments.size >= 100) moments.clear()
    moments.set(second, known)
  }
  return known
}

function encodeSingle({ certId, status, thisUpdate, nextUpdate, archiveCutoff }: OcspSingleResponse): Buffer {
  const parts = [certId.der, encodeStatus(status), momentOf(thisUpdate)]
  if (nextUpdate) parts.push(explicit(0, momentOf(nextUpdate)))
  if (archiveCutoff)
    parts.push(explicit(1, seq(encodeExtension(OID.ocspArchiveCutoff, generalizedTime(archiveCutoff)))))
  return seq(...parts)
}

function encodeStatus(status: OcspSingleResponse['status']): Buffer {
  if (status === 'good') return GOOD
  if (status === 'unknown') return UNKNOWN
  const { revokedAt, reason = 0 } = status
  const time = generalizedTime(revokedAt)
  if (reason === 0) return implicit(1, time, true)
  if (reasonName(reason) === undefined) throw malformed(`${reason} is no revocation reason`)
  return implicit(1, Buffer.concat([time, explicit(0, enumerated(reason))]), true)
}

/** OCSPResponseStatus of section 4.2.1, except success. */
const ERRORS = { malformedRequest: 1, internalError: 2, tryLater: 3, sigRequired: 5, unauthorized: 6 } as const
export type OcspError = keyof typeof ERRORS

const errorResponses = new Map(Object.entries(ERRORS).map(([name, status]) => [name, seq(enumerated(status))]))

/** DER OCSPResponse that says only why there is no answer. The buffer is shared: do not write to it. */
export function ocspError(error: OcspError): Buffer {
  return errorResponses.get(error) ?? seq(enumerated(ERRORS.internalError))
}
