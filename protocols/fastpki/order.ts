import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { CertificateFields } from '../../src/pki/certificateReader.ts'
import { showCertificate, statusFor } from './certificateView.ts'
import type { Call, Reply } from './operation.ts'
import type { FastpkiOptions } from './options.ts'
import { findRecord } from './record.ts'

const DAY = 86_400_000

/** A client that sends an Idempotency-Key gets the same record again, however often it asks. */
export function orderRef({ incoming, requester }: { incoming: IncomingMessage; requester: Requester }): string {
  const key = incoming.headers['idempotency-key']
  if (key === undefined) return randomUUID()
  if (typeof key !== 'string' || key === '' || key.length > 255)
    throw new Failure('malformed', 'An Idempotency-Key has 1 to 255 characters')
  return `key ${createHash('sha256').update(`${requester.kind} ${requester.ref} ${key}`).digest('base64url')}`
}

/** The contract's. */
const USUAL_DAYS = 365

interface Ending {
  asked: number | null | undefined
  profile: RaProfile
  options: FastpkiOptions
  /** The authority's own certificate. */
  issuer: Pick<CertificateFields, 'notAfter'>
}

/**
 * When a certificate ends: after the days that are asked, or those of the options; else after a year, or as soon as the profile or its authority demands. A profile
 * that sets the validity itself is not asked.
 */
export function endOf({ host }: Pick<Call, 'host'>, { asked, profile, options, issuer }: Ending): { notAfter?: Date } {
  const now = host.clock().getTime()
  const days = asked ?? options.validDays
  if (days != null) return { notAfter: new Date(now + days * DAY) }
  const { overrides, validity } = profile.settings.certificate
  if (!overrides.includes('validity')) return {}
  return { notAfter: new Date(Math.min(now + USUAL_DAYS * DAY, now + validity.max, issuer.notAfter.getTime())) }
}

/** 201 with the certificate; 202 with the id alone while somebody has to decide. Throws Failure where somebody has: no. */
export async function answerOf(call: Pick<Call, 'door' | 'host'>, { id }: SignRequest): Promise<Reply> {
  const record = await findRecord(call, id)
  return { status: statusFor(record, 201), body: showCertificate(record, call.host.clock()) }
}
