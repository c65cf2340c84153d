import type { CertificateFields } from '../../pki/certificateReader.ts'
import { nameText, sameName } from '../../pki/name.ts'
import { Failure } from '../failure.ts'
import type { Finding, SignRequest } from '../request/request.ts'

/** An authority elsewhere counts from its own midnight, and backdates as it likes. */
const slack = 86_400_000

/** Throws Failure('malformed') for a certificate, made elsewhere, that is good for longer than what was approved; shorter is its authority's word. */
export function refuseLonger(
  { wanted }: SignRequest,
  { notBefore, notAfter }: Pick<CertificateFields, 'notBefore' | 'notAfter'>,
  now: Date,
): void {
  const end = wanted.notAfter ?? (wanted.notBefore ?? now.getTime()) + wanted.validity
  if (notAfter.getTime() > end + slack)
    throw new Failure(
      'malformed',
      `the certificate ends on ${notAfter.toISOString()}, and what was approved on ${new Date(end).toISOString()}`,
    )
  if (wanted.notBefore !== undefined && notBefore.getTime() < wanted.notBefore - slack)
    throw new Failure(
      'malformed',
      `the certificate begins on ${notBefore.toISOString()}, and what was approved on ${new Date(wanted.notBefore).toISOString()}`,
    )
}

/** What is worth a note about a certificate that was made elsewhere, beside what the request noted already. */
export function noticedElsewhere(
  { wanted, findings }: SignRequest,
  { subject }: Pick<CertificateFields, 'subject'>,
): Finding[] {
  if (sameName(wanted.subject, subject)) return findings
  const detail = `the certificate's subject is ${nameText(subject) || 'empty'}, asked was ${nameText(wanted.subject) || 'none'}`
  return [...findings, { by: 'policy', check: 'uploadedSubject', detail }]
}
