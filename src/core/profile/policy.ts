import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { type Name, nameProblems as subjectProblems } from '../../pki/name.ts'
import type { PublicKeyInfo } from '../../pki/publicKey.ts'
import { weakKeyFindings } from '../../pki/weakKey.ts'
import { Failure, type Problem } from '../failure.ts'
import type { Finding, SignDraft, WantedCertificate } from '../request/request.ts'
import { extensionProblems, mustStapleAsked } from './csrExtensions.ts'
import { nameProblems } from './names.ts'
import type { CertificateProfile, PolicyName, ProfileSettings } from './profile.ts'
import { subjectOf } from './subject.ts'

/** The check of a finding about what a CSR asked for and does not get: it widens nothing. */
export const leftOut = 'leftOut'

export interface Refusal extends Problem {
  policy: PolicyName
}

/** What policy makes of an order: the certificate to be, what soft policies noticed, and what hard ones refuse. */
export interface Admission {
  wanted: WantedCertificate
  findings: Finding[]
  refusals: Refusal[]
}

/** What policy looks at of a request, whose key need not be made yet: of that its kind is enough. */
export type AskedCsr = Pick<Csr, 'subject' | 'identifiers' | 'extensions'> & { publicKey: AskedKey }
export type AskedKey = Pick<PublicKeyInfo, 'algorithm' | 'size' | 'curve' | 'modulus' | 'exponent' | 'point'>

export type Asked = Pick<
  SignDraft,
  'identifiers' | 'notBefore' | 'notAfter' | 'subject' | 'requestedSubject' | 'pathLength' | 'nameConstraints'
>

/**
 * Holds an order against its profile. Pure: no database, no clock. Throws Failure('badKey') for a key that is weak,
 * which no setting allows; everything else is in the answer, sorted by the profile's enforcement.
 */
export function admit(settings: ProfileSettings, csr: AskedCsr, asked: Asked, now: Date): Admission {
  refuseWeakKey(csr.publicKey)
  const { certificate } = settings
  const identifiers = asked.identifiers ?? csr.identifiers
  const { type } = certificate
  const pathLength = asked.pathLength ?? certificate.pathLength
  const mustStaple = mustStapleAsked(csr)
  const extensions = extensionProblems(certificate, type, csr)
  const problems: Refusal[] = [
    ...named('keyAlgorithm', keyProblems(certificate.keys, csr.publicKey)),
    ...orderProblems(settings, identifiers, asked, now),
    ...named('extensions', extensions.refused),
  ]
  if (mustStaple && !staples(certificate)) {
    problems.push({
      policy: 'mustStaple',
      at: 'csr',
      code: 'badCsr',
      detail: certificate.noRevAvail
        ? 'this profile issues certificates without OCSP (noRevAvail): there would be nothing to staple'
        : 'this profile issues no must-staple certificates',
    })
  }
  const requested = { subject: asked.requestedSubject ?? csr.subject }
  const subject = subjectOf(certificate, requested, identifiers, asked.subject)
  refuseSubject(subject)
  if (subject.length === 0 && identifiers.length === 0)
    throw new Failure(
      'badCsr',
      'the order names nobody: a certificate has a subject, or names in subjectAltName, or both',
    )
  const soft = (problem: Refusal) => settings.enforcement[problem.policy] === 'soft'
  return {
    wanted: {
      type,
      subject,
      identifiers,
      ...(asked.notBefore ? { notBefore: asked.notBefore.getTime() } : {}),
      ...(asked.notAfter ? { notAfter: asked.notAfter.getTime() } : {}),
      validity: certificate.validity.default,
      backdate: certificate.validity.backdate,
      mustStaple: mustStaple && staples(certificate),
      ...(certificate.noRevAvail ? { noRevAvail: true } : {}),
      ...(type === 'ca' && pathLength !== undefined ? { pathLength } : {}),
      ...(type === 'ca' && asked.nameConstraints ? { nameConstraints: asked.nameConstraints } : {}),
    },
    findings: [
      ...problems.filter(soft).map(({ policy, detail }): Finding => ({ by: 'policy', check: policy, detail })),
      ...extensions.left.map(({ detail }): Finding => ({ by: 'policy', check: leftOut, detail })),
    ],
    refusals: problems.filter((problem) => !soft(problem)),
  }
}

const staples = ({ mustStaple, noRevAvail }: CertificateProfile): boolean => mustStaple === 'honour' && !noRevAvail

/** RFC 5280 appendix A: what no certificate could carry is said now, and not after people have approved it. */
function refuseSubject(subject: Name): void {
  const [first, ...more] = subjectProblems(subject)
  if (first === undefined) return
  const problems = [first, ...more].map((detail) => ({ at: 'subject', code: 'badCsr' as const, detail }))
  throw new Failure('badCsr', `the subject cannot be certified: ${first}`, { problems })
}

/** The part of policy that needs no key: names and times. What an ACME newOrder is held against. */
export function orderProblems(
  settings: ProfileSettings,
  identifiers: readonly Identifier[],
  period: { notBefore?: Date | undefined; notAfter?: Date | undefined },
  now: Date,
): Refusal[] {
  const { names, validity, overrides } = settings.certificate
  const problems = named('names', nameProblems(names, identifiers))
  if (identifiers.length > names.max) {
    const detail = `${identifiers.length} names are more than the ${names.max} that this profile puts into one certificate`
    problems.push({ policy: 'nameCount', at: 'identifiers', code: 'malformed', detail })
  }
  const detail = periodProblem(validity, overrides, period, now)
  if (detail !== undefined) problems.push({ policy: 'validity', at: 'notAfter', code: 'malformed', detail })
  return problems
}

function periodProblem(
  validity: CertificateProfile['validity'],
  overrides: CertificateProfile['overrides'],
  period: { notBefore?: Date | undefined; notAfter?: Date | undefined },
  now: Date,
): string | undefined {
  if (!period.notBefore && !period.notAfter) return undefined
  if (!overrides.includes('validity'))
    return 'this profile sets the validity itself: ask without notBefore and notAfter'
  const begin = period.notBefore?.getTime() ?? now.getTime()
  const end = period.notAfter?.getTime() ?? begin + validity.default
  const earliest = now.getTime() - Math.max(validity.backdate, 300_000)
  if (begin < earliest) return `notBefore may not lie before ${new Date(earliest).toISOString()}`
  if (end <= begin || end <= now.getTime()) return 'notAfter must lie in the future and after notBefore'
  if (end - begin > validity.max) return `at most ${text(validity.max)} may be asked of this profile`
  if (begin > now.getTime() + validity.max) return 'notBefore lies too far in the future'
  return undefined
}

function text(milliseconds: number): string {
  const hours = milliseconds / 3_600_000
  return hours >= 48 ? `${Math.floor(hours / 24)} days` : `${hours.toFixed(1)} hours`
}

/** Throws Failure('badKey') naming each check that the key fails. */
export function refuseWeakKey(key: AskedKey): void {
  const [first, ...more] = weakKeyFindings(key)
  if (!first) return
  const problems = [first, ...more].map(({ check, detail }) => ({ at: check, code: 'badKey' as const, detail }))
  throw new Failure('badKey', `${first.detail}; make a new key`, { problems })
}

function keyProblems(rules: CertificateProfile['keys'], key: AskedKey): Problem[] {
  const detail = keyProblem(rules, key)
  return detail === undefined ? [] : [{ at: 'key', code: 'badKey', detail }]
}

function keyProblem(rules: CertificateProfile['keys'], key: AskedKey): string | undefined {
  switch (key.algorithm) {
    case 'RSA':
      if (!rules.rsa) return 'this profile takes no RSA keys'
      return key.size >= rules.rsa.min && key.size <= rules.rsa.max
        ? undefined
        : `RSA keys of ${rules.rsa.min} to ${rules.rsa.max} bits are taken, this one has ${key.size}`
    case 'EC':
      return rules.ec.some((curve) => curve === key.curve)
        ? undefined
        : `this profile takes EC keys on ${rules.ec.join(', ') || 'no curve'}, this one is on ${key.curve}`
    case 'Ed25519':
      return rules.ed25519 ? undefined : 'this profile takes no Ed25519 keys'
  }
}

function named(policy: PolicyName, problems: Problem[]): Refusal[] {
  return problems.map((problem) => ({ ...problem, policy }))
}
