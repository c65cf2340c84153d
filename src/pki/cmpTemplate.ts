import { type CsrWishes, CURVE_OIDS, type ExtensionWish, type KeyWish } from './csrAttributes.ts'
import { bool, explicit, implicit, integer, octets, oid, seq, set, utf8 } from './der.ts'
import { attributeOid, encodeValue } from './nameAttribute.ts'
import { OID } from './oid.ts'

/**
 * DER CertReqTemplateContent (RFC 9810 section 5.3.19.16): what a request must be like. What the client fills in is there and empty (RFC 9483 section
 * 4.3.3). Undefined where there is nothing to say.
 */
export function writeCertReqTemplate({ key, subject, extensions }: CsrWishes): Buffer | undefined {
  if (!key && subject.length === 0 && extensions.length === 0) return undefined
  const template = seq(
    ...(subject.length > 0 ? [explicit(5, seq(...subject.map(writeRdn)))] : []),
    ...(extensions.length > 0 ? [implicit(9, Buffer.concat(extensions.map(writeExtension)), true)] : []),
  )
  return seq(template, ...(key ? [seq(writeKey(key))] : []))
}

function writeRdn({ type, value }: CsrWishes['subject'][number]): Buffer {
  return set(seq(oid(attributeOid(type)), value === undefined ? utf8('') : encodeValue({ type, value })))
}

function writeExtension({ oid: id, critical, value }: ExtensionWish): Buffer {
  return seq(oid(id), ...(critical ? [bool(true)] : []), octets(value ?? Buffer.alloc(0)))
}

/** One kind of key, as a control. */
function writeKey(key: KeyWish): Buffer {
  switch (key.algorithm) {
    case 'RSA':
      return seq(oid(OID.regCtrlRsaKeyLen), integer(key.size))
    case 'EC':
      return seq(oid(OID.regCtrlAlgId), seq(oid(OID.ecPublicKey), oid(CURVE_OIDS[key.curve])))
    case 'Ed25519':
      return seq(oid(OID.regCtrlAlgId), seq(oid(OID.ed25519)))
  }
}
