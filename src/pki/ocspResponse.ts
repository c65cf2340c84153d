import { reasonName } from './crl.ts'
import { context, enumerated, explicit, generalizedTime, implicit, nullValue, octets, oid, seq, TAG } from './der.ts'
import { DerBackwards } from './derBackwards.ts'
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
  nextUpdate?: Date | undefined
  /** How far back the status of ended certificates is still known (section 4.4.4). */
  archiveCutoff?: Date | undefined
}

/** `keyHash`: SHA-1 of the bits of the responder's public key (byKey). `name`: DER of its subject (byName). */
export type ResponderId = { keyHash: Buffer } | { name: Buffer }

export interface OcspResponseDraft {
  responderId: ResponderId
  producedAt: Date
  responses: readonly OcspSingleResponse[]
  /** The client's nonce, repeated. */
  nonce?: Buffer | undefined
  /** Says that "revoked" also stands for what was never issued; must be set when a response does so (section 4.4.8). */
  extendedRevoke?: boolean | undefined
  /** DER certificates that lead to the responder's key; none when the issuer itself signs. */
  certificates: readonly Buffer[]
  signer: Signer
}

const GOOD = implicit(0, Buffer.alloc(0))
const UNKNOWN = implicit(2, Buffer.alloc(0))
const SUCCESSFUL = enumerated(0)
const BASIC = oid(OID.ocspBasic)
const NONCE = oid(OID.ocspNonce)
const EXTENDED_REVOKE = encodeExtension(OID.ocspExtendedRevoke, nullValue())

/** Room for all that has no length of its own: headers, times, a status, a signature of RSA-4096. */
const ROOM = 1024
const ROOM_EACH = 160

/**
 * DER OCSPResponse, successful, with a signed BasicOCSPResponse; at once where the signer answers at once. Times are cut to whole seconds.
 * Throws PkiError('malformed') for a nonce of another length than 1 to 128 octets or a reason that has no name.
 */
export function writeOcspResponse(draft: OcspResponseDraft): Buffer | Promise<Buffer> {
  const tbs = encodeResponseData(draft)
  const signature = draft.signer.sign(tbs)
  return Buffer.isBuffer(signature)
    ? assemble(draft, tbs, signature)
    : signature.then((ready) => assemble(draft, tbs, ready))
}

function assemble({ signer, certificates }: OcspResponseDraft, tbs: Buffer, signature: Buffer): Buffer {
  let room = tbs.length + signature.length + ROOM
  for (const { length } of certificates) room += length
  const out = new DerBackwards(room)
  const end = out.at
  for (let at = certificates.length - 1; at >= 0; at--) out.put(certificates[at] as Buffer)
  if (certificates.length > 0) {
    out.wrap(TAG.seq, end)
    out.wrap(context(0), end)
  }
  const endOfSignature = out.at
  out.put(signature)
  out.octet(0)
  out.wrap(TAG.bits, endOfSignature)
  out.put(signer.algorithm)
  out.put(tbs)
  out.wrap(TAG.seq, end)
  out.wrap(TAG.octets, end)
  out.put(BASIC)
  out.wrap(TAG.seq, end)
  out.wrap(context(0), end)
  out.put(SUCCESSFUL)
  out.wrap(TAG.seq, end)
  return out.done()
}

function encodeResponseData(draft: OcspResponseDraft): Buffer {
  const { responderId, nonce, extendedRevoke, producedAt, responses } = draft
  if (nonce && (nonce.length < 1 || nonce.length > 128)) throw malformed('a nonce has 1 to 128 octets')
  const id = encodeResponderId(responderId)
  let room = ROOM + id.length
  for (const { certId } of responses) room += certId.der.length + ROOM_EACH
  const out = new DerBackwards(room)
  const end = out.at
  if (nonce || extendedRevoke) {
    if (extendedRevoke) out.put(EXTENDED_REVOKE)
    if (nonce) putNonce(out, nonce)
    out.wrap(TAG.seq, end)
    out.wrap(context(1), end)
  }
  const endOfResponses = out.at
  for (let at = responses.length - 1; at >= 0; at--) putSingle(out, responses[at] as OcspSingleResponse)
  out.wrap(TAG.seq, endOfResponses)
  out.put(momentOf(producedAt))
  out.put(id)
  out.wrap(TAG.seq, end)
  return out.done()
}

const responderIds = new WeakMap<ResponderId, Buffer>()

/** One responder signs many answers. */
function encodeResponderId(id: ResponderId): Buffer {
  let known = responderIds.get(id)
  if (!known) {
    known = 'name' in id ? explicit(1, id.name) : explicit(2, octets(id.keyHash))
    responderIds.set(id, known)
  }
  return known
}

function putNonce(out: DerBackwards, nonce: Buffer): void {
  const end = out.at
  out.put(nonce)
  out.wrap(TAG.octets, end)
  out.wrap(TAG.octets, end)
  out.put(NONCE)
  out.wrap(TAG.seq, end)
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

function putSingle(out: DerBackwards, single: OcspSingleResponse): void {
  const { certId, status, thisUpdate, nextUpdate, archiveCutoff } = single
  const end = out.at
  if (archiveCutoff) out.put(explicit(1, seq(encodeExtension(OID.ocspArchiveCutoff, generalizedTime(archiveCutoff)))))
  if (nextUpdate) {
    const endOfTime = out.at
    out.put(momentOf(nextUpdate))
    out.wrap(context(0), endOfTime)
  }
  out.put(momentOf(thisUpdate))
  out.put(encodeStatus(status))
  out.put(certId.der)
  out.wrap(TAG.seq, end)
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
