import { isSelfSigned } from '../../pki/certificateFacts.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { PkiError } from '../../pki/error.ts'
import { hasNoRevAvail } from '../../pki/extensions.ts'
import { nameText } from '../../pki/name.ts'
import type { CertificateStatus } from '../certificate.ts'
import type { KnownChain } from './inventoryIssuers.ts'

export const validationStatuses = [
  'not_checked',
  'failed',
  'inactive',
  'invalid',
  'valid',
  'revoked',
  'expiring',
  'expired',
] as const
export type ValidationStatus = (typeof validationStatuses)[number]

export const validationChecks = [
  'certificate_chain',
  'signature',
  'certificate_validity',
  'ocsp_verification',
  'crl_verification',
  'basic_constraints',
  'key_usage',
] as const
export type ValidationCheck = (typeof validationChecks)[number]

export interface CheckResult {
  status: ValidationStatus
  message: string
}

export interface Validation {
  status: ValidationStatus
  message: string
  checks: Record<ValidationCheck, CheckResult>
}

/** What a certificate is looked at with. */
export interface ValidationInput {
  /** DER. */
  der: Buffer
  status: CertificateStatus
  revocationReason?: string
  /** Signed by nobody of ours: nothing is known here about its revocation. */
  foreign: boolean
  chain: KnownChain
  /** The certificate of the authority that has issued it is revoked. */
  withdrawn: boolean
  now: Date
  /** Days before its end in which it is expiring. */
  expiringThreshold: number
}

const day = 86_400_000

/** Looks at a certificate as it stands now. Pure; never throws for what a certificate holds. */
export function validate(input: ValidationInput): Validation {
  const fields = readCertificate(input.der)
  const checks: Record<ValidationCheck, CheckResult> = {
    certificate_chain: chainOf(input),
    signature: signatureOf(fields, input.chain),
    certificate_validity: validityOf(fields, input),
    ocsp_verification: revocationOf(fields, input, 'OCSP'),
    crl_verification: revocationOf(fields, input, 'its CRL'),
    basic_constraints: constraintsOf(fields, input.chain),
    key_usage: usageOf(fields, input.chain),
  }
  return { ...overall(checks), checks }
}

/** What a certificate is, by the worst that was found of it: revoked before expired before anything that may be mended. */
const order: readonly ValidationStatus[] = ['revoked', 'expired', 'inactive', 'invalid', 'failed', 'expiring', 'valid']

function overall(checks: Record<ValidationCheck, CheckResult>): CheckResult {
  const results = Object.values(checks)
  for (const status of order) {
    const found = results.find((result) => result.status === status)
    if (found) return status === 'valid' ? valid('all that could be checked is well') : found
  }
  return { status: 'not_checked', message: 'nothing could be checked' }
}

const valid = (message: string): CheckResult => ({ status: 'valid', message })
const invalid = (message: string): CheckResult => ({ status: 'invalid', message })

function chainOf({ chain, foreign, now, withdrawn }: ValidationInput): CheckResult {
  const { issuers, complete } = chain
  const ended = issuers.find(({ fields }) => fields.notAfter <= now)
  if (withdrawn) return invalid('the certificate of its authority is revoked')
  if (ended) return invalid(`a certificate above it has ended: ${nameText(ended.fields.subject)}`)
  if (!foreign) return valid('it was issued by an authority of this installation')
  if (!complete) return invalid('the chain is not complete: the issuer of the last certificate is not known here')
  const trusted = issuers.some((issuer) => issuer.ours || issuer.trusted)
  return trusted ? valid('the chain ends at a trusted certificate') : invalid('nobody said that the root is trusted')
}

function signatureOf(fields: CertificateFields, { issuers: [issuer] }: KnownChain): CheckResult {
  if (!issuer)
    return isSelfSigned(fields)
      ? valid('it is signed by its own key')
      : { status: 'not_checked', message: 'its issuer is not known here' }
  try {
    if (verifyIssuedBy(fields, issuer.fields)) return valid(`it is signed by ${nameText(issuer.fields.subject)}`)
    return invalid(`it is not signed by ${nameText(issuer.fields.subject)}`)
  } catch (error) {
    if (error instanceof PkiError) return { status: 'failed', message: error.message }
    throw error
  }
}

function validityOf(
  { notBefore, notAfter }: CertificateFields,
  { now, expiringThreshold }: ValidationInput,
): CheckResult {
  if (notBefore > now) return { status: 'inactive', message: `it is valid from ${notBefore.toISOString()} on` }
  if (notAfter <= now) return { status: 'expired', message: `it has ended on ${notAfter.toISOString()}` }
  const end = `it ends on ${notAfter.toISOString()}`
  if (notAfter.getTime() - now.getTime() <= expiringThreshold * day) return { status: 'expiring', message: end }
  return valid(end)
}

/** Of ours by our own records, from which OCSP and CRLs are made. */
function revocationOf(
  { extensions }: CertificateFields,
  { foreign, status, revocationReason }: ValidationInput,
  where: string,
): CheckResult {
  if (foreign) return { status: 'not_checked', message: 'authorities of others are not asked from here' }
  if (hasNoRevAvail(extensions)) return { status: 'not_checked', message: 'nothing is published about it (noRevAvail)' }
  if (status === 'issued') return valid(`${where} does not say that it is revoked`)
  const why = status === 'hold' ? 'on hold' : `revoked${revocationReason === undefined ? '' : `: ${revocationReason}`}`
  return { status: 'revoked', message: `${where} says that it is ${why}` }
}

/** RFC 5280 section 6.1.4 (k) to (m). */
function constraintsOf({ isCa, pathLength, keyUsage }: CertificateFields, { issuers }: KnownChain): CheckResult {
  if (!isCa && pathLength !== undefined) return invalid('it limits a path, and is no CA')
  if (!isCa && keyUsage?.includes('keyCertSign'))
    return invalid('it may sign certificates by its key usage, and is no CA')
  for (const [index, { fields }] of issuers.entries()) {
    const what = nameText(fields.subject)
    if (!fields.isCa) return invalid(`${what} is above it and no CA`)
    const below = issuers
      .slice(0, index)
      .filter((issuer) => !issuer.fields.issuerDer.equals(issuer.fields.subjectDer)).length
    const between = below + (isCa ? 1 : 0)
    if (fields.pathLength !== undefined && between > fields.pathLength)
      return invalid(`the path below ${what} is too long`)
  }
  return valid(isCa ? 'it is a CA' : 'it is no CA')
}

/** RFC 5280 section 6.1.4 (n). */
function usageOf({ isCa, keyUsage }: CertificateFields, { issuers }: KnownChain): CheckResult {
  const wrong = issuers.find(({ fields }) => fields.keyUsage && !fields.keyUsage.includes('keyCertSign'))
  if (wrong) return invalid(`${nameText(wrong.fields.subject)} may not sign certificates`)
  if (isCa && keyUsage && !keyUsage.includes('keyCertSign')) return invalid('it is a CA that may not sign certificates')
  return valid(keyUsage ? `its key is for ${keyUsage.join(', ')}` : 'it does not say what its key is for')
}
