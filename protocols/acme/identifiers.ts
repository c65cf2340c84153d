import { formatIp, type Identifier, isValidDnsName, parseIp } from '../../src/pki/identifier.ts'
import { AcmeError, type AcmeIdentifier, type Subproblem } from './errors.ts'
import { isOnion, readOnion } from './onionName.ts'
import { type AcmeOptions, type ChallengeType, challengeTypes } from './options.ts'
import { readAncestor } from './subdomain.ts'

/** As a client writes it. */
export interface AskedIdentifier extends AcmeIdentifier {
  /** RFC 9444 section 4.3. */
  ancestorDomain?: string | undefined
}

/** A name of an order. */
export interface OrderName {
  /** As the client wrote it; orders show it so, since clients compare the text. */
  asked: AcmeIdentifier
  /** As it is certified: with `*.`, in lower case. */
  identifier: Identifier
  /** What its authorization is for: without `*.`. */
  base: { type: 'dns' | 'ip'; value: string }
  wildcard: boolean
  /** RFC 9444 section 4.3: a name that contains it, in lower case, for which the client could prove control. */
  ancestor?: string
}

/**
 * Reads the identifiers of a newOrder (RFC 8555 section 7.1.3, RFC 8738), each name once, in the order of their first coming.
 * Throws AcmeError: unsupportedIdentifier, malformed; a subproblem for each name that is wrong.
 */
export function readIdentifiers(asked: readonly AskedIdentifier[]): OrderName[] {
  if (asked.length === 0) throw new AcmeError('malformed', 'an order needs at least one identifier')
  const names = new Map<string, OrderName>()
  const problems: Subproblem[] = []
  for (const identifier of asked) {
    const read = readIdentifier(identifier)
    if ('detail' in read) problems.push({ ...read, identifier })
    else names.set(keyOf(read), names.get(keyOf(read)) ?? read)
  }
  const [first] = problems
  if (!first) return [...names.values()]
  const type = problems.every((problem) => problem.type === first.type) ? first.type : 'malformed'
  const detail =
    problems.length === 1 ? first.detail : `${problems.length} identifiers cannot be used; the first: ${first.detail}`
  throw new AcmeError(type, detail, { subproblems: problems })
}

function keyOf({ identifier: { type, value } }: OrderName): string {
  return `${type}:${value}`
}

function readIdentifier(asked: AskedIdentifier): OrderName | Subproblem {
  switch (asked.type) {
    case 'dns':
      return readDns(asked)
    case 'ip':
      return readIp(asked)
    default:
      return {
        type: 'unsupportedIdentifier',
        detail: `identifiers of type ${quote(asked.type)} are not supported: use dns or ip`,
      }
  }
}

function readDns(asked: AskedIdentifier): OrderName | Subproblem {
  if (!isValidDnsName(asked.value, { wildcard: true }))
    return { type: 'malformed', detail: `${quote(asked.value)} ${dnsFault(asked.value)}` }
  const value = asked.value.toLowerCase()
  const wildcard = value.startsWith('*.')
  const onion = isOnion(value) ? readOnion(value) : undefined
  if (onion && 'fault' in onion) return { type: 'rejectedIdentifier', detail: `${quote(asked.value)} ${onion.fault}` }
  const above = asked.ancestorDomain === undefined ? {} : readAncestor(asked.ancestorDomain, value)
  if ('detail' in above) return { type: 'malformed', detail: `${quote(asked.value)}: ${above.detail}` }
  return {
    asked: { type: 'dns', value: asked.value },
    identifier: { type: 'dns', value },
    base: { type: 'dns', value: wildcard ? value.slice(2) : value },
    wildcard,
    ...above,
  }
}

function dnsFault(value: string): string {
  if (parseIp(value)) return 'is an IP address: ask for it with type ip'
  if (/[^\x20-\x7e]/.test(value)) return 'is not in ASCII: write its labels as A-labels (xn--…)'
  if (value.endsWith('.')) return 'ends with a dot: leave it out'
  if (value.includes('_')) return 'has an underscore, which no host name has'
  if (value.includes('*')) return 'has a * that is not the whole first label'
  return 'is no host name (letters, digits and hyphens; labels of at most 63 octets, 253 in all)'
}

function readIp(asked: AcmeIdentifier): OrderName | Subproblem {
  const address = parseIp(asked.value)
  if (!address) return { type: 'malformed', detail: `${quote(asked.value)} is no IP address` }
  const value = formatIp(address)
  // RFC 8738 section 3 fixes the text.
  if (value !== asked.value) return { type: 'malformed', detail: `write the address ${quote(asked.value)} as ${value}` }
  return {
    asked: { type: 'ip', value },
    identifier: { type: 'ip', value },
    base: { type: 'ip', value },
    wildcard: false,
  }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

/**
 * The challenges that can prove a name: what stands in the DNS also proves a wildcard, while the others prove one host (section 7.1.3), and
 * proves no address (RFC 8738 section 7). A hidden service is proved by its own key (RFC 9799): it is not in the DNS, and nothing here goes
 * through Tor. Throws AcmeError('rejectedIdentifier') when the profile offers none of them.
 */
export function challengesFor(
  { asked, base, wildcard }: Pick<OrderName, 'asked' | 'base' | 'wildcard'>,
  { challenges }: AcmeOptions,
): ChallengeType[] {
  const fit = challengeTypes.filter((type) => fits(type, { base, wildcard }))
  const offered = fit.filter((type) => challenges.includes(type))
  if (offered.length > 0) return offered
  const detail = `${asked.value} can only be proved by ${fit.join(' or ')}, which this profile does not offer`
  throw new AcmeError('rejectedIdentifier', detail, {
    subproblems: [{ type: 'rejectedIdentifier', detail, identifier: asked }],
  })
}

/** Whether a kind of challenge can prove such a name at all. */
export function fits(type: ChallengeType, { base, wildcard }: Pick<OrderName, 'base' | 'wildcard'>): boolean {
  const onion = base.type === 'dns' && isOnion(base.value)
  switch (type) {
    case 'onion-csr-01':
      return onion
    case 'dns-01':
    case 'dns-account-01':
    case 'dns-persist-01':
      return base.type === 'dns' && !onion
    case 'http-01':
    case 'tls-alpn-01':
      return !wildcard && !onion
  }
}
