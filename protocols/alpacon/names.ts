import { domainToASCII } from 'node:url'
import type { Csr } from '../../src/pki/csr.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../../src/pki/identifier.ts'
import type { Name } from '../../src/pki/name.ts'
import { Invalid } from './errors.ts'

/** Names that an order gives, each once, as certificates carry them. Throws Invalid. */
export function identifiersOf(domains: readonly string[], addresses: readonly string[]): Identifier[] {
  const wrong: Record<string, string[]> = {}
  const names = new Map<string, Identifier>()
  const take = (field: string, type: 'dns' | 'ip', given: string, value: string | undefined) => {
    if (value === undefined)
      wrong[field] = [
        ...(wrong[field] ?? []),
        `${JSON.stringify(given.slice(0, 60))} is no ${type === 'dns' ? 'domain name' : 'IP address'}.`,
      ]
    else names.set(`${type}:${value}`, { type, value })
  }
  for (const given of domains) take('domain_list', 'dns', given, domain(given.trim()))
  for (const given of addresses) take('ip_list', 'ip', given, address(given.trim()))
  if (Object.keys(wrong).length > 0) throw new Invalid(wrong)
  return [...names.values()]
}

function domain(given: string): string | undefined {
  const ascii = /^[\x21-\x7e]+$/.test(given) ? given : domainToASCII(given)
  const name = ascii.toLowerCase()
  return isValidDnsName(name, { wildcard: true, underscore: true }) ? name : undefined
}

function address(given: string): string | undefined {
  const octets = parseIp(given)
  return octets && formatIp(octets)
}

/** Holds a CSR against the order that it is for: it may name less, never more. Throws Invalid. */
export function requireOrdered(csr: Csr, ordered: readonly Identifier[]): void {
  const known = new Set(ordered.map(({ type, value }) => `${type}:${value}`))
  const more = csr.identifiers.filter(({ type, value }) => !known.has(`${type}:${value}`)).map(({ value }) => value)
  const commonName = commonNameOf(csr.subject)
  const named = ordered.map(({ value }) => value)
  if (commonName !== undefined && !named.includes(commonName.toLowerCase())) more.push(commonName)
  if (csr.otherNames.length > 0) more.push('a name of another kind')
  if (more.length > 0)
    throw new Invalid({
      csr_text: [`The CSR names what was not ordered: ${more.slice(0, 10).join(', ').slice(0, 300)}.`],
    })
}

export function commonNameOf(subject: Name): string | undefined {
  return subject.flat().find(({ type }) => type === 'CN')?.value
}
