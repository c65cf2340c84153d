import { type AlgorithmNames, algorithmNames } from './algorithmNames.ts'
import { type CertificateFields, readCertificate } from './certificateReader.ts'
import { children, context, expect, readOid, readString, readTlv, TAG, type Tlv } from './der.ts'
import { malformed, PkiError } from './error.ts'
import type { KeyUsage } from './extensions.ts'
import { decodeGeneralNames, type IdentifierKind } from './identifier.ts'
import { decodeName, type Name, nameText } from './name.ts'
import { OID } from './oid.ts'
import { decodeQcStatements, QC_STATEMENTS, type QcStatements } from './qcStatements.ts'
import { verifySignature } from './signer.ts'

/** The choices of GeneralName by their names (RFC 5280 section 4.2.1.6). */
export const alternativeNameKinds = [
  'otherName',
  'rfc822Name',
  'dNSName',
  'x400Address',
  'directoryName',
  'ediPartyName',
  'uniformResourceIdentifier',
  'iPAddress',
  'registeredID',
] as const
export type AlternativeNameKind = (typeof alternativeNameKinds)[number]

export type SubjectType = 'endEntity' | 'selfSignedEndEntity' | 'intermediateCa' | 'rootCa'

/** What a certificate says, in words for people and programs. */
export interface CertificateFacts extends AlgorithmNames {
  /** RFC 4514 text. */
  subject: string
  issuer: string
  /** The last one of the name; absent: it has none. */
  commonName?: string
  issuerCommonName?: string
  /** Lower-case hex. */
  serial: string
  notBefore: Date
  notAfter: Date
  subjectType: SubjectType
  /** Empty: the certificate does not say. */
  keyUsage: KeyUsage[]
  /** Dotted. */
  extendedKeyUsage: string[]
  /** Each kind that is there, in the order of the certificate; what is no text stands as `#` and the hex of its DER. */
  alternativeNames: Partial<Record<AlternativeNameKind, string[]>>
  qcStatements?: QcStatements
}

/**
 * Reads all that a DER certificate tells about itself; keys and signatures of algorithms that are not served here have their names, and a size of 0 where
 * nothing is known. Throws PkiError as readCertificate does, and for a qcStatements or subjectAltName that is broken.
 */
export function certificateFacts(certificate: Buffer | CertificateFields): CertificateFacts {
  const fields = Buffer.isBuffer(certificate) ? readCertificate(certificate) : certificate
  const { subject, issuer, serial, notBefore, notAfter, keyUsage = [], extendedKeyUsage = [] } = fields
  const statements = extensionOf(fields, QC_STATEMENTS)
  const [commonName, issuerCommonName] = [commonNameOf(subject), commonNameOf(issuer)]
  return {
    subject: nameText(subject),
    issuer: nameText(issuer),
    ...(commonName === undefined ? {} : { commonName }),
    ...(issuerCommonName === undefined ? {} : { issuerCommonName }),
    serial,
    notBefore,
    notAfter,
    subjectType: subjectTypeOf(fields),
    keyUsage,
    extendedKeyUsage,
    alternativeNames: alternativeNamesOf(fields),
    ...(statements ? { qcStatements: decodeQcStatements(statements) } : {}),
    ...algorithmNames(fields),
  }
}

function extensionOf({ extensions }: CertificateFields, oid: string): Buffer | undefined {
  return extensions.find((extension) => extension.oid === oid)?.value
}

function commonNameOf(name: Name): string | undefined {
  return name.flat().findLast(({ type }) => type === 'CN')?.value
}

function subjectTypeOf(fields: CertificateFields): SubjectType {
  const own = isSelfSigned(fields)
  if (fields.isCa) return own ? 'rootCa' : 'intermediateCa'
  return own ? 'selfSignedEndEntity' : 'endEntity'
}

/** Verifying by larger ones is tens of milliseconds of work. */
const MAX_RSA_BITS = 8192

/** Signed by its own key; where that cannot be looked at, by its names and key identifiers. */
export function isSelfSigned(fields: CertificateFields): boolean {
  const { issuerDer, subjectDer, aki, ski, signatureAlgorithm, tbs, signature } = fields
  if (!issuerDer.equals(subjectDer) || (aki && ski && !aki.equals(ski))) return false
  try {
    const { publicKey } = fields
    if (publicKey.algorithm === 'RSA' && publicKey.size > MAX_RSA_BITS) return true
    return verifySignature(signatureAlgorithm, publicKey, tbs, signature)
  } catch (error) {
    if (error instanceof PkiError) return error.kind === 'unsupported'
    throw error
  }
}

const KINDS = {
  dns: 'dNSName',
  ip: 'iPAddress',
  email: 'rfc822Name',
  uri: 'uniformResourceIdentifier',
} as const satisfies Record<IdentifierKind, AlternativeNameKind>

function alternativeNamesOf(fields: CertificateFields): CertificateFacts['alternativeNames'] {
  const value = extensionOf(fields, OID.subjectAltName)
  if (!value) return {}
  const names: CertificateFacts['alternativeNames'] = {}
  const add = (kind: AlternativeNameKind, text: string) => {
    names[kind] = [...(names[kind] ?? []), text]
  }
  const { identifiers, other } = decodeGeneralNames(value)
  for (const { type, value: text } of identifiers) add(KINDS[type], text)
  for (const { der } of other) {
    const { kind, text } = otherNameOf(readTlv(der))
    add(kind, text)
  }
  return names
}

function otherNameOf(name: Tlv): { kind: AlternativeNameKind; text: string } {
  switch (name.tag) {
    case context(0):
      return { kind: 'otherName', text: otherNameText(name) }
    case context(3):
      return { kind: 'x400Address', text: hexOf(name.der) }
    case context(4):
      return { kind: 'directoryName', text: nameText(decodeName(readTlv(name.value))) }
    case context(5):
      return { kind: 'ediPartyName', text: hexOf(name.der) }
    case context(8, false):
      return { kind: 'registeredID', text: readOid(name, name.tag) }
    default:
      throw malformed(`tag 0x${name.tag.toString(16)} is no GeneralName`)
  }
}

/** `1.3.6.1.4.1.311.20.2.3=user@example.org`; a value that is no string in hex. */
function otherNameText(name: Tlv): string {
  const [type, wrapped, ...rest] = children(name, 3)
  if (rest.length > 0) throw malformed('an otherName with something left over')
  const value = readTlv(expect(wrapped, context(0), 'value of an otherName').value)
  return `${readOid(expect(type, TAG.oid, 'type of an otherName'))}=${stringOf(value) ?? hexOf(value.der)}`
}

function stringOf(value: Tlv): string | undefined {
  try {
    return readString(value)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

const hexOf = (der: Buffer): string => `#${der.toString('hex')}`
