import { randomUUID } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { PkiError } from '../pki/error.ts'
import { parseNameText } from '../pki/name.ts'
import { attributeOid } from '../pki/nameAttribute.ts'

export interface Wanted {
  profile: string
  url: string
  challenge: string
  /** RFC 4514; absent: the device's own name for itself. */
  subject?: string
  dns?: readonly string[]
  email?: string
  keySize: number
}

type Plist = string | number | Plist[] | { [key: string]: Plist | undefined }

/** signing and encryption */
const BOTH_USAGES = 5

/**
 * An Apple configuration profile with one payload of the type com.apple.security.scep, as XML property list. Throws
 * Failure('malformed').
 */
export function mobileconfig(wanted: Wanted): string {
  const { profile, challenge, keySize, dns, email } = wanted
  if (![2048, 4096].includes(keySize))
    throw new Failure('malformed', 'an RSA key of these devices has 2048 or 4096 bits')
  const alternative = { dNSName: oneOrMore(dns), rfc822Name: email }
  const identifier = `countersign.scep.${profile}`
  const scep = {
    PayloadType: 'com.apple.security.scep',
    PayloadVersion: 1,
    PayloadIdentifier: `${identifier}.certificate`,
    PayloadUUID: randomUUID().toUpperCase(),
    PayloadDisplayName: `Certificate (${profile})`,
    PayloadContent: {
      URL: checkedUrl(wanted.url),
      Name: profile,
      Challenge: challenge,
      'Key Type': 'RSA',
      'Key Usage': BOTH_USAGES,
      Keysize: keySize,
      Retries: 10,
      RetryDelay: 30,
      Subject: subjectOf(wanted.subject),
      SubjectAltName: dns?.length || email !== undefined ? alternative : undefined,
    },
  }
  return document({
    PayloadType: 'Configuration',
    PayloadVersion: 1,
    PayloadIdentifier: identifier,
    PayloadUUID: randomUUID().toUpperCase(),
    PayloadDisplayName: `Certificate enrolment (${profile})`,
    PayloadContent: [scep],
  })
}

function oneOrMore(values: readonly string[] | undefined): Plist | undefined {
  if (!values || values.length === 0) return undefined
  return values.length === 1 ? values[0] : [...values]
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url.href
  throw new Failure('malformed', '--url is like https://ca.example.org:8443/scep/NAME')
}

/** An array of RDNs, each an array of pairs of an attribute's type and its value. */
function subjectOf(text: string | undefined): Plist | undefined {
  if (text === undefined) return undefined
  try {
    const short = new Set(['CN', 'O', 'OU', 'C', 'L', 'ST'])
    return parseNameText(text).map((rdn) =>
      rdn.map(({ type, value }) => [short.has(type) ? type : attributeOid(type), value]),
    )
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause
    throw new Failure('malformed', `--subject: ${cause.message}`, { cause })
  }
}

function document(value: Plist): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    ...element(value),
    '</plist>',
    '',
  ].join('\n')
}

function element(value: Plist): string[] {
  if (typeof value === 'string') return [`<string>${escaped(value)}</string>`]
  if (typeof value === 'number') return [`<integer>${value}</integer>`]
  if (Array.isArray(value)) return ['<array>', ...value.flatMap(element), '</array>']
  const entries = Object.entries(value).flatMap(([key, inner]) =>
    inner === undefined ? [] : [`<key>${escaped(key)}</key>`, ...element(inner)],
  )
  return ['<dict>', ...entries, '</dict>']
}

/** XML 1.0 section 2.2 has no place for the other control characters. */
function escaped(text: string): string {
  if (/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(text))
    throw new Failure('malformed', 'a property list holds no control characters')
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/\r/g, '&#13;')
}
