import { domainToASCII, domainToUnicode } from 'node:url'
import { children, context, expect, readString, readTlv, seq, TAG, type Tlv, tlv } from './der.ts'
import { malformed } from './error.ts'
import { formatIp, parseIp } from './ip.ts'

export { formatIp, ipInNetwork, parseCidr, parseIp } from './ip.ts'

export type IdentifierKind = 'dns' | 'ip' | 'email' | 'uri'

/** What a certificate speaks for. `value`: dns in lower-case A-labels; ip as dotted quad or as RFC 5952 writes it; email and uri as they came. */
export interface Identifier {
  type: IdentifierKind
  value: string
}

/** A GeneralName of another kind, by its identifier octet: directoryName, otherName, registeredID … */
export interface OtherName {
  tag: number
  der: Buffer
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
const LABEL_WITH_UNDERSCORE = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * Whether `name` is a host name fit for a dNSName: labels of letters, digits and hyphens, 63 octets each and 253 in all, no trailing dot,
 * no last label that a program would read as a part of an IPv4 address, and `xn--` labels that are what their Unicode form encodes to
 * (RFC 8555 section 7.1.4, RFC 5890). Letter case does not matter. `wildcard` allows one leading `*.`; `underscore` allows `_` in labels.
 */
export function isValidDnsName(name: string, { wildcard = false, underscore = false } = {}): boolean {
  const host = wildcard && name.startsWith('*.') ? name.slice(2) : name
  if (name.length > 253 || host === '') return false
  const shape = underscore ? LABEL_WITH_UNDERSCORE : LABEL
  const labels = host.split('.')
  if (/^(?:\d+|0x[0-9a-f]*)$/i.test(labels[labels.length - 1] ?? '')) return false
  return labels.every((label) => shape.test(label) && (!/^xn--/i.test(label) || isALabel(label.toLowerCase())))
}

function isALabel(label: string): boolean {
  const unicode = domainToUnicode(label)
  return unicode !== '' && unicode !== label && domainToASCII(unicode) === label
}

// GeneralName choices of RFC 5280 section 4.2.1.6.
const TAGS = {
  email: context(1, false),
  dns: context(2, false),
  uri: context(6, false),
  ip: context(7, false),
} as const satisfies Record<IdentifierKind, number>

const KINDS = new Map(Object.entries(TAGS).map(([kind, tag]) => [tag as number, kind as IdentifierKind]))
const MAX_NAMES = 1024

/** DER of one GeneralName. Throws PkiError('malformed') for a value outside ASCII or an address that is none. */
export function encodeGeneralName({ type, value }: Identifier): Buffer {
  if (type !== 'ip') {
    if (!/^[\x21-\x7e]+$/.test(value)) throw malformed(`a ${type} name with characters that it cannot have`)
    return tlv(TAGS[type], Buffer.from(value, 'latin1'))
  }
  const address = parseIp(value)
  if (!address) throw malformed(`"${value.slice(0, 60)}" is no IP address`)
  return tlv(TAGS.ip, address)
}

/** DER of a GeneralNames SEQUENCE, in the order given, as in subjectAltName. Throws as encodeGeneralName does. */
export function encodeGeneralNames(identifiers: readonly Identifier[]): Buffer {
  return seq(...identifiers.map(encodeGeneralName))
}

/** Reads one GeneralName of the four kinds, undefined for another kind. Throws PkiError('malformed'). */
export function decodeGeneralName(name: Tlv): Identifier | undefined {
  const type = KINDS.get(name.tag)
  if (!type) return undefined
  if (type === 'ip') {
    if (name.value.length !== 4 && name.value.length !== 16) throw malformed('an IP address of neither 4 nor 16 octets')
    return { type, value: formatIp(name.value) }
  }
  const value = readString(name, TAG.ia5)
  if (!/^[\x21-\x7e]+$/.test(value)) throw malformed(`a ${type} name that is empty or has control characters or spaces`)
  return { type, value: type === 'dns' ? value.toLowerCase() : value }
}

/**
 * Reads a GeneralNames SEQUENCE: the names of our four kinds in order, without repetitions, and the others as they are. A dNSName need not
 * be a valid host name: that is for isValidDnsName and the policy. Throws PkiError('malformed').
 */
export function decodeGeneralNames(der: Buffer | Tlv): { identifiers: Identifier[]; other: OtherName[] } {
  const names = children(expect(Buffer.isBuffer(der) ? readTlv(der) : der, TAG.seq, 'GeneralNames'), MAX_NAMES)
  if (names.length === 0) throw malformed('GeneralNames without a name')
  const identifiers = new Map<string, Identifier>()
  const other: OtherName[] = []
  for (const name of names) {
    const identifier = decodeGeneralName(name)
    if (identifier) identifiers.set(`${identifier.type}:${identifier.value}`, identifier)
    else if (isOtherChoice(name.tag)) other.push({ tag: name.tag, der: name.der })
    else throw malformed(`tag 0x${name.tag.toString(16)} is no GeneralName`)
  }
  return { identifiers: [...identifiers.values()], other }
}

// otherName, x400Address, directoryName, ediPartyName are constructed, registeredID is not.
function isOtherChoice(tag: number): boolean {
  return [0, 3, 4, 5].some((n) => tag === context(n)) || tag === context(8, false)
}
