import { decodeTlsFeature, STATUS_REQUEST } from './extensions.ts'
import type { Candidate, Check } from './lintCandidate.ts'
import { OID } from './oid.ts'

// Key identifiers, distribution, policies, TLS features, and rules on extensions as such.

const KNOWN = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.subjectAltName,
  OID.nameConstraints,
  OID.certificatePolicies,
  OID.policyConstraints,
  OID.policyMappings,
  OID.inhibitAnyPolicy,
  OID.cRLDistributionPoints,
  OID.authorityInfoAccess,
  OID.tlsFeature,
  OID.ocspNoCheck,
  OID.precertificatePoison,
])

const isCritical = ({ extension }: Candidate, oid: string): boolean => extension.get(oid)?.critical === true

/** A rule that an extension is not critical. */
const notCritical = (check: string, severity: Check['severity'], source: string, oid: string): Check => ({
  check,
  severity,
  source,
  test: (candidate) => isCritical(candidate, oid) && 'critical',
})

const urls = ({ crlUrls, ocspUrls, issuerUrls }: Candidate): string[] => [...crlUrls, ...ocspUrls, ...issuerUrls]

function featuresOfIssuer({ features = [], issuer }: Candidate): string | false {
  const demand = issuer?.extensions.find(({ oid }) => oid === OID.tlsFeature)
  const missing = demand ? decodeTlsFeature(demand.value).filter((feature) => !features.includes(feature)) : []
  return missing.length > 0 && `the issuer demands TLS features ${missing.join(', ')}`
}

export const extensionChecks: readonly Check[] = [
  {
    check: 'extensions_unique',
    severity: 'error',
    source: 'RFC 5280 4.2',
    test: ({ tbs, extension }) => extension.size < tbs.extensions.length && 'an extension stands twice',
  },
  {
    check: 'extensions_readable',
    severity: 'error',
    source: 'RFC 5280 4.2',
    test: ({ broken }) => {
      const found = broken.find(({ part }) => part.startsWith('extension '))
      return found && `${found.part}: ${found.detail}`
    },
  },
  {
    check: 'extensions_not_empty',
    severity: 'error',
    source: 'RFC 5280 4.2.1',
    // basicConstraints may be an empty SEQUENCE: all of it has defaults.
    test: ({ tbs }) =>
      tbs.extensions.some(({ oid, value }) => oid !== OID.basicConstraints && value.length < 3 && value[0] === 0x30) &&
      'an empty sequence',
  },
  {
    check: 'no_unknown_critical_extension',
    severity: 'error',
    source: 'RFC 5280 4.2',
    test: ({ tbs }) => {
      const unknown = tbs.extensions.find(({ oid, critical }) => critical && !KNOWN.has(oid))
      return unknown && `${unknown.oid} is critical and unknown to readers`
    },
  },
  {
    check: 'subject_key_identifier_in_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.2',
    test: ({ basic, extension }) => basic?.ca && !extension.has(OID.subjectKeyIdentifier) && 'missing',
  },
  {
    check: 'subject_key_identifier_in_leaf',
    severity: 'warning',
    source: 'RFC 5280 4.2.1.2',
    test: ({ basic, extension }) => !basic?.ca && !extension.has(OID.subjectKeyIdentifier) && 'missing',
  },
  {
    check: 'subject_key_identifier_length',
    severity: 'error',
    source: 'RFC 5280 4.2.1.2',
    test: ({ ski }) => ski !== undefined && (ski.length === 0 || ski.length > 64) && `${ski.length} octets`,
  },
  notCritical('subject_key_identifier_not_critical', 'error', 'RFC 5280 4.2.1.2', OID.subjectKeyIdentifier),
  {
    check: 'authority_key_identifier_present',
    severity: 'error',
    source: 'RFC 5280 4.2.1.1',
    test: ({ issuer, aki }) => issuer && !aki && 'the key identifier is missing',
  },
  {
    check: 'authority_key_identifier_matches_issuer',
    severity: 'error',
    source: 'RFC 5280 4.2.1.2',
    test: ({ issuer, aki, ski }) => {
      const expected = issuer ? issuer.ski : ski
      return aki && expected && !aki.equals(expected) && 'not the subject key identifier of the issuer'
    },
  },
  notCritical('authority_key_identifier_not_critical', 'error', 'RFC 5280 4.2.1.1', OID.authorityKeyIdentifier),
  notCritical('authority_info_access_not_critical', 'error', 'RFC 5280 4.2.2.1', OID.authorityInfoAccess),
  notCritical('crl_distribution_points_not_critical', 'warning', 'RFC 5280 4.2.1.13', OID.cRLDistributionPoints),
  {
    check: 'urls_are_http',
    severity: 'error',
    source: 'RFC 5280 4.2.1.13',
    test: (candidate) => {
      const bad = urls(candidate).find((url) => !/^https?:\/\/[^/?#\s]+[\x21-\x7e]*$/i.test(url))
      return bad !== undefined && `${bad || 'an empty URL'} is no HTTP URL`
    },
  },
  {
    check: 'urls_without_tls',
    severity: 'warning',
    // A reader that checks revocation of the TLS certificate there never ends.
    source: 'RFC 5280 8',
    test: (candidate) => {
      const bad = urls(candidate).find((url) => /^https:/i.test(url))
      return bad !== undefined && `${bad} needs TLS`
    },
  },
  {
    check: 'policies_unique',
    severity: 'error',
    source: 'RFC 5280 4.2.1.4',
    test: ({ policies = [] }) => new Set(policies).size < policies.length && 'a policy stands twice',
  },
  {
    check: 'name_constraints_in_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.10',
    test: ({ basic, extension }) => extension.has(OID.nameConstraints) && !basic?.ca && 'name constraints outside a CA',
  },
  {
    check: 'name_constraints_critical',
    severity: 'error',
    source: 'RFC 5280 4.2.1.10',
    test: ({ extension }) => extension.get(OID.nameConstraints)?.critical === false && 'not critical',
  },
  notCritical('tls_feature_not_critical', 'error', 'RFC 7633 4', OID.tlsFeature),
  {
    check: 'must_staple_on_servers',
    severity: 'error',
    source: 'RFC 7633 4.2.3',
    test: ({ type, features: own }) =>
      own !== undefined &&
      type !== 'server' &&
      type !== 'dual_purpose' &&
      type !== 'ca' &&
      `in a certificate of type ${type}`,
  },
  {
    check: 'must_staple_needs_ocsp',
    severity: 'error',
    source: 'RFC 7633 4.3.1',
    test: ({ type, features: own = [], ocspUrls }) =>
      type !== 'ca' &&
      own.includes(STATUS_REQUEST) &&
      ocspUrls.length === 0 &&
      'no OCSP URL to get a response to staple from',
  },
  { check: 'tls_feature_covers_issuer', severity: 'error', source: 'RFC 7633 4.2.2', test: featuresOfIssuer },
  {
    check: 'ocsp_no_check_in_responder',
    severity: 'error',
    source: 'RFC 6960 4.2.2.2.1',
    test: ({ type, extension }) =>
      type === 'ocsp' && !extension.has(OID.ocspNoCheck) && 'an OCSP responder without ocsp-nocheck',
  },
  {
    check: 'ocsp_no_check_only_in_responder',
    severity: 'error',
    source: 'RFC 6960 4.2.2.2.1',
    test: ({ type, extension }) =>
      type !== 'ocsp' && extension.has(OID.ocspNoCheck) && `ocsp-nocheck in a certificate of type ${type}`,
  },
  notCritical('ocsp_no_check_not_critical', 'error', 'RFC 6960 4.2.2.2.1', OID.ocspNoCheck),
]
