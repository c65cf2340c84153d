import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../../src/pki/identifier.ts'
import type { CertificateType } from './certificateType.ts'
import { text } from './fields.ts'

const names = z.array(text(300)).max(1000).nullish()

/** The contract's three lists. */
export const sanFields = { san_dns_names: names, san_ip_addresses: names, san_email_addresses: names }

export interface SanFields {
  san_dns_names?: readonly string[] | null | undefined
  san_ip_addresses?: readonly string[] | null | undefined
  san_email_addresses?: readonly string[] | null | undefined
}

/** Whether one of the lists was given, empty or not: then the names of a CSR do not count. */
export function givesNames(given: SanFields): boolean {
  return (given.san_dns_names ?? given.san_ip_addresses ?? given.san_email_addresses) != null
}

/** What the lists ask for. Throws Failure('malformed') for what is no such name. */
export function namesOf(given: SanFields): Identifier[] {
  return [
    ...(given.san_dns_names ?? []).map(dns),
    ...(given.san_ip_addresses ?? []).map(ip),
    ...(given.san_email_addresses ?? []).map(email),
  ]
}

function dns(value: string): Identifier {
  const name = value.toLowerCase()
  if (isValidDnsName(name, { wildcard: true })) return { type: 'dns', value: name }
  throw new Failure('malformed', `san_dns_names: ${value.slice(0, 100)} is no DNS name (in A-labels)`)
}

function ip(value: string): Identifier {
  const address = parseIp(value)
  if (address) return { type: 'ip', value: formatIp(address) }
  throw new Failure('malformed', `san_ip_addresses: ${value.slice(0, 100)} is no IP address`)
}

function email(value: string): Identifier {
  if (isEmail(value)) return { type: 'email', value }
  throw new Failure('malformed', `san_email_addresses: ${value.slice(0, 100)} is no e-mail address`)
}

const isEmail = (value: string): boolean => z.email().safeParse(value).success

/** The contract's: names of these kinds are refused in certificates of a type. */
const refused: Record<CertificateType, readonly Identifier['type'][]> = {
  server: ['email'],
  client: ['dns', 'ip'],
  ca: [],
  dual_purpose: [],
}

const kinds = { dns: 'DNS', ip: 'IP', email: 'email', uri: 'URI' } as const

/** Throws Failure('rejectedIdentifier') for names that certificates of that type do not have. */
export function refuseByType(type: CertificateType, names: readonly Identifier[]): void {
  const wrong = names.find((name) => refused[type].includes(name.type))
  if (wrong)
    throw new Failure(
      'rejectedIdentifier',
      `${kinds[wrong.type]} SANs are not allowed on ${type} certificates: ${wrong.value}`,
    )
}

/** The contract's defaults, where no names were asked: the common name, if it is one of the kind that the type is about. */
export function defaultNames(type: CertificateType, commonName: string, asked: readonly Identifier[]): Identifier[] {
  const name = commonName.toLowerCase()
  if (type === 'server' || type === 'dual_purpose')
    return !asked.some((one) => one.type === 'dns') && isValidDnsName(name, { wildcard: true })
      ? [{ type: 'dns', value: name }]
      : []
  if (type === 'client')
    return !asked.some((one) => one.type === 'email') && isEmail(commonName)
      ? [{ type: 'email', value: commonName }]
      : []
  return []
}

/** Programs that look at names alone must find the common name among them. Throws Failure('rejectedIdentifier'). */
export function requireCommonName(
  type: CertificateType,
  commonName: string | undefined,
  names: readonly Identifier[],
): void {
  if (commonName === undefined || (type !== 'server' && type !== 'dual_purpose')) return
  const wanted = ipText(commonName) ?? commonName.toLowerCase()
  if (names.some(({ value }) => value.toLowerCase() === wanted)) return
  throw new Failure(
    'rejectedIdentifier',
    `The common name ${commonName} of a ${type} certificate must stand among its SANs: add it to san_dns_names or san_ip_addresses`,
  )
}

function ipText(value: string): string | undefined {
  const address = parseIp(value)
  return address && formatIp(address)
}
