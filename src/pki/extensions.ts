import {
  bits,
  bool,
  children,
  context,
  expect,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  readBits,
  readBool,
  readInteger,
  readOctets,
  readOid,
  readSmallInteger,
  readTlv,
  seq,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed } from './error.ts'
import { OID } from './oid.ts'

// Encoders give the DER of the extension's value (what stands inside extnValue); decoders take it and throw PkiError('malformed').

/** One extension as it stands in a certificate, request or CRL; `value` is the DER inside extnValue. */
export interface Extension {
  oid: string
  critical: boolean
  value: Buffer
}

/** Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }, RFC 5280 section 4.1. */
export function encodeExtension(id: string, value: Buffer, critical = false): Buffer {
  return critical ? seq(oid(id), bool(true), octets(value)) : seq(oid(id), octets(value))
}

/**
 * Extensions ::= SEQUENCE OF Extension, in their order. Duplicates are passed on; whoever reads a certificate refuses them.
 * An explicit `critical FALSE`, which is not DER but stands in many certificates, is read.
 */
export function readExtensions(list: Tlv): Extension[] {
  return children(expect(list, TAG.seq, 'Extensions')).map((entry) => {
    const fields = children(expect(entry, TAG.seq, 'Extension'), 3)
    const [id, second, third] = fields
    if (!id || !second) throw malformed('an extension without a value')
    const value = third ?? second
    return { oid: readOid(id), critical: third ? readBool(second) : false, value: readOctets(value) }
  })
}

/** Names of the bits of KeyUsage in their order, RFC 5280 section 4.2.1.3. */
export const keyUsages = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof keyUsages)[number]

/** KeyUsage as a named BIT STRING: trailing zero bits are left out (X.690 section 11.2.2). */
export function encodeKeyUsage(usages: readonly KeyUsage[]): Buffer {
  let mask = 0
  for (const usage of usages) mask |= 0x8000 >> keyUsages.indexOf(usage)
  return namedBits(mask)
}

/** A BIT STRING of up to 16 named bits; bit 0 is the highest bit of `mask`. */
export function namedBits(mask: number): Buffer {
  if (mask === 0) return bits(Buffer.alloc(0))
  const trailing = Math.clz32(mask & -mask) ^ 31
  const content = mask & 0xff ? Buffer.of(mask >> 8, mask & 0xff) : Buffer.of(mask >> 8)
  return bits(content, trailing & 7)
}

export function decodeKeyUsage(value: Buffer): KeyUsage[] {
  const { bytes } = readBits(readTlv(value))
  if (bytes.length > 2) throw malformed('KeyUsage with more than nine bits')
  const mask = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  return keyUsages.filter((_, bit) => mask & (0x8000 >> bit))
}

/** ExtKeyUsageSyntax from dotted OIDs, RFC 5280 section 4.2.1.12. */
export const encodeExtendedKeyUsage = (purposes: readonly string[]): Buffer => seq(...purposes.map(oid))

export function decodeExtendedKeyUsage(value: Buffer): string[] {
  return nonEmpty(children(expect(readTlv(value), TAG.seq, 'ExtKeyUsageSyntax')), 'ExtKeyUsageSyntax').map((id) =>
    readOid(id),
  )
}

/** `pathLength` undefined: no limit. */
export interface BasicConstraints {
  ca: boolean
  pathLength?: number
}

/** BasicConstraints, RFC 5280 section 4.2.1.9. */
export function encodeBasicConstraints({ ca, pathLength }: BasicConstraints): Buffer {
  if (!ca) return seq()
  return pathLength === undefined ? seq(bool(true)) : seq(bool(true), integer(pathLength))
}

export function decodeBasicConstraints(value: Buffer): BasicConstraints {
  const fields = children(expect(readTlv(value), TAG.seq, 'BasicConstraints'), 2)
  const ca = fields[0]?.tag === TAG.boolean ? readBool(fields[0]) : false
  const limit = fields[0]?.tag === TAG.boolean ? fields[1] : fields[0]
  if (fields.length === 2 && fields[0]?.tag !== TAG.boolean) throw malformed('BasicConstraints with two limits')
  if (!limit) return { ca }
  const pathLength = readSmallInteger(limit)
  if (pathLength < 0) throw malformed('a negative path length')
  return { ca, pathLength }
}

/** SubjectKeyIdentifier, RFC 5280 section 4.2.1.2. */
export const encodeSubjectKeyIdentifier = (keyIdentifier: Buffer): Buffer => octets(keyIdentifier)

export const decodeSubjectKeyIdentifier = (value: Buffer): Buffer => readOctets(readTlv(value))

/** AuthorityKeyIdentifier by key identifier alone, RFC 5280 section 4.2.1.1. */
export const encodeAuthorityKeyIdentifier = (keyIdentifier: Buffer): Buffer => seq(implicit(0, keyIdentifier))

/** The key identifier; undefined when the issuer is named by name and serial only. */
export function decodeAuthorityKeyIdentifier(value: Buffer): Buffer | undefined {
  const fields = children(expect(readTlv(value), TAG.seq, 'AuthorityKeyIdentifier'), 3)
  return fields.find((field) => field.tag === context(0, false))?.value
}

/** certificatePolicies of OIDs without qualifiers, as RFC 5280 section 4.2.1.4 recommends. */
export const encodePolicies = (policies: readonly string[]): Buffer =>
  seq(...policies.map((policy) => seq(oid(policy))))

/** The policies' OIDs; qualifiers are left aside. */
export function decodePolicies(value: Buffer): string[] {
  const policies = nonEmpty(children(expect(readTlv(value), TAG.seq, 'certificatePolicies')), 'certificatePolicies')
  return policies.map((policy) => {
    const [id] = children(expect(policy, TAG.seq, 'PolicyInformation'), 2)
    return readOid(expect(id, TAG.oid, 'policyIdentifier'))
  })
}

/** TLS extension numbers that RFC 7633 speaks of: status_request is must-staple. */
export const STATUS_REQUEST = 5

/** Features, RFC 7633 section 4: numbers of TLS extensions. */
export const encodeTlsFeature = (features: readonly number[]): Buffer =>
  seq(...features.map((feature) => integer(feature)))

export function decodeTlsFeature(value: Buffer): number[] {
  return children(expect(readTlv(value), TAG.seq, 'Features')).map((feature) => readSmallInteger(feature))
}

/** id-pkix-ocsp-nocheck: NULL, RFC 6960 section 4.2.2.2.1. */
export const encodeOcspNoCheck = (): Buffer => nullValue()

export function decodeOcspNoCheck(value: Buffer): true {
  if (expect(readTlv(value), TAG.null, 'ocsp-nocheck').value.length) throw malformed('a NULL with contents')
  return true
}

/** noRevAvail: NULL, RFC 9608 section 2. */
export const encodeNoRevAvail = (): Buffer => nullValue()

export function decodeNoRevAvail(value: Buffer): true {
  if (expect(readTlv(value), TAG.null, 'noRevAvail').value.length) throw malformed('a NULL with contents')
  return true
}

/** Whether nothing is published about the revocation of what has these extensions. */
export const hasNoRevAvail = (extensions: readonly Extension[]): boolean =>
  extensions.some(({ oid }) => oid === OID.noRevAvail)

/** CRLNumber and BaseCRLNumber, RFC 5280 sections 5.2.3 and 5.2.4: at most 20 octets, not negative. */
export function decodeCrlNumber(value: Buffer): bigint {
  const number = readInteger(readTlv(value))
  if (number < 0n || number >= 1n << 159n) throw malformed('a CRL number out of range')
  return number
}

/** The list itself; throws PkiError('malformed') when it is empty, where the ASN.1 says SIZE (1..MAX). */
export function nonEmpty<T>(list: T[], what: string): T[] {
  if (list.length === 0) throw malformed(`${what} is empty`)
  return list
}
