import type { KeyObject } from 'node:crypto'
import {
  bits,
  children,
  context,
  expect,
  implicit,
  integer,
  octets,
  oid,
  readBits,
  readBool,
  readInteger,
  readOctets,
  readOid,
  readSmallInteger,
  readString,
  readTlv,
  seq,
  set,
  TAG,
  type Tlv,
  tlv,
} from '../../src/pki/der.ts'
import { malformed } from '../../src/pki/error.ts'
import { encodeGeneralName, type Identifier, type IdentifierKind } from '../../src/pki/identifier.ts'
import { attributeOid, attributeType, encodeValue } from '../../src/pki/nameAttribute.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'

// A reader of CsrAttrs, written after RFC 8951 section 4 and RFC 9908, and a client that does as it is told. Ours: no packaged client reads templates.

interface Attribute {
  type: string
  values: Tlv[]
}

export interface ReadTemplate {
  subject?: { type: string; value?: string }[]
  /** `algorithm` dotted; `curve` dotted; `size` of the placeholder's modulus in bits. */
  key?: { algorithm: string; curve?: string; size?: number }
  extensions: ReadExtension[]
  attributes: string[]
}

export interface ReadExtension {
  oid: string
  critical: boolean
  value?: Buffer
}

export interface ReadCsrAttributes {
  oids: string[]
  attributes: Attribute[]
  template?: ReadTemplate
}

/** Throws PkiError('malformed'). */
export function readCsrAttributes(der: Buffer): ReadCsrAttributes {
  const members = children(expect(readTlv(der), TAG.seq, 'CsrAttrs'))
  const oids = members.filter(({ tag }) => tag === TAG.oid).map((member) => readOid(member))
  const attributes = members.filter(({ tag }) => tag !== TAG.oid).map(readAttribute)
  const extensionRequests = attributes.filter(({ type }) => type === OID.extensionRequest)
  // RFC 9908 section 3.2: only one, with one value.
  if (extensionRequests.length > 1) throw malformed('two id-ExtensionReq')
  for (const request of extensionRequests) readExtensionList(single(request), false)
  const templates = attributes.filter(({ type }) => type === OID.certificationRequestInfoTemplate)
  if (templates.length > 1) throw malformed('two templates')
  const [template] = templates
  return {
    oids,
    attributes: attributes.filter((attribute) => attribute !== template),
    ...(template ? { template: readTemplate(single(template)) } : {}),
  }
}

function readAttribute(attribute: Tlv): Attribute {
  const [type, values, ...rest] = children(expect(attribute, TAG.seq, 'Attribute'), 3)
  if (rest.length > 0) throw malformed('an attribute with something left over')
  return {
    type: readOid(expect(type, TAG.oid, 'type')),
    values: children(expect(values, TAG.set, 'values')),
  }
}

function single({ type, values }: Attribute): Tlv {
  const [value, ...rest] = values
  if (!value || rest.length > 0) throw malformed(`${type} with ${values.length} values`)
  return value
}

function readTemplate(template: Tlv): ReadTemplate {
  const fields = children(expect(template, TAG.seq, 'CertificationRequestInfoTemplate'), 4)
  if (readSmallInteger(expect(fields.shift(), TAG.integer, 'version')) !== 0) throw malformed('a version other than v1')
  const subject = fields[0]?.tag === TAG.seq ? fields.shift() : undefined
  const key = fields[0]?.tag === context(0) ? fields.shift() : undefined
  const attributes = children(expect(fields.shift(), context(1), 'attributes')).map(readAttribute)
  if (fields.length > 0) throw malformed('a template with something left over')
  const wanted = attributes.filter(({ type }) => type === OID.extensionRequest || type === OID.extensionReqTemplate)
  if (wanted.length > 1) throw malformed('id-ExtensionReq beside extensionReqTemplate')
  const [request] = wanted
  return {
    ...(subject ? { subject: children(subject).map(readRdn) } : {}),
    ...(key ? { key: readKey(key) } : {}),
    extensions: request ? readExtensionList(single(request), request.type === OID.extensionReqTemplate) : [],
    attributes: attributes.map(({ type }) => type),
  }
}

function readRdn(rdn: Tlv): { type: string; value?: string } {
  const [attribute, ...more] = children(expect(rdn, TAG.set, 'RDN'))
  if (more.length > 0) throw malformed('this reader takes one attribute an RDN')
  const [type, value, ...rest] = children(expect(attribute, TAG.seq, 'SingleAttributeTemplate'), 3)
  if (rest.length > 0) throw malformed('an attribute with something left over')
  const name = attributeType(readOid(expect(type, TAG.oid, 'type')))
  return value ? { type: name, value: readString(value) } : { type: name }
}

function readKey(key: Tlv): NonNullable<ReadTemplate['key']> {
  const [identifier, placeholder, ...rest] = children(key, 3)
  if (rest.length > 0) throw malformed('a key with something left over')
  const [id, parameters] = children(expect(identifier, TAG.seq, 'AlgorithmIdentifier'), 2)
  const algorithm = readOid(expect(id, TAG.oid, 'algorithm'))
  if (placeholder && algorithm !== OID.rsaEncryption) throw malformed('a placeholder of a key that is not RSA')
  const size = placeholder && modulusSize(placeholder)
  return {
    algorithm,
    ...(parameters?.tag === TAG.oid ? { curve: readOid(parameters) } : {}),
    ...(size === undefined ? {} : { size }),
  }
}

function modulusSize(placeholder: Tlv): number {
  const { bytes } = readBits(expect(placeholder, TAG.bits, 'subjectPublicKey'))
  const [modulus] = children(expect(readTlv(bytes), TAG.seq, 'RSAPublicKey'), 2)
  return readInteger(expect(modulus, TAG.integer, 'modulus')).toString(2).length
}

function readExtensionList(list: Tlv, partial: boolean): ReadExtension[] {
  const extensions = children(expect(list, TAG.seq, 'Extensions')).map((entry): ReadExtension => {
    const [id, ...fields] = children(expect(entry, TAG.seq, 'Extension'), 3)
    const critical = fields[0]?.tag === TAG.boolean ? readBool(fields.shift() as Tlv) : false
    const [value, ...rest] = fields
    if (rest.length > 0 || (!value && !partial)) throw malformed('an extension that is none')
    return {
      oid: readOid(expect(id, TAG.oid, 'extnID')),
      critical,
      ...(value ? { value: readOctets(value) } : {}),
    }
  })
  if (extensions.length === 0) throw malformed('Extensions without one')
  if (new Set(extensions.map((extension) => extension.oid)).size < extensions.length)
    throw malformed('an extension twice')
  return extensions
}

/** What a device knows of itself. */
export interface Device {
  names: readonly Identifier[]
  /** By short name of the attribute. */
  subject: Record<string, string>
  key(wanted: { algorithm: string; curve?: string; size?: number }): KeyObject
  challengePassword?: string
}

/** A DER PKCS#10 request as the answer wants it; the template alone counts where there is one (RFC 9908 section 4). */
export async function obey(answer: ReadCsrAttributes, device: Device): Promise<Buffer> {
  const { template } = answer
  const { subject, key, extensions, challenge } = template ? fromTemplate(template) : fromList(answer)
  const signer = signerFor(device.key(key ?? { algorithm: OID.ecPublicKey, curve: OID.prime256v1 }))
  const rdns = subject.flatMap(({ type, value = device.subject[type] }) =>
    value === undefined ? [] : [set(seq(oid(attributeOid(type)), encodeValue({ type, value })))],
  )
  const filled = extensions.map(({ oid: id, critical, value }) =>
    seq(oid(id), ...(critical ? [tlv(TAG.boolean, Buffer.of(0xff))] : []), octets(fillIn(id, value, device))),
  )
  const attributes = [
    ...(challenge && device.challengePassword
      ? [seq(oid(OID.challengePassword), set(tlv(TAG.utf8, Buffer.from(device.challengePassword))))]
      : []),
    ...(filled.length > 0 ? [seq(oid(OID.extensionRequest), set(seq(...filled)))] : []),
  ]
  const info = seq(integer(0), seq(...rdns), signer.publicKey.spki, implicit(0, Buffer.concat(attributes), true))
  return seq(info, signer.algorithm, bits(await signer.sign(info)))
}

interface Orders {
  subject: { type: string; value?: string }[]
  key?: { algorithm: string; curve?: string; size?: number }
  extensions: ReadExtension[]
  challenge: boolean
}

function fromTemplate({ subject = [], key, extensions }: ReadTemplate): Orders {
  return { subject, ...(key ? { key } : {}), extensions, challenge: false }
}

const KEY_TYPES: readonly string[] = [OID.rsaEncryption, OID.ecPublicKey, OID.ed25519]

function fromList({ oids, attributes }: ReadCsrAttributes): Orders {
  const request = attributes.find(({ type }) => type === OID.extensionRequest)
  const wanted = attributes.find(({ type }) => KEY_TYPES.includes(type))
  const [parameter] = wanted?.values ?? []
  const named = oids.filter((id) => id.startsWith('2.5.29.')).map((id) => ({ oid: id, critical: false }))
  return {
    subject: oids.filter((id) => attributeType(id) !== id).map((id) => ({ type: attributeType(id) })),
    ...(wanted
      ? {
          key: {
            algorithm: wanted.type,
            ...(parameter?.tag === TAG.oid ? { curve: readOid(parameter) } : {}),
            ...(parameter?.tag === TAG.integer ? { size: readSmallInteger(parameter) } : {}),
          },
        }
      : {}),
    extensions: [...(request ? readExtensionList(single(request), false) : []), ...named],
    challenge: oids.includes(OID.challengePassword),
  }
}

const KINDS = new Map<number, IdentifierKind>([
  [context(1, false), 'email'],
  [context(2, false), 'dns'],
  [context(6, false), 'uri'],
  [context(7, false), 'ip'],
])

/** The value as given, or the device's own names in place of what is left open. */
function fillIn(id: string, value: Buffer | undefined, { names }: Device): Buffer {
  if (id !== OID.subjectAltName) return value ?? Buffer.alloc(0)
  if (!value) return seq(...names.map(encodeGeneralName))
  return seq(
    ...children(readTlv(value)).flatMap((name) => {
      if (name.value.length > 0) return [name.der]
      return names.filter(({ type }) => type === KINDS.get(name.tag)).map(encodeGeneralName)
    }),
  )
}
