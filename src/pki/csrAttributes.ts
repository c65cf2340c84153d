import type { CurveName } from './curve.ts'
import { bits, bool, implicit, integer, nullValue, octets, oid, seq, set, setOf } from './der.ts'
import { encodeExtension } from './extensions.ts'
import { attributeOid, encodeValue } from './nameAttribute.ts'
import { OID } from './oid.ts'

// CsrAttrs: RFC 7030 section 4.5.2 as RFC 8951 section 4 and RFC 9908 have it.

/** The kind of key that a request is to have. `size`: bits of the RSA modulus. */
export type KeyWish =
  | { algorithm: 'RSA'; size: number }
  | { algorithm: 'EC'; curve: CurveName }
  | { algorithm: 'Ed25519' }

/** An extension that a request is to ask for. */
export interface ExtensionWish {
  oid: string
  critical?: boolean
  /** DER inside extnValue; absent: the client knows what to put there. */
  value?: Buffer
  /** A placeholder stands in the value: the client fills it in. */
  partial?: boolean
}

/** What a server wants a request to be like. */
export interface CsrWishes {
  key?: KeyWish
  /** A challengePassword that binds the request to its connection (RFC 7030 section 3.5). */
  challengePassword: boolean
  /** One RDN each, by short names or dotted; without a value the client gives its own. */
  subject: readonly { type: string; value?: string }[]
  extensions: readonly ExtensionWish[]
}

/** list: identifiers and attributes as RFC 7030 has them; template: what RFC 9908 section 3.4 adds. */
export type CsrAttributesForm = 'list' | 'template' | 'both'

/**
 * DER of CsrAttrs; undefined where there is nothing to say. A template has no way to ask for a challengePassword (an attribute in it has a value), and clients
 * that know templates ignore all that stands beside one: where one is wanted, there is the list alone, whatever the form.
 */
export function encodeCsrAttributes(wishes: CsrWishes, form: CsrAttributesForm): Buffer | undefined {
  const template = form !== 'list' && !wishes.challengePassword ? templateOf(wishes) : undefined
  const list = form === 'template' && !wishes.challengePassword ? [] : listOf(wishes)
  const members = template ? [...list, template] : list
  return members.length > 0 ? seq(...members) : undefined
}

const attribute = (type: string, ...values: Buffer[]): Buffer => seq(oid(type), setOf(...values))

function listOf({ key, challengePassword, subject, extensions }: CsrWishes): Buffer[] {
  const ready = extensions.filter(isReady)
  // An Extension has a value: what has none, or not all of it, can only be named.
  const named = extensions.filter((extension) => !isReady(extension)).map((extension) => oid(extension.oid))
  return [
    ...(challengePassword ? [oid(OID.challengePassword)] : []),
    ...(key ? [keyAttribute(key)] : []),
    ...(ready.length > 0 ? [attribute(OID.extensionRequest, seq(...ready.map(encodeReady)))] : []),
    ...named,
    ...subject.filter(({ value }) => value === undefined).map(({ type }) => oid(attributeOid(type))),
    ...(key ? [oid(signatureFor(key))] : []),
  ]
}

type ReadyExtension = ExtensionWish & { value: Buffer }

const isReady = (extension: ExtensionWish): extension is ReadyExtension =>
  extension.value !== undefined && !extension.partial

const encodeReady = ({ oid: id, value, critical }: ReadyExtension): Buffer => encodeExtension(id, value, critical)

/** RFC 9908 section 3.2: the algorithm, and its parameters, or the size, as the values. */
function keyAttribute(key: KeyWish): Buffer {
  switch (key.algorithm) {
    case 'RSA':
      return attribute(OID.rsaEncryption, integer(key.size))
    case 'EC':
      return attribute(OID.ecPublicKey, oid(CURVE_OIDS[key.curve]))
    case 'Ed25519':
      return attribute(OID.ed25519)
  }
}

/** Named curves as parameters of id-ecPublicKey. */
export const CURVE_OIDS = {
  'P-256': OID.prime256v1,
  'P-384': OID.secp384r1,
  'P-521': OID.secp521r1,
} satisfies Record<CurveName, string>

const CURVE_SIGNATURES = {
  'P-256': OID.ecdsaWithSHA256,
  'P-384': OID.ecdsaWithSHA384,
  'P-521': OID.ecdsaWithSHA512,
} satisfies Record<CurveName, string>

/** RFC 8951 section 4: an OID to be reflected in the signatureAlgorithm of the request. */
function signatureFor(key: KeyWish): string {
  if (key.algorithm === 'RSA') return OID.sha256WithRSAEncryption
  return key.algorithm === 'EC' ? CURVE_SIGNATURES[key.curve] : OID.ed25519
}

/** CertificationRequestInfoTemplate as the one value of its attribute, RFC 9908 section 3.4 and appendix A. */
function templateOf({ key, subject, extensions }: CsrWishes): Buffer | undefined {
  if (!key && subject.length === 0 && extensions.length === 0) return undefined
  const template = seq(
    integer(0),
    ...(subject.length > 0 ? [seq(...subject.map(encodeRdn))] : []),
    ...(key ? [implicit(0, keyTemplate(key), true)] : []),
    implicit(1, extensionAttribute(extensions), true),
  )
  return attribute(OID.certificationRequestInfoTemplate, template)
}

function encodeRdn({ type, value }: CsrWishes['subject'][number]): Buffer {
  const given = value === undefined ? [] : [encodeValue({ type, value })]
  return set(seq(oid(attributeOid(type)), ...given))
}

/** Contents of SubjectPublicKeyInfoTemplate; only an RSA key has a placeholder, which says how long the modulus is to be. */
function keyTemplate(key: KeyWish): Buffer {
  switch (key.algorithm) {
    case 'RSA':
      return Buffer.concat([seq(oid(OID.rsaEncryption), nullValue()), bits(placeholderKey(key.size))])
    case 'EC':
      return seq(oid(OID.ecPublicKey), oid(CURVE_OIDS[key.curve]))
    case 'Ed25519':
      return seq(oid(OID.ed25519))
  }
}

/** RSAPublicKey whose modulus has that many bits and is nobody's: its highest and its lowest bit are set, and nothing between. */
function placeholderKey(size: number): Buffer {
  return seq(integer((1n << BigInt(size - 1)) | 1n), integer(65537))
}

/** Either ExtensionReq or its template, and never both. */
function extensionAttribute(extensions: readonly ExtensionWish[]): Buffer {
  if (extensions.length === 0) return Buffer.alloc(0)
  if (extensions.every(isReady)) return attribute(OID.extensionRequest, seq(...extensions.map(encodeReady)))
  return attribute(OID.extensionReqTemplate, seq(...extensions.map(encodeExtensionTemplate)))
}

function encodeExtensionTemplate({ oid: id, critical, value }: ExtensionWish): Buffer {
  return seq(oid(id), ...(critical ? [bool(true)] : []), ...(value ? [octets(value)] : []))
}

/** GeneralNames with one name of a kind, empty, for the client to fill in (RFC 9908 section 3.4). */
export const namePlaceholder = (kind: keyof typeof NAME_TAGS): Buffer => seq(implicit(NAME_TAGS[kind], Buffer.alloc(0)))

const NAME_TAGS = { email: 1, dns: 2, uri: 6, ip: 7 } as const
