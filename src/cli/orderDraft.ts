import { Failure } from '../core/failure.ts'
import { PkiError } from '../pki/error.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../pki/identifier.ts'
import { type Name, parseNameText } from '../pki/name.ts'

/** What somebody wants a certificate for, as he says it by options, at prompts, or in an editor. */
export interface OrderDraft {
  profile?: string | undefined
  authority?: string | undefined
  dns: string[]
  ip: string[]
  email: string[]
  uri: string[]
  /** RFC 4514 text; absent: the first name as its common name. */
  subject?: string | undefined
  validDays?: number | undefined
  keyType: string
  /** Files that are made. */
  key?: string | undefined
  csr?: string | undefined
}

/** The names, each as it is certified. Throws Failure('malformed') for the first that is none. */
export function identifiersOf({ dns, ip, email, uri }: OrderDraft): Identifier[] {
  return [
    ...words(dns).map((name) => dnsName(name)),
    ...words(ip).map((address) => ipAddress(address)),
    ...email.map((value) => checked('email', value, /^[!-~]+@[A-Za-z0-9.-]+$/, 'an e-mail address')),
    ...uri.map((value) => checked('uri', value, /^[a-z][a-z0-9+.-]*:[!-~]+$/i, 'a URI')),
  ]
}

/** `-d a.test,b.test` too: no name and no address has a comma. */
const words = (given: readonly string[]): string[] =>
  given.flatMap((text) => text.split(',').filter((word) => word !== ''))

function dnsName(given: string): Identifier {
  const value = given.toLowerCase()
  if (isValidDnsName(value, { wildcard: true, underscore: true })) return { type: 'dns', value }
  throw new Failure('malformed', `${given} is no DNS name`)
}

function ipAddress(given: string): Identifier {
  const address = parseIp(given)
  if (address) return { type: 'ip', value: formatIp(address) }
  throw new Failure('malformed', `${given} is no IP address`)
}

function checked(type: 'email' | 'uri', value: string, form: RegExp, what: string): Identifier {
  if (form.test(value)) return { type, value }
  throw new Failure('malformed', `${value} is no ${what.replace(/^an? /, '')}`)
}

/** Throws Failure('malformed'). */
export function subjectOf({ subject }: OrderDraft, names: readonly Identifier[]): Name {
  const [first] = names
  if (subject === undefined) {
    if (!first) throw new Failure('malformed', 'say for which names: -d NAME, -i ADDRESS, or --subject TEXT')
    // RFC 5280 appendix A.1: a common name has at most 64 characters; the names are beside it anyway.
    return first.value.length > 64 ? [] : [[{ type: 'CN', value: first.value }]]
  }
  try {
    return parseNameText(subject)
  } catch (cause) {
    if (cause instanceof PkiError) throw new Failure('malformed', `--subject: ${cause.message}`, { cause })
    throw cause
  }
}
