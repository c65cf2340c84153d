import { malformed } from '../../src/pki/error.ts'
import { formatIp, type Identifier, type IdentifierKind, isValidDnsName, parseIp } from '../../src/pki/identifier.ts'

/** How people and programs write the kinds of names, in any letter case. */
const KINDS: Readonly<Record<string, IdentifierKind>> = {
  dns: 'dns',
  dnsname: 'dns',
  ip: 'ip',
  ipaddress: 'ip',
  'ip address': 'ip',
  email: 'email',
  rfc822name: 'email',
  uri: 'uri',
  uniformresourceid: 'uri',
  uniformresourceidentifier: 'uri',
}

const MOST = 1000

/**
 * Names as one text: `dNSName=a.test, iPAddress=192.0.2.1` or `DNS:a.test,IP:192.0.2.1`, `email:` and `URI:` likewise; a backslash before a
 * comma or a backslash that belongs to a name. The same name twice is one. Throws PkiError('malformed').
 */
export function parseSubjectAltName(text: string): Identifier[] {
  const names = new Map<string, Identifier>()
  for (const part of partsOf(text)) {
    const { type, value } = nameIn(part)
    names.set(`${type}:${value}`, { type, value })
  }
  return [...names.values()]
}

function partsOf(text: string): string[] {
  if (/\\(?![\\,])/.test(text.replace(/\\[\\,]/g, '')))
    throw malformed('a backslash stands before a comma or another one')
  const parts = text.match(/(?:\\[\\,]|[^\\,])+|,/g) ?? []
  const values = parts.filter((part) => part !== ',')
  if (parts.length !== Math.max(values.length * 2 - 1, 0) || parts.some((part, i) => (part === ',') !== (i % 2 === 1)))
    throw malformed('names are separated by one comma each')
  if (values.length > MOST) throw malformed(`no more than ${MOST} names`)
  return values.map((part) => part.replace(/\\([\\,])/g, '$1').trim())
}

function nameIn(part: string): Identifier {
  const [, kind = '', value = ''] = /^([A-Za-z0-9 ]{1,40}?)\s*[=:]\s*(.*)$/s.exec(part) ?? []
  const type = Object.hasOwn(KINDS, kind.toLowerCase()) ? KINDS[kind.toLowerCase()] : undefined
  if (!type)
    throw malformed(`${shown(part)}: a name is dNSName=, iPAddress=, rfc822Name= or uniformResourceIdentifier=`)
  return { type, value: readers[type](value) }
}

const readers: Record<IdentifierKind, (value: string) => string> = {
  dns(value) {
    const name = value.toLowerCase()
    if (!isValidDnsName(name, { wildcard: true, underscore: true })) throw malformed(`${shown(value)} is no DNS name`)
    return name
  },
  ip(value) {
    const address = parseIp(value)
    if (!address) throw malformed(`${shown(value)} is no IP address`)
    return formatIp(address)
  },
  email(value) {
    if (!isEmail(value)) throw malformed(`${shown(value)} is no e-mail address`)
    return value
  },
  uri(value) {
    if (!/^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i.test(value)) throw malformed(`${shown(value)} is no URI`)
    return value
  },
}

/** One that a certificate can carry: ASCII, a local part, one @, a host. */
export function isEmail(value: string): boolean {
  const [local = '', host = '', more] = value.split('@')
  return (
    more === undefined && /^[\x21-\x7e]{1,64}$/.test(local) && !/[",:;<>[\]\\()]/.test(local) && isValidDnsName(host)
  )
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 60))
