import { oid, readTlv } from './der.ts'
import { malformed } from './error.ts'
import type { Name } from './name.ts'
import {
  ATTRIBUTE_TYPES,
  attributeOid,
  attributeType,
  decodeValue,
  encodeValue,
  type NameAttribute,
} from './nameAttribute.ts'

const TYPE_BY_LOWER_CASE = new Map([
  ...Object.keys(ATTRIBUTE_TYPES).map((type): [string, string] => [type.toLowerCase(), type]),
  // What other programs print for the same types.
  ['e', 'emailAddress'],
  ['email', 'emailAddress'],
  ['surname', 'SN'],
  ['givenname', 'GN'],
  ['userid', 'UID'],
  ['s', 'ST'],
])

/**
 * String form of RFC 4514: last RDN first, joined by commas. Control characters leave as `\0A`, so that no name forges a second line in a
 * log or a mail. Attributes of a dotted type leave as `#` and hex (section 2.4).
 */
export function nameText(name: Name): string {
  return [...name]
    .reverse()
    .map((rdn) => rdn.map(attributeText).join('+'))
    .join(',')
}

function attributeText(attribute: NameAttribute): string {
  const { type, value, der } = attribute
  if (der || !Object.hasOwn(ATTRIBUTE_TYPES, type)) return `${type}=#${encodeValue(attribute).toString('hex')}`
  return `${type}=${escaped(value)}`
}

function escaped(value: string): string {
  return value
    .replace(/["+,;<>\\]/g, '\\$&')
    .replace(/^[ #]|(?<=.) $/gs, '\\$&')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => Buffer.from(c).toString('hex').toUpperCase().replace(/../g, '\\$&'))
}

/**
 * Reads the string form of RFC 4514. Types in any letter case, also as dotted identifiers; spaces around `,`, `+` and `=` are skipped.
 * Throws PkiError('malformed').
 */
export function parseNameText(text: string): Name {
  if (text.length > 65_536) throw malformed('a name that is too long')
  const rdns: Name = []
  let rdn: NameAttribute[] = []
  let at = skipSpaces(text, 0)
  if (at === text.length) return []
  for (;;) {
    const read = readAttribute(text, at)
    rdn.push(read.attribute)
    at = skipSpaces(text, read.end)
    const separator = text[at]
    if (separator !== '+') {
      rdns.unshift(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns
    if (separator !== ',' && separator !== '+') throw malformed(`"${separator}" where "," or "+" belongs in a name`)
    at = skipSpaces(text, at + 1)
  }
}

function skipSpaces(text: string, at: number): number {
  let next = at
  while (text[next] === ' ') next++
  return next
}

function readAttribute(text: string, start: number): { attribute: NameAttribute; end: number } {
  const equals = text.indexOf('=', start)
  if (equals < 0) throw malformed('a part of a name without "="')
  const type = readType(text.slice(start, equals).trim())
  const at = skipSpaces(text, equals + 1)
  if (text[at] !== '#') {
    const { value, end } = readValue(text, at)
    return { attribute: { type, value }, end }
  }
  const hex = /^(?:[0-9a-f]{2})+/i.exec(text.slice(at + 1))?.[0]
  if (!hex) throw malformed('"#" without hex in a name')
  return { attribute: { type, ...decodeValue(readTlv(Buffer.from(hex, 'hex'))) }, end: at + 1 + hex.length }
}

function readType(text: string): string {
  const bare = text.replace(/^oid\./i, '')
  const known = TYPE_BY_LOWER_CASE.get(bare.toLowerCase())
  if (known) return known
  const dotted = attributeOid(bare)
  oid(dotted)
  return attributeType(dotted)
}

const ESCAPE = /\\(?:([ "#+,;<=>\\])|((?:[0-9a-f]{2})(?:\\[0-9a-f]{2})*))/iy

function readValue(text: string, start: number): { value: string; end: number } {
  let value = ''
  let solid = 0
  let at = start
  for (let c = text[at]; c !== undefined && c !== ',' && c !== '+'; c = text[at]) {
    if (c === '\\') {
      ESCAPE.lastIndex = at
      const [whole, special, hex] = ESCAPE.exec(text) ?? []
      if (!whole) throw malformed('a bad escape in a name')
      value += special ?? utf8Text(hex ?? '')
      solid = value.length
      at += whole.length
    } else {
      if (c === '"' || c === ';' || c === '<' || c === '>' || c === '\0')
        throw malformed(`an unescaped ${JSON.stringify(c)} in a name`)
      value += c
      if (c !== ' ') solid = value.length
      at++
    }
  }
  return { value: value.slice(0, solid), end: at }
}

function utf8Text(hexPairs: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(hexPairs.replaceAll('\\', ''), 'hex'),
    )
  } catch (cause) {
    throw malformed('an escape in a name that is not UTF-8', { cause })
  }
}
