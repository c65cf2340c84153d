import { context } from './der.ts'
import { isValidDnsName, parseIp } from './identifier.ts'
import type { Candidate, Check } from './lintCandidate.ts'
import { nameProblems } from './name.ts'
import { nameConstraintProblems } from './nameConstraints.ts'
import { OID } from './oid.ts'

// subject and subjectAltName.

const EMAIL = context(1, false)
const DNS = context(2, false)
const URI = context(6, false)
const IP = context(7, false)
const COUNTRY = /^(?:jurisdiction)?C$/
// RFC 5321 section 4.1.2, without quoted local parts: dot-atom and a domain.
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:(?:\/\/[^/?#\s]+)?[^\s]*$/i

const texts = ({ rawNames }: Candidate, tag: number): string[] =>
  rawNames.filter((name) => name.tag === tag).map(({ value }) => value.toString('latin1'))

const listed = (what: string, bad: readonly string[]): string | false =>
  bad.length > 0 && `${what}: ${bad.slice(0, 5).join(', ')}`

/** A `*` anywhere but as the whole first label. */
const misplacedWildcard = (name: string): boolean => name.replace(/^\*\./, '').includes('*')

const common = ({ subject }: Candidate): string[] =>
  (subject ?? []).flat().flatMap(({ type, value }) => (type === 'CN' ? [value] : []))

function commonNameOutside(candidate: Candidate): string | false {
  if (candidate.type !== 'server' && candidate.type !== 'dual_purpose') return false
  const known = new Set((candidate.names?.identifiers ?? []).map(({ value }) => value.toLowerCase()))
  return listed(
    'not among the alternative names',
    common(candidate).filter((name) => !known.has(parseIp(name) ? name : name.toLowerCase())),
  )
}

function badMailbox(mailbox: string): boolean {
  const at = mailbox.lastIndexOf('@')
  return (
    mailbox.length > 254 ||
    at > 64 ||
    !LOCAL_PART.test(mailbox.slice(0, Math.max(at, 0))) ||
    !isValidDnsName(mailbox.slice(at + 1))
  )
}

function badUri(uri: string): boolean {
  return !/^[\x21-\x7e]+$/.test(uri) || !ABSOLUTE_URI.test(uri) || uri.endsWith(':') || /^https?:(?!\/\/)/i.test(uri)
}

export const nameChecks: readonly Check[] = [
  {
    check: 'subject_attribute_bounds',
    severity: 'error',
    source: 'RFC 5280 A.1',
    test: ({ subject }) =>
      subject && nameProblems(subject.map((rdn) => rdn.filter(({ type }) => !COUNTRY.test(type)))).join('; '),
  },
  {
    check: 'subject_country_code',
    severity: 'error',
    source: 'RFC 5280 A.1',
    test: ({ subject }) =>
      subject && nameProblems(subject.map((rdn) => rdn.filter(({ type }) => COUNTRY.test(type)))).join('; '),
  },
  {
    check: 'subject_in_ca',
    severity: 'error',
    source: 'RFC 5280 4.1.2.6',
    test: ({ basic, subject }) => basic?.ca && subject?.length === 0 && 'a CA without a subject',
  },
  {
    check: 'subject_is_not_issuer',
    severity: 'error',
    source: 'RFC 5280 4.1.2.6',
    test: ({ basic, tbs }) =>
      !basic?.ca && tbs.subject.equals(tbs.issuer) && 'the subject is the name of the authority',
  },
  {
    check: 'subject_one_common_name',
    severity: 'warning',
    source: 'CA/B Baseline Requirements 7.1.4.3',
    test: (candidate) => common(candidate).length > 1 && 'more than one common name',
  },
  {
    check: 'common_name_among_alternative_names',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1.4.3',
    test: commonNameOutside,
  },
  {
    check: 'alternative_name_present',
    severity: 'error',
    source: 'RFC 5280 4.1.2.6',
    test: ({ type, subject, extension }) =>
      !extension.has(OID.subjectAltName) &&
      ((subject?.length === 0 && 'neither a subject nor an alternative name') ||
        ((type === 'server' || type === 'dual_purpose') && 'a server certificate without an alternative name')),
  },
  {
    check: 'alternative_name_critical_without_subject',
    severity: 'error',
    source: 'RFC 5280 4.1.2.6',
    test: ({ subject, extension }) =>
      subject?.length === 0 &&
      extension.get(OID.subjectAltName)?.critical === false &&
      'the subject is empty and subjectAltName not critical',
  },
  {
    check: 'alternative_name_not_critical_with_subject',
    severity: 'warning',
    source: 'RFC 5280 4.2.1.6',
    test: ({ subject, extension }) =>
      subject !== undefined &&
      subject.length > 0 &&
      extension.get(OID.subjectAltName)?.critical &&
      'there is a subject and subjectAltName is critical',
  },
  {
    check: 'alternative_names_unique',
    severity: 'error',
    source: 'RFC 5280 4.2.1.6',
    test: ({ rawNames }) => {
      const keys = rawNames.map(({ tag, der }) =>
        tag === DNS ? der.toString('latin1').toLowerCase() : der.toString('latin1'),
      )
      return new Set(keys).size < keys.length && 'an alternative name stands twice'
    },
  },
  {
    check: 'dns_name_syntax',
    severity: 'error',
    source: 'RFC 5280 4.2.1.6',
    test: (candidate) =>
      listed(
        'not a host name',
        texts(candidate, DNS).filter(
          (name) => !misplacedWildcard(name) && !isValidDnsName(name, { wildcard: true, underscore: true }),
        ),
      ),
  },
  {
    check: 'dns_name_without_underscore',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1.2.7.12',
    test: (candidate) =>
      listed(
        'an underscore',
        texts(candidate, DNS).filter((name) => name.includes('_')),
      ),
  },
  {
    check: 'dns_wildcard_leftmost',
    severity: 'error',
    source: 'RFC 6125 6.4.3',
    test: (candidate) =>
      listed('a wildcard that is not the whole left-most label', texts(candidate, DNS).filter(misplacedWildcard)),
  },
  {
    check: 'dns_wildcard_below_two_labels',
    severity: 'warning',
    source: 'CA/B Baseline Requirements 3.2.2.6',
    test: (candidate) =>
      listed(
        'a wildcard for a top-level domain',
        texts(candidate, DNS).filter((name) => /^\*\.[^.]*$/.test(name)),
      ),
  },
  {
    check: 'ip_address_length',
    severity: 'error',
    source: 'RFC 5280 4.2.1.6',
    test: ({ rawNames }) =>
      rawNames.some(({ tag, value }) => tag === IP && value.length !== 4 && value.length !== 16) &&
      'an IP address of neither 4 nor 16 octets',
  },
  {
    check: 'email_syntax',
    severity: 'error',
    source: 'RFC 5280 4.2.1.6',
    test: (candidate) => listed('not a mailbox', texts(candidate, EMAIL).filter(badMailbox)),
  },
  {
    check: 'uri_absolute',
    severity: 'error',
    source: 'RFC 5280 4.2.1.6',
    test: (candidate) => listed('not an absolute URI', texts(candidate, URI).filter(badUri)),
  },
  {
    check: 'issuer_name_constraints',
    severity: 'error',
    source: 'RFC 5280 4.2.1.10',
    test: ({ issuer, subject, names }) =>
      issuer?.nameConstraints &&
      nameConstraintProblems(issuer.nameConstraints, {
        subject: subject ?? [],
        identifiers: names?.identifiers ?? [],
        other: names?.other ?? [],
      }).join('; '),
  },
]
