import type { CertificateType } from './certificate.ts'
import { type CertificateFields, readTbs, type TbsFields } from './certificateReader.ts'
import { children, readTime, readTlv, type Tlv } from './der.ts'
import { decodeAuthorityInfoAccess, decodeCrlDistributionPoints } from './distribution.ts'
import { PkiError } from './error.ts'
import {
  type BasicConstraints,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeNoRevAvail,
  decodeOcspNoCheck,
  decodePolicies,
  decodeSubjectKeyIdentifier,
  decodeTlsFeature,
  type Extension,
  type KeyUsage,
} from './extensions.ts'
import { decodeGeneralNames, type Identifier, type OtherName } from './identifier.ts'
import { decodeName, type Name } from './name.ts'
import { decodeNameConstraints, type NameConstraints } from './nameConstraints.ts'
import { OID } from './oid.ts'
import { type PublicKeyInfo, readPublicKey } from './publicKey.ts'
import { type Scheme, schemeOf } from './signatureAlgorithm.ts'

/** What a certificate-to-be is measured against. */
export interface LintContext {
  type: CertificateType
  /** undefined: the certificate signs itself. */
  issuer: CertificateFields | undefined
  now: Date
  /** The longest validity that the profile allows, in days. */
  maxDays?: number
  /** Spares reading the key again; counts only when its `spki` is, byte for byte, the one that will be signed. */
  publicKey?: PublicKeyInfo
}

/** A certificate-to-be, read back as far as it can be read: what is undefined was absent or unreadable, and the unreadable stands in `broken`. */
export interface Candidate {
  type: CertificateType
  issuer: CertificateFields | undefined
  now: Date
  maxDays: number | undefined
  tbs: TbsFields
  scheme: Scheme | undefined
  subject: Name | undefined
  from: Date | undefined
  until: Date | undefined
  key: PublicKeyInfo | undefined
  /** By OID; of repeated ones the first. */
  extension: ReadonlyMap<string, Extension>
  basic: Readonly<BasicConstraints> | undefined
  usage: readonly KeyUsage[] | undefined
  purposes: readonly string[] | undefined
  ski: Buffer | undefined
  aki: Buffer | undefined
  /** The GeneralNames of subjectAltName as they stand. */
  rawNames: Tlv[]
  names: { identifiers: Identifier[]; other: OtherName[] } | undefined
  constraints: NameConstraints | undefined
  crlUrls: readonly string[]
  ocspUrls: readonly string[]
  issuerUrls: readonly string[]
  features: readonly number[] | undefined
  policies: readonly string[] | undefined
  broken: { part: string; detail: string }[]
}

/** One named rule. `test` answers what is wrong, or nothing. */
export interface Check {
  /** Stable, snake case. */
  check: string
  severity: 'error' | 'warning'
  /** Document and section. */
  source: string
  test(candidate: Candidate): string | false | undefined
}

/** A decoder that remembers: profiles and authorities repeat these values in every certificate. Bounded; failures are not kept. */
function remembering<T>(decode: (value: Buffer) => T): (value: Buffer) => T {
  const known = new Map<string, T>()
  return (value) => {
    const key = value.toString('latin1')
    const before = known.get(key)
    if (before !== undefined) return before
    const decoded = decode(value)
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(key, decoded)
    return decoded
  }
}

const MAX_REMEMBERED = 500
const basicConstraints = remembering(decodeBasicConstraints)
const keyUsage = remembering(decodeKeyUsage)
const extendedKeyUsage = remembering(decodeExtendedKeyUsage)
const authorityKeyIdentifier = remembering(decodeAuthorityKeyIdentifier)
const authorityInfoAccess = remembering(decodeAuthorityInfoAccess)
const crlDistributionPoints = remembering(decodeCrlDistributionPoints)
const policies = remembering(decodePolicies)
const signatureScheme = remembering(schemeOf)

/** Reads a DER TBSCertificate for the checks. Throws PkiError('malformed') only when it is no TBSCertificate at all. */
export function readCandidate(der: Buffer, context: LintContext): Candidate {
  const tbs = readTbs(der)
  const broken: Candidate['broken'] = []
  const attempt = <T>(part: string, read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
      broken.push({ part, detail: error.message })
      return undefined
    }
  }
  const extension = new Map<string, Extension>()
  for (const one of tbs.extensions) if (!extension.has(one.oid)) extension.set(one.oid, one)
  const decoded = <T>(oid: string, decode: (value: Buffer) => T): T | undefined => {
    const found = extension.get(oid)
    return found && attempt(`extension ${oid}`, () => decode(found.value))
  }
  const access = decoded(OID.authorityInfoAccess, authorityInfoAccess)
  decoded(OID.ocspNoCheck, decodeOcspNoCheck)
  decoded(OID.noRevAvail, decodeNoRevAvail)
  // No spread: an object that begins with one grows by a property at a time, which takes longer than all the reading.
  return {
    type: context.type,
    issuer: context.issuer,
    now: context.now,
    maxDays: context.maxDays,
    tbs,
    scheme: attempt('signature algorithm', () => signatureScheme(tbs.algorithm)),
    subject: attempt('subject', () => decodeName(tbs.subject)),
    from: attempt('notBefore', () => readTime(tbs.notBefore)),
    until: attempt('notAfter', () => readTime(tbs.notAfter)),
    key: context.publicKey?.spki.equals(tbs.spki)
      ? context.publicKey
      : attempt('public key', () => readPublicKey(tbs.spki)),
    extension,
    basic: decoded(OID.basicConstraints, basicConstraints),
    usage: decoded(OID.keyUsage, keyUsage),
    purposes: decoded(OID.extKeyUsage, extendedKeyUsage),
    ski: decoded(OID.subjectKeyIdentifier, decodeSubjectKeyIdentifier),
    aki: decoded(OID.authorityKeyIdentifier, authorityKeyIdentifier),
    rawNames: decoded(OID.subjectAltName, (value) => children(readTlv(value))) ?? [],
    names: decoded(OID.subjectAltName, decodeGeneralNames),
    constraints: decoded(OID.nameConstraints, decodeNameConstraints),
    crlUrls: decoded(OID.cRLDistributionPoints, crlDistributionPoints) ?? [],
    ocspUrls: access?.ocsp ?? [],
    issuerUrls: access?.caIssuers ?? [],
    features: decoded(OID.tlsFeature, decodeTlsFeature),
    policies: decoded(OID.certificatePolicies, policies),
    broken,
  }
}
