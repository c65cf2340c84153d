import { bits, explicit, integer, seq, time } from './der.ts'
import { encodeAuthorityInfoAccess, encodeCrlDistributionPoints } from './distribution.ts'
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  encodeNoRevAvail,
  encodeOcspNoCheck,
  encodePolicies,
  encodeSubjectKeyIdentifier,
  encodeTlsFeature,
  type KeyUsage,
  STATUS_REQUEST,
} from './extensions.ts'
import { encodeGeneralNames, type Identifier } from './identifier.ts'
import { encodeName, type Name } from './name.ts'
import { encodeNameConstraints, type NameConstraints } from './nameConstraints.ts'
import { OID } from './oid.ts'
import { keyIdentifier, type PublicKeyInfo } from './publicKey.ts'
import { encodeSerial } from './serial.ts'
import type { Signer } from './signer.ts'

/** `message`: an RA's key that reads and signs enveloped messages (RFC 8894). */
export type CertificateType =
  | 'server'
  | 'client'
  | 'dual_purpose'
  | 'registration_authority'
  | 'ca'
  | 'ocsp'
  | 'message'

/** All that a certificate will say. */
export interface CertificateDraft {
  /** Lower-case hex of the unsigned value, without a leading 00 octet. */
  serial: string
  /** A Buffer is the DER of the issuer's subject, byte for byte. */
  issuer: Name | Buffer
  subject: Name
  /** DER of the subject, byte for byte, in place of an encoding of `subject`. */
  subjectDer?: Buffer
  /** Whole seconds; a fraction is cut off. */
  notBefore: Date
  notAfter: Date
  /** DER SubjectPublicKeyInfo, or what was read from one. */
  publicKey: Buffer | PublicKeyInfo
  type: CertificateType
  /** subjectAltName; none, no extension. */
  identifiers: readonly Identifier[]
  keyUsage: readonly KeyUsage[]
  /** Dotted OIDs; none, no extension. */
  extendedKeyUsage: readonly string[]
  /** For type ca only; undefined, no limit. */
  pathLength?: number
  nameConstraints?: NameConstraints
  mustStaple?: boolean
  ocspNoCheck?: boolean
  /** Says that nothing will be published about its revocation: then without crlUrls and ocspUrls, and never in a CA's (RFC 9608). */
  noRevAvail?: boolean
  crlUrls: readonly string[]
  /** DER Name of who issues these CRLs and delta CRLs; absent: the issuer of the certificate (RFC 5280 section 4.2.1.13). */
  crlIssuer?: Buffer
  /** Where delta CRLs are found: freshestCRL, RFC 5280 section 4.2.1.15. */
  freshestUrls?: readonly string[]
  ocspUrls: readonly string[]
  issuerUrls: readonly string[]
  /** Dotted OIDs. */
  policies?: readonly string[]
  /** By default the SHA-1 of the public key, RFC 5280 section 4.2.1.2 method 1. */
  subjectKeyIdentifier?: Buffer
  /** The issuer's subjectKeyIdentifier; absent only for a self-signed certificate. */
  authorityKeyIdentifier?: Buffer
}

const VERSION_3 = explicit(0, integer(2))

// Extensions that one profile under one authority repeats in every certificate. Bounded: CRL shards and profiles are few, but not promised to be.
const repeated = new Map<string, Buffer>()
const MAX_REPEATED = 2000

/**
 * DER TBSCertificate, version 3 (RFC 5280 section 4.1). `algorithm` is the DER AlgorithmIdentifier of the signer.
 * subjectAltName is critical exactly when the subject is empty (section 4.2.1.6). basicConstraints stands, critical, in every certificate:
 * section 4.2.1.9 demands it of a CA and leaves it open for others, where the empty value says "no CA" to every reader without relying on a default.
 * Throws PkiError('malformed') for a value that DER cannot carry (a serial that is not hex, a URL outside ASCII, a bad OID).
 */
export function encodeTbs(draft: CertificateDraft, algorithm: Buffer): Buffer {
  const spki = Buffer.isBuffer(draft.publicKey) ? draft.publicKey : draft.publicKey.spki
  const subject = draft.subjectDer ?? encodeName(draft.subject)
  const extensions = [repeatedExtensions(draft)]
  extensions.push(
    encodeExtension(
      OID.subjectKeyIdentifier,
      encodeSubjectKeyIdentifier(draft.subjectKeyIdentifier ?? keyIdentifier({ spki })),
    ),
  )
  if (draft.authorityKeyIdentifier)
    extensions.push(
      encodeExtension(OID.authorityKeyIdentifier, encodeAuthorityKeyIdentifier(draft.authorityKeyIdentifier)),
    )
  if (draft.identifiers.length)
    extensions.push(
      encodeExtension(OID.subjectAltName, encodeGeneralNames(draft.identifiers), draft.subject.length === 0),
    )
  if (draft.nameConstraints)
    extensions.push(encodeExtension(OID.nameConstraints, encodeNameConstraints(draft.nameConstraints), true))
  return seq(
    VERSION_3,
    encodeSerial(draft.serial),
    algorithm,
    Buffer.isBuffer(draft.issuer) ? draft.issuer : encodeName(draft.issuer),
    seq(time(draft.notBefore), time(draft.notAfter)),
    subject,
    spki,
    explicit(3, seq(...extensions)),
  )
}

function repeatedExtensions(draft: CertificateDraft): Buffer {
  const {
    type,
    pathLength,
    keyUsage,
    extendedKeyUsage,
    policies,
    ocspUrls,
    issuerUrls,
    crlUrls,
    crlIssuer,
    freshestUrls,
    mustStaple,
    ocspNoCheck,
    noRevAvail,
  } = draft
  const flags = (mustStaple ? 1 : 0) | (ocspNoCheck ? 2 : 0) | (noRevAvail ? 4 : 0)
  const key = JSON.stringify([
    type === 'ca',
    pathLength,
    keyUsage,
    extendedKeyUsage,
    policies,
    ocspUrls,
    issuerUrls,
    crlUrls,
    crlIssuer?.toString('base64'),
    freshestUrls,
    flags,
  ])
  const known = repeated.get(key)
  if (known) return known
  if (repeated.size >= MAX_REPEATED) repeated.clear()
  const encoding = encodeRepeated(draft)
  repeated.set(key, encoding)
  return encoding
}

function encodeRepeated(draft: CertificateDraft): Buffer {
  const { pathLength, keyUsage, extendedKeyUsage, policies = [], ocspUrls, issuerUrls, crlUrls } = draft
  const { freshestUrls = [], crlIssuer } = draft
  const constraints = { ca: draft.type === 'ca', ...(pathLength === undefined ? {} : { pathLength }) }
  const parts = [encodeExtension(OID.basicConstraints, encodeBasicConstraints(constraints), true)]
  const add = (wanted: boolean, id: string, value: () => Buffer, critical = false) => {
    if (wanted) parts.push(encodeExtension(id, value(), critical))
  }
  add(keyUsage.length > 0, OID.keyUsage, () => encodeKeyUsage(keyUsage), true)
  add(extendedKeyUsage.length > 0, OID.extKeyUsage, () => encodeExtendedKeyUsage(extendedKeyUsage))
  add(policies.length > 0, OID.certificatePolicies, () => encodePolicies(policies))
  add(ocspUrls.length + issuerUrls.length > 0, OID.authorityInfoAccess, () =>
    encodeAuthorityInfoAccess({ ocsp: ocspUrls, caIssuers: issuerUrls }),
  )
  add(crlUrls.length > 0, OID.cRLDistributionPoints, () => encodeCrlDistributionPoints(crlUrls, crlIssuer))
  add(freshestUrls.length > 0, OID.freshestCRL, () => encodeCrlDistributionPoints(freshestUrls, crlIssuer))
  add(draft.mustStaple === true, OID.tlsFeature, () => encodeTlsFeature([STATUS_REQUEST]))
  add(draft.ocspNoCheck === true, OID.ocspNoCheck, encodeOcspNoCheck)
  add(draft.noRevAvail === true, OID.noRevAvail, encodeNoRevAvail)
  return Buffer.concat(parts)
}

/**
 * DER Certificate from its three parts; also of a CertificateList, which is built alike. `algorithm` is the DER AlgorithmIdentifier
 * that stands inside `tbs`, `signature` the contents of the BIT STRING.
 */
export const assemble = (tbs: Buffer, algorithm: Buffer, signature: Buffer): Buffer =>
  seq(tbs, algorithm, bits(signature))

/** Encodes, signs and assembles: DER Certificate. Throws what encodeTbs and the signer throw. */
export async function issueCertificate(draft: CertificateDraft, signer: Signer): Promise<Buffer> {
  const tbs = encodeTbs(draft, signer.algorithm)
  return assemble(tbs, signer.algorithm, await signer.sign(tbs))
}
