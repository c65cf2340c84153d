import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readKeptCsr } from '../../src/pki/csr.ts'
import { nameText } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { certificateTypes, typeOf } from './certificateType.ts'
import { when } from './fields.ts'
import { commonNameOf } from './subjectName.ts'

const DAY = 86_400_000

/** Certificate; while it waits there is none, and its status is `pending`. */
export const certificate = z.object({
  id: z.int(),
  common_name: z.string(),
  subject_dn: z.string(),
  certificate_type: z.enum(certificateTypes),
  key_size: z.int().nullable(),
  valid_days: z.int(),
  status: z.enum(['valid', 'revoked', 'expired', 'pending']),
  certificate: z.string().nullable(),
  serial_number: z.string().nullable(),
  not_before: when.nullable(),
  not_after: when.nullable(),
  revoked_at: when.nullable(),
  created_at: when,
  updated_at: when,
  issuer_id: z.int(),
  organization_id: z.int(),
  created_by_user_id: z.int().nullable(),
})
export type CertificateAnswer = z.output<typeof certificate>

/** An order with what came of it, as the contract shows a certificate. */
export function showCertificate({ request, certificate, authority }: CertificateRecord, now: Date): CertificateAnswer {
  const { wanted, requester } = request
  const common = {
    id: request.id,
    certificate_type: typeOf(wanted.type),
    created_at: request.createdAt.toISOString(),
    updated_at: request.updatedAt.toISOString(),
    issuer_id: authority.id,
    organization_id: request.organizationId,
    created_by_user_id: requester.people[0] ?? null,
  }
  if (!certificate)
    return {
      ...common,
      common_name: commonNameOf(wanted.subject) ?? '',
      subject_dn: nameText(wanted.subject),
      key_size: request.csr ? readKeptCsr(request.csr).publicKey.size : null,
      valid_days: Math.round(wanted.validity / DAY),
      status: 'pending',
      certificate: null,
      serial_number: null,
      not_before: null,
      not_after: null,
      revoked_at: null,
    }
  const { subject, publicKey, notBefore, notAfter } = readCertificate(certificate.der)
  return {
    ...common,
    common_name: commonNameOf(subject) ?? '',
    subject_dn: nameText(subject),
    key_size: publicKey.size,
    valid_days: Math.round((notAfter.getTime() - notBefore.getTime()) / DAY),
    status: statusOf(certificate.status, notAfter, now),
    certificate: pemEncode('CERTIFICATE', certificate.der),
    serial_number: certificate.serial,
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
    revoked_at: certificate.revokedAt?.toISOString() ?? null,
  }
}

/** A certificate on hold must not be trusted either: the contract has no other word. */
function statusOf(status: 'issued' | 'hold' | 'revoked', notAfter: Date, now: Date): 'valid' | 'revoked' | 'expired' {
  if (status !== 'issued') return 'revoked'
  return notAfter <= now ? 'expired' : 'valid'
}

/** What the contract answers to who asks for a certificate that is not there: 202 while it waits. Throws Failure for an order that came to nothing. */
export function statusFor({ request, certificate }: CertificateRecord, made: 200 | 201): 200 | 201 | 202 {
  if (certificate) return made
  switch (request.status) {
    case 'draft':
    case 'requested':
    case 'signing':
      return 202
    case 'signed':
      throw new Failure('notFound', 'Certificate not found')
    case 'denied':
    case 'expired':
    case 'canceled':
      throw new Failure('forbidden', `No certificate was issued: ${request.reason ?? request.status}`)
    case 'failed':
      throw new Failure('unavailable', `No certificate could be issued: ${request.reason ?? 'ask an administrator'}`)
  }
}
