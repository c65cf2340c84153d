import { children, expect, oid, readOid, readTlv, seq, setOf, TAG, type Tlv } from './der.ts'
import { malformed } from './error.ts'
import {
  attributeOid,
  attributeProblems,
  attributeType,
  decodeValue,
  encodeValue,
  type NameAttribute,
} from './nameAttribute.ts'

export type { NameAttribute } from './nameAttribute.ts'
export { nameText, parseNameText } from './nameText.ts'

/** A distinguished name: its RDNs in the order of the encoding, most significant first (C before CN), each with at least one attribute. */
export type Name = NameAttribute[][]

const MAX_RDNS = 64
const MAX_ATTRIBUTES = 16

/** DER of a Name (RFC 5280 section 4.1.2.4). Throws PkiError('malformed') for an unknown attribute type or an empty RDN. */
export function encodeName(name: Name): Buffer {
  return seq(
    ...name.map((rdn) => {
      if (rdn.length === 0) throw malformed('a relative distinguished name without attributes')
      return setOf(...rdn.map((attribute) => seq(oid(attributeOid(attribute.type)), encodeValue(attribute))))
    }),
  )
}

/** Reads a Name. Throws PkiError('malformed'). */
export function decodeName(der: Buffer | Tlv): Name {
  const name = expect(Buffer.isBuffer(der) ? readTlv(der) : der, TAG.seq, 'Name')
  return children(name, MAX_RDNS).map((rdn) => {
    const attributes = children(expect(rdn, TAG.set, 'RelativeDistinguishedName'), MAX_ATTRIBUTES)
    if (attributes.length === 0) throw malformed('a relative distinguished name without attributes')
    return attributes.map(decodeAttribute)
  })
}

function decodeAttribute(attribute: Tlv): NameAttribute {
  const [type, value, ...rest] = children(expect(attribute, TAG.seq, 'AttributeTypeAndValue'), 3)
  if (!value || rest.length > 0) throw malformed('an attribute of a name that is not a type and a value')
  const dotted = readOid(expect(type, TAG.oid, 'AttributeType'))
  return { type: attributeType(dotted), ...decodeValue(value) }
}

/**
 * Whether two names match as RFC 5280 section 7.1 compares them: same RDNs in order, attributes of an RDN in any order, letter case and
 * runs of white space without meaning, string types without meaning.
 */
export function sameName(a: Name, b: Name): boolean {
  if (a.length !== b.length) return false
  return a.every((rdn, i) => {
    const other = b[i]
    return other !== undefined && rdn.length === other.length && folded(rdn) === folded(other)
  })
}

function folded(rdn: readonly NameAttribute[]): string {
  const parts = rdn.map(({ type, value, der }) => {
    const text = der ? value : value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
    return JSON.stringify([type, der !== undefined, text])
  })
  return parts.sort().join()
}

/** A name with one attribute in each RDN, in the order of the record; absent and empty values are left out. */
export function nameOf(attributes: Readonly<Record<string, string | undefined>>): Name {
  return Object.entries(attributes).flatMap(([type, value]) => (value ? [[{ type, value }]] : []))
}

/** What is wrong with a name under RFC 5280 appendix A: lengths in characters, alphabets, control characters. Empty when all is well. */
export function nameProblems(name: Name): string[] {
  return name
    .flat()
    .flatMap((attribute) => attributeProblems(attribute).map((problem) => `${attribute.type}: ${problem}`))
}
