import { children, context, expect, implicit, readString, readTlv, seq, TAG, type Tlv, tlv } from './der.ts'
import { malformed, unsupported } from './error.ts'
import { nonEmpty } from './extensions.ts'
import { formatIp, type Identifier, type IdentifierKind, ipInNetwork, parseCidr, parseIp } from './identifier.ts'
import { decodeName, type Name, sameName } from './name.ts'

/**
 * One name space of RFC 5280 section 4.2.1.10. dns: a name, it and all below. email: a mailbox, a host, or `.domain`. uri: a host, or
 * `.domain`. ip: CIDR text. directory: hex of the DER of a Name. other: hex of the DER of a GeneralName of a form that we do not compare.
 */
export interface Subtree {
  type: IdentifierKind | 'directory' | 'other'
  value: string
}

export interface NameConstraints {
  permitted: Subtree[]
  excluded: Subtree[]
}

const TAGS = { email: context(1, false), dns: context(2, false), uri: context(6, false) } as const
const DIRECTORY = context(4)
const IP = context(7, false)

/** NameConstraints. Throws PkiError('malformed') when both lists are empty or a value is not of its form. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Buffer {
  if (permitted.length + excluded.length === 0) throw malformed('name constraints without a name space')
  const list = (tag: number, subtrees: readonly Subtree[]) =>
    subtrees.length ? [implicit(tag, Buffer.concat(subtrees.map((subtree) => seq(encodeBase(subtree)))), true)] : []
  return seq(...list(0, permitted), ...list(1, excluded))
}

function encodeBase({ type, value }: Subtree): Buffer {
  if (type === 'directory') return tlv(DIRECTORY, readTlv(Buffer.from(value, 'hex')).der)
  if (type === 'other') return readTlv(Buffer.from(value, 'hex')).der
  if (type !== 'ip') {
    if (!/^[\x21-\x7e]*$/.test(value)) throw malformed(`a ${type} name space with characters that it cannot have`)
    return tlv(TAGS[type], Buffer.from(value, 'latin1'))
  }
  const network = parseCidr(value)
  if (!network) throw malformed(`"${value.slice(0, 60)}" is no network`)
  const mask = network.address.map((_, i) => 0xff00 >> Math.min(8, Math.max(0, network.prefix - i * 8)))
  const base = network.address.map((octet, i) => octet & (mask[i] ?? 0))
  return tlv(IP, Buffer.concat([base, mask]))
}

/** Throws PkiError('malformed'), and PkiError('unsupported') for a mask with holes or a minimum or maximum distance. */
export function decodeNameConstraints(value: Buffer): NameConstraints {
  const out: NameConstraints = { permitted: [], excluded: [] }
  for (const list of nonEmpty(children(expect(readTlv(value), TAG.seq, 'NameConstraints'), 2), 'NameConstraints')) {
    const subtrees = nonEmpty(children(list), 'GeneralSubtrees').map(readSubtree)
    if (list.tag === context(0)) out.permitted.push(...subtrees)
    else if (list.tag === context(1)) out.excluded.push(...subtrees)
    else throw malformed('an unknown field of NameConstraints')
  }
  return out
}

function readSubtree(subtree: Tlv): Subtree {
  const [base, ...distances] = children(expect(subtree, TAG.seq, 'GeneralSubtree'), 3)
  if (!base) throw malformed('GeneralSubtree without a base')
  // RFC 5280: the minimum MUST be zero, which DER leaves out, and the maximum absent.
  if (distances.length) throw unsupported('name constraints with a minimum or maximum distance')
  if (base.tag === IP) return { type: 'ip', value: readNetwork(base.value) }
  if (base.tag === DIRECTORY) {
    decodeName(base.value)
    return { type: 'directory', value: base.value.toString('hex') }
  }
  for (const type of ['email', 'dns', 'uri'] as const)
    if (base.tag === TAGS[type]) return { type, value: readString(base, TAG.ia5) }
  return { type: 'other', value: base.der.toString('hex') }
}

function readNetwork(value: Buffer): string {
  if (value.length !== 8 && value.length !== 32) throw malformed('an IP name constraint of neither 8 nor 32 octets')
  const half = value.length / 2
  const mask = [...value.subarray(half)].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  if (!/^1*0*$/.test(mask)) throw unsupported('an IP name constraint whose mask has holes')
  return `${formatIp(value.subarray(0, half))}/${mask.lastIndexOf('1') + 1}`
}

/** The names of a certificate that constraints apply to. */
export interface ConstrainedNames {
  subject: Name
  identifiers: readonly Identifier[]
  /** DER of the GeneralNames of other forms. */
  other: readonly { tag: number; der: Buffer }[]
}

/** Which names leave the name spaces of an issuer, in words; empty when all are inside. Never throws for decoded constraints. */
export function nameConstraintProblems({ permitted, excluded }: NameConstraints, names: ConstrainedNames): string[] {
  const constrained = [
    ...names.identifiers,
    ...names.subject
      .flat()
      .flatMap(({ type, value }) => (type === 'emailAddress' ? [{ type: 'email' as const, value }] : [])),
  ]
  const problems = constrained.flatMap((name) => {
    const label = `${name.type}:${name.value}`
    const spaces = permitted.filter((subtree) => subtree.type === name.type)
    if (excluded.some((subtree) => subtree.type === name.type && touches(name, subtree.value)))
      return [`${label} is excluded`]
    return spaces.length && !spaces.some((subtree) => within(name, subtree.value)) ? [`${label} is not permitted`] : []
  })
  return [...problems, ...directoryProblems({ permitted, excluded }, names)]
}

function directoryProblems({ permitted, excluded }: NameConstraints, { subject, other }: ConstrainedNames): string[] {
  const all = [...permitted, ...excluded]
  const present = [
    ...(subject.length ? [subject] : []),
    ...other.filter(({ tag }) => tag === DIRECTORY).map(({ der }) => decodeName(readTlv(der).value)),
  ]
  const spaces = permitted.filter(({ type }) => type === 'directory')
  const problems = present.flatMap((name) => {
    if (excluded.some((subtree) => subtree.type === 'directory' && below(name, subtree.value)))
      return ['a distinguished name is excluded']
    return spaces.length && !spaces.some(({ value }) => below(name, value))
      ? ['a distinguished name is not permitted']
      : []
  })
  // What cannot be compared MUST be rejected.
  const uncompared = other.some(({ tag }) => tag !== DIRECTORY) && all.some(({ type }) => type === 'other')
  return uncompared ? [...problems, 'a name of a form whose constraints cannot be checked'] : problems
}

function below(name: Name, baseHex: string): boolean {
  const base = decodeName(Buffer.from(baseHex, 'hex'))
  return sameName(name.slice(0, base.length), base)
}

function within(name: Identifier, base: string): boolean {
  if (name.type === 'dns') return dnsWithin(name.value, base)
  if (name.type === 'email') return emailWithin(name.value, base)
  if (name.type === 'uri') return uriWithin(name.value, base)
  const address = parseIp(name.value)
  return address !== undefined && ipInNetwork(address, base)
}

/** Within, or possibly so: what cannot be told apart from an excluded name is excluded. */
function touches(name: Identifier, base: string): boolean {
  if (name.type === 'uri' && uriHost(name.value) === undefined) return true
  if (within(name, base)) return true
  // A wildcard speaks for every single label in its place, so also for an excluded one.
  return name.type === 'dns' && name.value.startsWith('*.') && parent(base) === name.value.slice(2).toLowerCase()
}

const parent = (host: string): string => host.toLowerCase().slice(host.indexOf('.', 1) + 1)

function dnsWithin(name: string, base: string): boolean {
  const host = name.toLowerCase()
  const space = base.toLowerCase()
  // A leading dot is outside the RFC and common; other programs read it as "below, not itself".
  if (space === '' || space.startsWith('.')) return host.endsWith(space)
  return host === space || host.endsWith(`.${space}`)
}

function emailWithin(address: string, base: string): boolean {
  const at = address.lastIndexOf('@')
  const host = address.slice(at + 1).toLowerCase()
  const baseAt = base.lastIndexOf('@')
  // The local part is case-sensitive, RFC 5280 section 7.5.
  if (baseAt >= 0)
    return address.slice(0, at) === base.slice(0, baseAt) && host === base.slice(baseAt + 1).toLowerCase()
  return hostWithin(host, base.toLowerCase())
}

function uriWithin(uri: string, base: string): boolean {
  const host = uriHost(uri)
  return host !== undefined && hostWithin(host, base.toLowerCase())
}

const hostWithin = (host: string, base: string): boolean =>
  base === '' || (base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base)

/** The host of a URI when it is a domain name. */
function uriHost(uri: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  const host = authority
    ?.slice(authority.lastIndexOf('@') + 1)
    .replace(/\.?(?::\d*)?$/, '')
    .toLowerCase()
  return !host || host.startsWith('[') || parseIp(host) ? undefined : host
}
