import { encodeContentInfo, readContentInfo, readEncapsulated } from './contentInfo.ts'
import {
  children,
  context,
  expect,
  implicit,
  integer,
  oid,
  readSmallInteger,
  readTlv,
  seq,
  set,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed, unsupported } from './error.ts'
import { OID } from './oid.ts'

/** Certificates and CRLs, each as DER, in the order of the message. */
export interface CertsOnly {
  certificates: Buffer[]
  crls: Buffer[]
}

const MAX_MEMBERS = 1000

/**
 * A degenerate SignedData in its ContentInfo (RFC 5652 section 5.2, RFC 8894 section 3.4): what .p7c files, EST and SCEP carry certificates in. Members
 * stand in the order given, the leaf first where there is one: many readers take the first for it, and none minds that the SET is not sorted.
 * Version 1, as RFC 5652 section 5.1 computes it for plain certificates and data. Throws PkiError('malformed') for a member that is no DER SEQUENCE.
 */
export function writeCertsOnly(certificates: readonly Buffer[], crls: readonly Buffer[] = []): Buffer {
  for (const member of [...certificates, ...crls]) expect(readTlv(member), TAG.seq, 'a certificate or CRL')
  const parts = [integer(1), set(), seq(oid(OID.data))]
  if (certificates.length > 0) parts.push(implicit(0, Buffer.concat(certificates), true))
  if (crls.length > 0) parts.push(implicit(1, Buffer.concat(crls), true))
  return encodeContentInfo('signedData', ...parts, set())
}

/**
 * Reads such a message, also in BER. Throws PkiError: `malformed`, also for one that has signatures or content; `unsupported` for attribute certificates
 * and other kinds that are neither certificates nor CRLs of X.509.
 */
export function readCertsOnly(bytes: Buffer): CertsOnly {
  const [version, digests, encapsulated, ...tail] = readContentInfo(bytes, 'signedData', 6)
  readSmallInteger(expect(version, TAG.integer, 'version'))
  expect(digests, TAG.set, 'digestAlgorithms')
  // RFC 8894 section 3.4: no content. Some programs write an empty one.
  if (readEncapsulated(encapsulated).content?.length)
    throw malformed('a message with content, where only certificates belong')
  const certificates = tail[0]?.tag === context(0) ? tail.shift() : undefined
  const crls = tail[0]?.tag === context(1) ? tail.shift() : undefined
  const [signers, ...more] = tail
  if (expect(signers, TAG.set, 'signerInfos').value.length > 0 || more.length > 0)
    throw malformed('a message with signatures, where only certificates belong')
  return { certificates: members(certificates), crls: members(crls) }
}

function members(field: Tlv | undefined): Buffer[] {
  if (!field) return []
  return children(field, MAX_MEMBERS).map(({ tag, der }) => {
    if (tag !== TAG.seq) throw unsupported('a kind of certificate or CRL other than X.509')
    return der
  })
}
