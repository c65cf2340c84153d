import { type CrlEntry, RevokedCertificates } from './crlEntries.ts'
import { bits, explicit, integer, seq, TAG, tagAndLength, time } from './der.ts'
import {
  encodeCrlDistributionPoints,
  encodeIssuingDistributionPoint,
  type IssuingDistributionPoint,
} from './distribution.ts'
import { malformed } from './error.ts'
import { encodeAuthorityKeyIdentifier, encodeExtension } from './extensions.ts'
import { OID } from './oid.ts'
import type { Signer } from './signer.ts'

export { type CrlEntry, encodeCrlEntry, RevokedCertificates } from './crlEntries.ts'
export { type RevocationReason, reasonCodes, reasonName } from './reason.ts'

export interface CrlDraft {
  /** DER of the issuer's subject. */
  issuer: Buffer
  /** The issuer's subjectKeyIdentifier. */
  aki: Buffer
  number: bigint | number
  thisUpdate: Date
  nextUpdate: Date
  /** Collected ones must be for a delta CRL exactly when this is one. */
  entries: Iterable<CrlEntry> | RevokedCertificates
  idp?: IssuingDistributionPoint
  /** Number of the complete CRL that a delta CRL builds on. */
  deltaBase?: bigint | number
  /** Where delta CRLs to this complete CRL are found (freshestCRL, section 5.2.6). */
  freshest?: readonly string[]
  signer: Signer
  /** Awaited between the parts of what is signed, so that a long one does not stop everybody else. */
  pause?: () => Promise<unknown>
}

/** Parts below this together are one. */
const ONE_PART = 1 << 16

/**
 * DER CertificateList, version 2, signed (RFC 5280 section 5), in parts that follow each other; the entries' parts are those of `entries` itself.
 * A signer that can (Signer.stream) signs them part by part.
 * Throws PkiError('malformed') for a serial that is not hex, a CRL number out of range, a reason that has no name, removeFromCRL
 * outside a delta CRL, or freshestCRL in one (section 5.2.6).
 */
export async function writeCrlParts(draft: CrlDraft): Promise<Buffer[]> {
  const { signer } = draft
  const revoked = collected(draft)
  const before = Buffer.concat([
    integer(1),
    signer.algorithm,
    draft.issuer,
    time(draft.thisUpdate),
    time(draft.nextUpdate),
    // No entries, no list: section 5.1.2.6.
    ...(revoked.length ? [tagAndLength(TAG.seq, revoked.length)] : []),
  ])
  const after = explicit(0, seq(...extensionsOf(draft)))
  const length = before.length + revoked.length + after.length
  const tbs = [Buffer.concat([tagAndLength(TAG.seq, length), before]), ...revoked.parts, after]
  const signature = bits(await signParts(draft, tbs))
  const end = Buffer.concat([after, signer.algorithm, signature])
  const [head = before] = tbs
  const total = head.length + revoked.length + end.length
  const parts = [Buffer.concat([tagAndLength(TAG.seq, total), head]), ...revoked.parts, end]
  return total < ONE_PART ? [Buffer.concat(parts)] : parts
}

/** As writeCrlParts, in one piece. */
export async function writeCrl(draft: CrlDraft): Promise<Buffer> {
  const parts = await writeCrlParts(draft)
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
}

function collected({ entries, deltaBase }: CrlDraft): RevokedCertificates {
  if (entries instanceof RevokedCertificates) return entries
  const revoked = new RevokedCertificates({ delta: deltaBase !== undefined })
  for (const entry of entries) revoked.add(entry)
  return revoked
}

async function signParts({ signer, pause }: CrlDraft, parts: readonly Buffer[]): Promise<Buffer> {
  if (!signer.stream || parts.length <= 3) return signer.sign(Buffer.concat(parts))
  const signing = signer.stream()
  for (const part of parts) {
    signing.update(part)
    await pause?.()
  }
  return signing.end()
}

function extensionsOf({ aki, number, deltaBase, freshest, idp }: CrlDraft): Buffer[] {
  if (deltaBase !== undefined && freshest?.length) throw malformed('freshestCRL in a delta CRL')
  return [
    encodeExtension(OID.authorityKeyIdentifier, encodeAuthorityKeyIdentifier(aki)),
    encodeExtension(OID.cRLNumber, crlNumber(number)),
    ...(deltaBase === undefined ? [] : [encodeExtension(OID.deltaCRLIndicator, crlNumber(deltaBase), true)]),
    ...(idp ? [encodeExtension(OID.issuingDistributionPoint, encodeIssuingDistributionPoint(idp), true)] : []),
    ...(freshest?.length ? [encodeExtension(OID.freshestCRL, encodeCrlDistributionPoints(freshest))] : []),
  ]
}

function crlNumber(number: bigint | number): Buffer {
  const value = BigInt(number)
  if (value < 0n || value >= 1n << 159n) throw malformed('a CRL number is not negative and has at most 20 octets')
  return integer(value)
}
