import { type CrlEntry, reasonName } from './crl.ts'
import { children, context, expect, readBits, readSmallInteger, readTime, readTlv, TAG, type Tlv } from './der.ts'
import {
  decodeCrlDistributionPoints,
  decodeIssuingDistributionPoint,
  type IssuingDistributionPoint,
} from './distribution.ts'
import { malformed, unsupported } from './error.ts'
import { decodeAuthorityKeyIdentifier, decodeCrlNumber, nonEmpty, readExtensions } from './extensions.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import type { PublicKeyInfo } from './publicKey.ts'
import { readSerial } from './serial.ts'
import { verifySignature } from './signer.ts'

/** What a CRL says. */
export interface CrlFields {
  der: Buffer
  /** Absent in CRLs of version 1. */
  number?: bigint
  issuer: Name
  issuerDer: Buffer
  thisUpdate: Date
  nextUpdate?: Date
  entries: CrlEntry[]
  aki?: Buffer
  idp?: IssuingDistributionPoint
  deltaBase?: bigint
  /** URLs of freshestCRL. */
  freshest?: string[]
  /** DER AlgorithmIdentifier. */
  signatureAlgorithm: Buffer
  tbs: Buffer
  signature: Buffer
}

const MAX_ENTRIES = 5_000_000

/**
 * Reads a DER CertificateList strictly. The signature is not checked: see verifyCrl.
 * Throws PkiError('malformed'); 'unsupported' for a critical extension that we do not know, and for one of attribute certificates.
 */
export function readCrl(der: Buffer): CrlFields {
  const [tbs, algorithm, signature, ...rest] = children(expect(readTlv(der), TAG.seq, 'CertificateList'), 3)
  if (rest.length) throw malformed('a CRL with something left over')
  const fields = children(expect(tbs, TAG.seq, 'TBSCertList'), 7)
  const version = fields[0]?.tag === TAG.integer ? readSmallInteger(expect(fields.shift(), TAG.integer, 'version')) : 0
  if (version > 1 || version < 0) throw malformed('a CRL of an unknown version')
  const [inner, issuer, thisUpdate] = fields.splice(0, 3)
  const signatureAlgorithm = expect(algorithm, TAG.seq, 'signatureAlgorithm').der
  // RFC 5280 section 5.1.1.2.
  if (!expect(inner, TAG.seq, 'signature').der.equals(signatureAlgorithm))
    throw malformed('the two signature algorithms of a CRL differ')
  const { bytes, unused } = readBits(expect(signature, TAG.bits, 'signatureValue'))
  if (unused) throw malformed('a signature that does not fill its octets')
  return {
    der,
    issuer: decodeName(expect(issuer, TAG.seq, 'issuer')),
    issuerDer: expect(issuer, TAG.seq, 'issuer').der,
    thisUpdate: readTime(present(thisUpdate, 'thisUpdate')),
    ...withoutStrayIssuers(readTail(fields, version)),
    signatureAlgorithm,
    tbs: expect(tbs, TAG.seq, 'TBSCertList').der,
    signature: bytes,
  }
}

type Tail = Pick<CrlFields, 'entries'> &
  Partial<Pick<CrlFields, 'nextUpdate' | 'number' | 'aki' | 'idp' | 'deltaBase' | 'freshest'>>

function readTail(fields: Tlv[], version: number): Tail {
  const out: Tail = { entries: [] }
  if (fields[0]?.tag === TAG.utcTime || fields[0]?.tag === TAG.generalizedTime) {
    out.nextUpdate = readTime(fields[0])
    fields.shift()
  }
  if (fields[0]?.tag === TAG.seq) out.entries = children(present(fields.shift(), 'entries'), MAX_ENTRIES).map(readEntry)
  const extensions = fields.shift()
  if (fields.length) throw malformed('a CRL with something left over')
  if (!extensions) return out
  if (version === 0) throw malformed('a CRL of version 1 with extensions')
  readCrlExtensions(readTlv(expect(extensions, context(0), 'crlExtensions').value), out)
  // RFC 5280 section 6.3.3 (b) (2) (iv).
  if (out.idp?.onlyAttributeCertificates) throw unsupported('a CRL of attribute certificates only')
  return out
}

function readCrlExtensions(list: Tlv, out: Tail): void {
  const seen = new Set<string>()
  for (const { oid, critical, value } of readExtensions(list)) {
    if (seen.has(oid)) throw malformed(`extension ${oid} stands twice in a CRL`)
    seen.add(oid)
    const aki = oid === OID.authorityKeyIdentifier ? decodeAuthorityKeyIdentifier(value) : undefined
    if (aki) out.aki = aki
    else if (oid === OID.cRLNumber) out.number = decodeCrlNumber(value)
    else if (oid === OID.deltaCRLIndicator) out.deltaBase = decodeCrlNumber(value)
    else if (oid === OID.issuingDistributionPoint) out.idp = decodeIssuingDistributionPoint(value)
    else if (oid === OID.freshestCRL) out.freshest = decodeCrlDistributionPoints(value)
    else if (critical) throw unsupported(`a CRL with the critical extension ${oid}`)
  }
}

/** Only an indirect CRL has entries of others than its own issuer (RFC 5280 section 5.3.3). */
function withoutStrayIssuers(tail: Tail): Tail {
  if (!tail.idp?.indirect && tail.entries.some(({ certificateIssuer }) => certificateIssuer))
    throw malformed('an entry with certificateIssuer in a CRL that is not indirect')
  return tail
}

function readEntry(entry: Tlv): CrlEntry {
  const [serial, revokedAt, extensions, ...rest] = children(expect(entry, TAG.seq, 'CRL entry'), 3)
  if (rest.length) throw malformed('a CRL entry with something left over')
  const out: CrlEntry = { serial: readSerial(serial), revokedAt: readTime(present(revokedAt, 'revocationDate')) }
  for (const { oid, critical, value } of extensions ? readExtensions(extensions) : []) {
    if (oid === OID.reasonCode) out.reason = readReason(value)
    else if (oid === OID.invalidityDate)
      out.invalidityDate = readTime(expect(readTlv(value), TAG.generalizedTime, 'invalidityDate'))
    else if (oid === OID.certificateIssuer) out.certificateIssuer = readIssuerNames(value)
    else if (critical) throw unsupported(`a CRL entry with the critical extension ${oid}`)
  }
  return out
}

function readIssuerNames(value: Buffer): Buffer {
  const names = expect(readTlv(value), TAG.seq, 'certificateIssuer')
  nonEmpty(children(names), 'certificateIssuer')
  return names.der
}

function readReason(value: Buffer): number {
  const reason = readSmallInteger(readTlv(value), TAG.enumerated)
  if (reasonName(reason) === undefined) throw malformed(`${reason} is no revocation reason`)
  return reason
}

/** Whether the CRL was signed by this key. Throws PkiError('unsupported') for an algorithm that we do not serve. */
export const verifyCrl = (crl: CrlFields, publicKey: PublicKeyInfo): boolean =>
  verifySignature(crl.signatureAlgorithm, publicKey, crl.tbs, crl.signature)

function present(field: Tlv | undefined, what: string): Tlv {
  if (!field) throw malformed(`${what} is missing`)
  return field
}
