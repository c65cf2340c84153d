import type { Candidate, Check } from './lintCandidate.ts'
import { OID } from './oid.ts'

// RFC 9608: certificates about whose revocation nothing is published.

/**
 * The longest that such a certificate may live, in milliseconds: shorter than it takes to find, report and spread a revocation (RFC 9608
 * section 6.1). Seven days is what the CA/Browser Forum's Baseline Requirements call short-lived since 15 March 2026, both ends counted,
 * and as long as a CRL is good here by default: who keeps one would not learn of a revocation sooner.
 */
export const SHORT_LIVED = 7 * 86_400_000

const without = (candidate: Candidate): boolean => candidate.extension.has(OID.noRevAvail)

export const revocationChecks: readonly Check[] = [
  {
    check: 'no_rev_avail_not_critical',
    severity: 'error',
    source: 'RFC 9608 2',
    test: ({ extension }) => extension.get(OID.noRevAvail)?.critical === true && 'critical',
  },
  {
    check: 'no_rev_avail_not_in_ca',
    severity: 'error',
    source: 'RFC 9608 2',
    test: (candidate) => without(candidate) && candidate.basic?.ca && 'noRevAvail in a certificate of a CA',
  },
  {
    check: 'no_rev_avail_without_pointers',
    severity: 'error',
    source: 'RFC 9608 3',
    test: (candidate) => {
      if (!without(candidate)) return false
      const { extension, ocspUrls } = candidate
      if (extension.has(OID.cRLDistributionPoints)) return 'noRevAvail beside CRL distribution points'
      if (extension.has(OID.freshestCRL)) return 'noRevAvail beside freshestCRL'
      return ocspUrls.length > 0 && 'noRevAvail beside an OCSP URL'
    },
  },
  {
    check: 'no_rev_avail_short_lived',
    severity: 'error',
    source: 'RFC 9608 6.1',
    test: (candidate) => {
      const { from, until } = candidate
      const long = without(candidate) && from && until && until.getTime() - from.getTime() >= SHORT_LIVED
      return (
        long && `noRevAvail in a certificate of ${((until.getTime() - from.getTime()) / 86_400_000).toFixed(1)} days`
      )
    },
  },
]
