import type { KeyUsage } from './extensions.ts'
import type { Candidate, Check } from './lintCandidate.ts'
import { OID } from './oid.ts'
import type { KeyAlgorithm } from './publicKey.ts'

// basicConstraints, keyUsage and extKeyUsage against the type of the certificate, its key and its issuer.

const CA_USAGES: readonly KeyUsage[] = ['digitalSignature', 'contentCommitment', 'keyCertSign', 'cRLSign']

const FITTING: Record<KeyAlgorithm, readonly KeyUsage[]> = {
  RSA: [...CA_USAGES, 'keyEncipherment', 'dataEncipherment'],
  EC: [...CA_USAGES, 'keyAgreement', 'encipherOnly', 'decipherOnly'],
  Ed25519: CA_USAGES,
}

const has = ({ usage }: Candidate, ...usages: KeyUsage[]): boolean => usages.some((one) => usage?.includes(one))

function purposeProblem({ type, purposes = [] }: Candidate): string | false {
  const server = purposes.includes(OID.serverAuth)
  const client = purposes.includes(OID.clientAuth)
  switch (type) {
    case 'server':
      return (!server || client) && 'a server certificate needs serverAuth and not clientAuth'
    case 'registration_authority':
      return !(client && purposes.includes(OID.cmcRA)) && 'a registration authority needs clientAuth and cmcRA'
    case 'client':
      return (purposes.length === 0 || server) && 'a client certificate needs a purpose and not serverAuth'
    case 'dual_purpose':
      return !(server && client) && 'a dual purpose certificate needs serverAuth and clientAuth'
    case 'ocsp':
      return (
        (purposes.length !== 1 || purposes[0] !== OID.OCSPSigning) &&
        'an OCSP responder needs OCSPSigning and nothing else'
      )
    case 'message':
      return purposes.length > 0 && 'a message key has no extended purpose'
    case 'ca':
      return false
  }
}

function usageProblem(candidate: Candidate): string | false {
  if (!candidate.usage) return false
  switch (candidate.type) {
    case 'ca':
      return !has(candidate, 'keyCertSign') && 'a CA needs keyCertSign'
    case 'ocsp':
      return !has(candidate, 'digitalSignature', 'contentCommitment') && 'an OCSP responder needs digitalSignature'
    case 'server':
    case 'dual_purpose':
      return (
        !has(candidate, 'digitalSignature', 'keyEncipherment', 'keyAgreement') &&
        'a TLS server needs digitalSignature, keyEncipherment or keyAgreement'
      )
    case 'message':
      return (
        !(has(candidate, 'digitalSignature') && has(candidate, 'keyEncipherment')) &&
        'a message key needs digitalSignature and keyEncipherment'
      )
    case 'client':
    case 'registration_authority':
      return false
  }
}

function pathProblem({ basic, issuer, tbs }: Candidate): string | false {
  const limit = issuer?.pathLength
  // Self-issued certificates do not count, RFC 5280 section 4.2.1.9.
  if (limit === undefined || !basic?.ca || tbs.subject.equals(tbs.issuer)) return false
  if (limit === 0) return 'the issuer may not issue CA certificates'
  return basic.pathLength !== undefined && basic.pathLength >= limit && `the issuer allows a path length below ${limit}`
}

export const usageChecks: readonly Check[] = [
  {
    check: 'basic_constraints_fit_type',
    severity: 'error',
    source: 'RFC 5280 4.2.1.9',
    test: ({ type, basic }) =>
      (basic?.ca ?? false) !== (type === 'ca') && `cA is ${basic?.ca ?? false} in a certificate of type ${type}`,
  },
  {
    check: 'basic_constraints_critical_in_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.9',
    test: ({ basic, extension }) => basic?.ca && !extension.get(OID.basicConstraints)?.critical && 'not critical',
  },
  {
    check: 'path_length_needs_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.9',
    test: (candidate) =>
      candidate.basic?.pathLength !== undefined &&
      !(candidate.basic.ca && has(candidate, 'keyCertSign')) &&
      'a path length without cA and keyCertSign',
  },
  { check: 'path_length_below_issuer', severity: 'error', source: 'RFC 5280 6.1.4', test: pathProblem },
  {
    check: 'issuer_may_sign_certificates',
    severity: 'error',
    source: 'RFC 5280 6.1.4',
    test: ({ issuer }) =>
      issuer &&
      !(issuer.isCa && (issuer.keyUsage?.includes('keyCertSign') ?? true)) &&
      'the issuer is no CA or lacks keyCertSign',
  },
  {
    check: 'key_usage_in_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.3',
    test: ({ type, extension }) => type === 'ca' && !extension.has(OID.keyUsage) && 'a CA without keyUsage',
  },
  {
    check: 'key_usage_not_empty',
    severity: 'error',
    source: 'RFC 5280 4.2.1.3',
    test: ({ usage }) => usage?.length === 0 && 'no bit is set',
  },
  {
    check: 'key_usage_critical',
    severity: 'warning',
    source: 'RFC 5280 4.2.1.3',
    test: ({ extension }) => extension.get(OID.keyUsage)?.critical === false && 'not critical',
  },
  {
    check: 'key_cert_sign_needs_ca',
    severity: 'error',
    source: 'RFC 5280 4.2.1.9',
    test: (candidate) => has(candidate, 'keyCertSign') && !candidate.basic?.ca && 'keyCertSign without cA',
  },
  {
    check: 'crl_sign_needs_ca',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1.2.7.11',
    test: (candidate) => has(candidate, 'cRLSign') && !candidate.basic?.ca && 'cRLSign without cA',
  },
  {
    check: 'key_usage_fits_key',
    severity: 'error',
    source: 'RFC 5480 3, RFC 8410 5',
    test: ({ key, usage = [] }) => {
      const wrong = key ? usage.filter((one) => !FITTING[key.algorithm].includes(one)) : []
      return wrong.length > 0 && `an ${key?.algorithm} key cannot serve ${wrong.join(', ')}`
    },
  },
  {
    check: 'encipher_only_needs_key_agreement',
    severity: 'error',
    source: 'RFC 5280 4.2.1.3',
    test: (candidate) =>
      has(candidate, 'encipherOnly', 'decipherOnly') &&
      !has(candidate, 'keyAgreement') &&
      'no meaning without keyAgreement',
  },
  { check: 'key_usage_fits_type', severity: 'error', source: 'RFC 5280 4.2.1.12', test: usageProblem },
  { check: 'extended_key_usage_fits_type', severity: 'error', source: 'RFC 5280 4.2.1.12', test: purposeProblem },
  {
    check: 'extended_key_usage_within_issuer',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1.2.10.6',
    test: ({ type, issuer, purposes = [] }) => {
      const allowed = issuer?.extendedKeyUsage
      // Responders are delegated by the authority itself; no program asks for OCSPSigning in the authority's own purposes.
      if (!allowed || type === 'ocsp' || allowed.includes(OID.anyExtendedKeyUsage)) return false
      const outside = purposes.filter((purpose) => !allowed.includes(purpose))
      return outside.length > 0 && `outside the issuer's purposes: ${outside.join(', ')}`
    },
  },
  {
    check: 'extended_key_usage_unique',
    severity: 'error',
    source: 'CA/B Baseline Requirements 7.1.2.7.10',
    test: ({ purposes = [] }) => new Set(purposes).size < purposes.length && 'a purpose stands twice',
  },
  {
    check: 'any_extended_key_usage',
    severity: 'warning',
    source: 'RFC 5280 4.2.1.12',
    test: ({ type, purposes, extension }) =>
      purposes?.includes(OID.anyExtendedKeyUsage) &&
      (type !== 'ca' || extension.get(OID.extKeyUsage)?.critical) &&
      'anyExtendedKeyUsage lets the certificate serve everything',
  },
]
