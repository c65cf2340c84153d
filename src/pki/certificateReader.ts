import { createHash } from 'node:crypto'
import { children, context, expect, readBits, readSmallInteger, readTime, readTlv, TAG, type Tlv } from './der.ts'
import { decodeAuthorityInfoAccess, decodeCrlDistributionPoints } from './distribution.ts'
import { malformed } from './error.ts'
import {
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSubjectKeyIdentifier,
  type Extension,
  type KeyUsage,
  readExtensions,
} from './extensions.ts'
import { decodeGeneralNames, type Identifier } from './identifier.ts'
import { decodeName, type Name } from './name.ts'
import { decodeNameConstraints, type NameConstraints } from './nameConstraints.ts'
import { OID } from './oid.ts'
import { type PublicKeyInfo, readPublicKey } from './publicKey.ts'
import { readSerial } from './serial.ts'

/** A TBSCertificate taken apart, nothing of it interpreted. Buffers are whole encodings. */
export interface TbsFields {
  /** 1, 2 or 3. */
  version: number
  serial: Tlv
  algorithm: Buffer
  issuer: Buffer
  notBefore: Tlv
  notAfter: Tlv
  subject: Buffer
  spki: Buffer
  uniqueIdentifiers: boolean
  extensions: Extension[]
}

/** What a certificate says. */
export interface CertificateFields {
  der: Buffer
  version: number
  /** Lower-case hex, no leading 00 octet. */
  serial: string
  issuer: Name
  issuerDer: Buffer
  subject: Name
  subjectDer: Buffer
  notBefore: Date
  notAfter: Date
  /** Read when first asked for. Throws PkiError('unsupported') for an algorithm or curve that we do not serve, 'malformed' for a broken key. */
  readonly publicKey: PublicKeyInfo
  spki: Buffer
  /** Names of subjectAltName; those of other forms are left aside. */
  identifiers: Identifier[]
  extensions: Extension[]
  isCa: boolean
  pathLength?: number
  keyUsage?: KeyUsage[]
  extendedKeyUsage?: string[]
  ski?: Buffer
  aki?: Buffer
  nameConstraints?: NameConstraints
  crlUrls: string[]
  ocspUrls: string[]
  issuerUrls: string[]
  /** DER AlgorithmIdentifier. */
  signatureAlgorithm: Buffer
  tbs: Buffer
  signature: Buffer
}

/** Takes a DER TBSCertificate apart. Throws PkiError('malformed'). */
export function readTbs(tbs: Buffer | Tlv): TbsFields {
  const fields = children(expect(Buffer.isBuffer(tbs) ? readTlv(tbs) : tbs, TAG.seq, 'TBSCertificate'), 10)
  const version = fields[0]?.tag === context(0) ? readVersion(fields.shift()) : 1
  const [serial, algorithm, issuer, validity, subject, spki, ...rest] = fields
  const times = children(expect(validity, TAG.seq, 'Validity'), 2)
  return {
    version,
    serial: expect(serial, TAG.integer, 'serial number'),
    algorithm: expect(algorithm, TAG.seq, 'AlgorithmIdentifier').der,
    issuer: expect(issuer, TAG.seq, 'issuer').der,
    notBefore: present(times[0], 'notBefore'),
    notAfter: present(times[1], 'notAfter'),
    subject: expect(subject, TAG.seq, 'subject').der,
    spki: expect(spki, TAG.seq, 'SubjectPublicKeyInfo').der,
    ...readTail(rest, version),
  }
}

function readVersion(field: Tlv | undefined): number {
  const version = readSmallInteger(readTlv(present(field, 'version').value)) + 1
  if (version < 1 || version > 3) throw malformed('a certificate of an unknown version')
  return version
}

function readTail(fields: Tlv[], version: number): Pick<TbsFields, 'uniqueIdentifiers' | 'extensions'> {
  const out: Pick<TbsFields, 'uniqueIdentifiers' | 'extensions'> = { uniqueIdentifiers: false, extensions: [] }
  let last = 0
  for (const { tag, value } of fields) {
    const number = tag & 0x1f
    if (number <= last) throw malformed('fields of a certificate out of order')
    last = number
    if (tag === context(3) && version === 3) out.extensions = readExtensions(readTlv(value))
    else if (tag === context(1, false) || tag === context(2, false)) out.uniqueIdentifiers = true
    else throw malformed('an unknown field of a certificate')
  }
  return out
}

/**
 * Reads a DER certificate strictly: its whole length, both algorithm fields, every extension that we know. The signature is not checked.
 * Throws PkiError('malformed'); 'unsupported' for name constraints that we cannot compare.
 */
export function readCertificate(der: Buffer): CertificateFields {
  const [tbs, algorithm, signature, ...rest] = children(expect(readTlv(der), TAG.seq, 'Certificate'), 3)
  if (rest.length) throw malformed('a certificate with something left over')
  const fields = readTbs(expect(tbs, TAG.seq, 'TBSCertificate'))
  const signatureAlgorithm = expect(algorithm, TAG.seq, 'signatureAlgorithm').der
  // RFC 5280 section 4.1.1.2.
  if (!fields.algorithm.equals(signatureAlgorithm))
    throw malformed('the two signature algorithms of a certificate differ')
  const { bytes, unused } = readBits(expect(signature, TAG.bits, 'signatureValue'))
  if (unused) throw malformed('a signature that does not fill its octets')
  let publicKey: PublicKeyInfo | undefined
  return {
    der,
    version: fields.version,
    serial: readSerial(fields.serial),
    issuer: decodeName(fields.issuer),
    issuerDer: fields.issuer,
    subject: decodeName(fields.subject),
    subjectDer: fields.subject,
    notBefore: readTime(fields.notBefore),
    notAfter: readTime(fields.notAfter),
    get publicKey() {
      publicKey ??= readPublicKey(fields.spki)
      return publicKey
    },
    spki: fields.spki,
    extensions: fields.extensions,
    ...interpret(fields.extensions),
    signatureAlgorithm,
    tbs: expect(tbs, TAG.seq, 'TBSCertificate').der,
    signature: bytes,
  }
}

type Interpreted = Pick<CertificateFields, 'identifiers' | 'isCa' | 'crlUrls' | 'ocspUrls' | 'issuerUrls'> &
  Partial<Pick<CertificateFields, 'pathLength' | 'keyUsage' | 'extendedKeyUsage' | 'ski' | 'aki' | 'nameConstraints'>>

function interpret(extensions: readonly Extension[]): Interpreted {
  const out: Interpreted = { identifiers: [], isCa: false, crlUrls: [], ocspUrls: [], issuerUrls: [] }
  const seen = new Set<string>()
  for (const { oid, value } of extensions) {
    if (seen.has(oid)) throw malformed(`extension ${oid} stands twice in a certificate`)
    seen.add(oid)
    interpretOne(out, oid, value)
  }
  return out
}

function interpretOne(out: Interpreted, oid: string, value: Buffer): void {
  switch (oid) {
    case OID.basicConstraints: {
      const { ca, pathLength } = decodeBasicConstraints(value)
      out.isCa = ca
      if (pathLength !== undefined) out.pathLength = pathLength
      return
    }
    case OID.keyUsage:
      out.keyUsage = decodeKeyUsage(value)
      return
    case OID.extKeyUsage:
      out.extendedKeyUsage = decodeExtendedKeyUsage(value)
      return
    case OID.subjectKeyIdentifier:
      out.ski = decodeSubjectKeyIdentifier(value)
      return
    case OID.authorityKeyIdentifier: {
      const aki = decodeAuthorityKeyIdentifier(value)
      if (aki) out.aki = aki
      return
    }
    case OID.subjectAltName:
      out.identifiers = decodeGeneralNames(value).identifiers
      return
    case OID.nameConstraints:
      out.nameConstraints = decodeNameConstraints(value)
      return
    case OID.cRLDistributionPoints:
      out.crlUrls = decodeCrlDistributionPoints(value)
      return
    case OID.authorityInfoAccess: {
      const { ocsp, caIssuers } = decodeAuthorityInfoAccess(value)
      out.ocspUrls = ocsp
      out.issuerUrls = caIssuers
    }
  }
}

/** SHA-256 of a DER certificate, lower-case hex. */
export const fingerprint = (der: Buffer): string => createHash('sha256').update(der).digest('hex')

function present(field: Tlv | undefined, what: string): Tlv {
  if (!field) throw malformed(`${what} is missing`)
  return field
}
