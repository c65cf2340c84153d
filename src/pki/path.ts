import { type CertificateFields, readCertificate } from './certificateReader.ts'
import { verifyIssuedBy } from './chain.ts'
import { PkiError } from './error.ts'
import { decodeGeneralNames } from './identifier.ts'
import { sameName } from './name.ts'
import { nameConstraintProblems } from './nameConstraints.ts'
import { OID } from './oid.ts'

/** What a path is looked for in. */
export interface PathSearch {
  /** Certificates that may stand between, as they came from the peer: DER, in any order. What cannot be read, or leads nowhere, is left aside. */
  others: readonly Buffer[]
  /** Each is trusted for itself. */
  anchors: readonly CertificateFields[]
  at: Date
}

/** From the certificate up to an anchor, or why there is none, for the peer to read. */
export type PathAnswer = { path: CertificateFields[] } | { problem: string }

const MAX_DEPTH = 6
/** A peer that sends many certificates with one name makes us compare them all. */
const MAX_STEPS = 32
/** Of peers, for all anchors together. */
const MAX_SIGNATURES = 16
/** Verifying by the largest RSA key that OpenSSL takes is tens of milliseconds of work. */
const MAX_RSA_BITS = 8192
const MAX_EXPONENT = 1n << 33n

/**
 * Looks for a certification path from a TLS client's certificate to a trust anchor, and validates it: RFC 5280 section 6.1 with no policies asked for.
 * Signatures, validity of each certificate and the anchor, cA and keyCertSign, path lengths, name constraints, critical extensions that are not known here, and
 * that each extended key usage allows clientAuth. Revocation is not looked at. Between leaf and anchor, RSA keys of more than 8192 bits are not taken. Never
 * throws for what a peer sent.
 */
export function findClientPath(leaf: CertificateFields, { anchors, ...search }: PathSearch): PathAnswer {
  return clientPathFinder(leaf, search)(anchors)
}

/** As findClientPath, for several sets of anchors one after the other: no signature is looked at twice, and never more than if there were one. */
export function clientPathFinder(
  leaf: CertificateFields,
  { others, at }: Omit<PathSearch, 'anchors'>,
): (anchors: PathSearch['anchors']) => PathAnswer {
  const between = others.flatMap(readable)
  const issuedBy = issuedOnce(new Set(between))
  return (anchors) => {
    let steps = MAX_STEPS
    const problems: string[] = []
    const climb = (path: CertificateFields[]): CertificateFields[] | undefined => {
      const top = path.at(-1)
      if (!top || path.length > MAX_DEPTH) return undefined
      for (const issuer of [...anchors, ...between]) {
        if (path.some(({ der }) => der.equals(issuer.der)) || !named(top, issuer)) continue
        if (steps-- <= 0) return undefined
        if (!issuedBy(top, issuer)) continue
        const longer = [...path, issuer]
        const whole = anchors.includes(issuer) ? longer : climb(longer)
        if (!whole) continue
        const problem = pathProblem(whole, at)
        if (problem === undefined) return whole
        problems.push(problem)
      }
      return undefined
    }
    const path = climb([leaf])
    return path ? { path } : { problem: problems[0] ?? 'it was not issued by an authority that is trusted here' }
  }
}

/** `issued` for each two certificates once, and for those of the peer not without end. */
function issuedOnce(ofPeer: ReadonlySet<CertificateFields>) {
  const answers = new Map<CertificateFields, Map<CertificateFields, boolean>>()
  let left = MAX_SIGNATURES
  return (child: CertificateFields, issuer: CertificateFields): boolean => {
    const ofChild = answers.get(child) ?? new Map<CertificateFields, boolean>()
    answers.set(child, ofChild)
    const known = ofChild.get(issuer)
    if (known !== undefined) return known
    if (ofPeer.has(issuer) && left-- <= 0) return false
    const answer = (!ofPeer.has(issuer) || isCheap(issuer)) && issued(child, issuer)
    ofChild.set(issuer, answer)
    return answer
  }
}

function isCheap(issuer: CertificateFields): boolean {
  try {
    const { algorithm, size, exponent = 0n } = issuer.publicKey
    return algorithm !== 'RSA' || (size <= MAX_RSA_BITS && exponent < MAX_EXPONENT)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

function readable(der: Buffer): CertificateFields[] {
  try {
    return [readCertificate(der)]
  } catch (error) {
    if (error instanceof PkiError) return []
    throw error
  }
}

function named(child: CertificateFields, issuer: CertificateFields): boolean {
  return child.issuerDer.equals(issuer.subjectDer) || sameName(child.issuer, issuer.subject)
}

function issued(child: CertificateFields, issuer: CertificateFields): boolean {
  try {
    return verifyIssuedBy(child, issuer)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

/** `path`: leaf first, anchor last. */
function pathProblem(path: readonly CertificateFields[], at: Date): string | undefined {
  let below = 0
  for (const [depth, certificate] of path.entries()) {
    const what = depth === 0 ? 'the certificate' : 'a certificate above it'
    if (certificate.notBefore > at) return `${what} is not valid yet`
    if (certificate.notAfter <= at) return `${what} has expired`
    if (hasUnknownCritical(certificate)) return `${what} has a critical extension that is not known here`
    const { extendedKeyUsage: purposes } = certificate
    if (purposes && !purposes.some((purpose) => purpose === OID.clientAuth || purpose === OID.anyExtendedKeyUsage))
      return `${what} is not for TLS clients`
    if (depth === 0 && certificate.keyUsage && !certificate.keyUsage.includes('digitalSignature'))
      return 'the certificate may not sign'
    if (depth === 0) continue
    if (certificate.pathLength !== undefined && below > certificate.pathLength)
      return 'the path is longer than a certificate in it allows'
    if (!outOfBounds(certificate, path.slice(0, depth))) {
      if (!sameName(certificate.subject, certificate.issuer)) below++
      continue
    }
    return 'its names are outside what a certificate above it allows'
  }
  return undefined
}

function outOfBounds({ nameConstraints }: CertificateFields, under: readonly CertificateFields[]): boolean {
  if (!nameConstraints) return false
  return under.some(({ subject, issuer, extensions, identifiers }, depth) => {
    // RFC 5280 section 6.1.3 (b): not a self-issued one, unless it is the last.
    if (depth > 0 && sameName(subject, issuer)) return false
    const san = extensions.find(({ oid }) => oid === OID.subjectAltName)
    const other = san ? decodeGeneralNames(san.value).other : []
    return nameConstraintProblems(nameConstraints, { subject, identifiers, other }).length > 0
  })
}

const known = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectAltName,
  OID.nameConstraints,
  OID.certificatePolicies,
])

function hasUnknownCritical({ extensions }: CertificateFields): boolean {
  return extensions.some(({ oid, critical }) => critical && !known.has(oid))
}
