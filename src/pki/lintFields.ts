import { TAG, type Tlv } from './der.ts'
import type { Candidate, Check } from './lintCandidate.ts'

// The fields of TBSCertificate outside its extensions.

const DAY = 86_400_000
const MIN_RSA_BITS = 2048

/** Octets of the serial without a sign octet. */
function serialLength({ tbs }: Candidate): number {
  const { value } = tbs.serial
  return value[0] === 0 ? value.length - 1 : value.length
}

function wrongTimeType({ tag }: Tlv, date: Date | undefined): boolean {
  if (!date) return false
  const year = date.getUTCFullYear()
  return tag !== (year >= 1950 && year < 2050 ? TAG.utcTime : TAG.generalizedTime)
}

function algorithmProblem({ scheme, issuer, key }: Candidate): string | false {
  if (!scheme) return 'not an algorithm that we sign with'
  const { keyType } = scheme
  const signing = issuer ? issuer.publicKey : key
  const expected = signing && ({ RSA: 'rsa', EC: 'ec', Ed25519: 'ed25519' } as const)[signing.algorithm]
  return expected !== keyType && `a signature for a key of type ${keyType}, the issuer's is ${expected}`
}

export const fieldChecks: readonly Check[] = [
  {
    check: 'version_v3',
    severity: 'error',
    source: 'RFC 5280 4.1.2.1',
    test: ({ tbs }) => tbs.version !== 3 && `version ${tbs.version}`,
  },
  {
    check: 'serial_positive',
    severity: 'error',
    source: 'RFC 5280 4.1.2.2',
    test: ({ tbs }) => {
      const { value } = tbs.serial
      return ((value[0] ?? 0x80) >= 0x80 || value.every((octet) => octet === 0)) && 'the serial number is not positive'
    },
  },
  {
    check: 'serial_at_most_20_octets',
    severity: 'error',
    source: 'RFC 5280 4.1.2.2',
    test: ({ tbs }) => tbs.serial.value.length > 20 && `the serial number has ${tbs.serial.value.length} octets`,
  },
  {
    check: 'serial_at_least_64_bits',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1',
    test: (candidate) => serialLength(candidate) < 8 && 'a serial number of less than 8 octets can be foreseen',
  },
  {
    check: 'signature_algorithm_fits_issuer_key',
    severity: 'error',
    source: 'RFC 5280 4.1.2.3',
    test: algorithmProblem,
  },
  {
    check: 'issuer_not_empty',
    severity: 'error',
    source: 'RFC 5280 4.1.2.4',
    test: ({ tbs }) => tbs.issuer.length <= 2 && 'the issuer is empty',
  },
  {
    check: 'issuer_is_subject_of_issuer',
    severity: 'error',
    source: 'RFC 5280 4.1.2.4',
    test: ({ tbs, issuer }) =>
      !tbs.issuer.equals(issuer?.subjectDer ?? tbs.subject) && "not the bytes of the issuer's subject",
  },
  {
    check: 'subject_readable',
    severity: 'error',
    source: 'RFC 5280 4.1.2.6',
    test: ({ broken }) => broken.find(({ part }) => part === 'subject')?.detail,
  },
  {
    check: 'validity_readable',
    severity: 'error',
    source: 'RFC 5280 4.1.2.5',
    test: ({ broken }) => broken.find(({ part }) => part.startsWith('not'))?.detail,
  },
  {
    check: 'validity_encoding',
    severity: 'error',
    source: 'RFC 5280 4.1.2.5',
    test: ({ tbs, from, until }) =>
      (wrongTimeType(tbs.notBefore, from) || wrongTimeType(tbs.notAfter, until)) &&
      'UTCTime serves 1950 to 2049, GeneralizedTime the rest',
  },
  {
    check: 'validity_order',
    severity: 'error',
    source: 'RFC 5280 4.1.2.5',
    test: ({ from, until }) => from && until && from >= until && 'notAfter is not after notBefore',
  },
  {
    check: 'validity_not_over',
    severity: 'error',
    source: 'RFC 5280 4.1.2.5',
    test: ({ until, now }) => until && until <= now && 'the certificate would be born expired',
  },
  {
    check: 'validity_within_issuer',
    severity: 'error',
    source: 'RFC 5280 6.1.3',
    test: ({ until, issuer }) =>
      until && issuer && until > issuer.notAfter && `the issuer ends on ${issuer.notAfter.toISOString()}`,
  },
  {
    check: 'validity_begins_within_issuer',
    severity: 'warning',
    source: 'RFC 5280 6.1.3',
    test: ({ from, issuer }) =>
      from && issuer && from < issuer.notBefore && `the issuer begins on ${issuer.notBefore.toISOString()}`,
  },
  {
    check: 'validity_within_limit',
    severity: 'error',
    source: 'CA/B Baseline Requirements 6.3.2',
    // Both ends belong to the period: RFC 5280 section 4.1.2.5.
    test: ({ from, until, maxDays }) =>
      from &&
      until &&
      maxDays !== undefined &&
      until.getTime() + 1000 - from.getTime() > maxDays * DAY &&
      `more than ${maxDays} days`,
  },
  {
    check: 'no_unique_identifiers',
    severity: 'error',
    source: 'RFC 5280 4.1.2.8',
    test: ({ tbs }) => tbs.uniqueIdentifiers && 'unique identifiers are not to be generated',
  },
  {
    check: 'public_key_readable',
    severity: 'error',
    source: 'RFC 5280 4.1.2.7',
    test: ({ broken }) => broken.find(({ part }) => part === 'public key')?.detail,
  },
  {
    check: 'rsa_key_size',
    severity: 'error',
    source: 'CA/B Baseline Requirements 6.1.5',
    test: ({ key }) =>
      key?.algorithm === 'RSA' && (key.size < MIN_RSA_BITS || key.size % 8 > 0) && `an RSA key of ${key.size} bits`,
  },
  {
    check: 'rsa_exponent',
    severity: 'error',
    source: 'CA/B Baseline Requirements 6.1.6',
    test: ({ key }) =>
      key?.exponent !== undefined &&
      (key.exponent < 3n || key.exponent % 2n === 0n) &&
      `the exponent is ${key.exponent}`,
  },
]
