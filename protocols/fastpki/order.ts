import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import { showCertificate, statusFor } from './certificateView.ts'
import type { Call, Reply } from './operation.ts'
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

/** When a certificate ends of which so many days are asked; absent: as the profile has it. */
export function endOf(
  { host }: Pick<Call, 'host'>,
  asked: number | null | undefined,
  usual: number | undefined,
): { notAfter?: Date } {
  const days = asked ?? usual
  return days == null ? {} : { notAfter: new Date(host.clock().getTime() + days * DAY) }
}

/** 201 with the certificate; 202 with the id alone while somebody has to decide. Throws Failure where somebody has: no. */
export async function answerOf(call: Pick<Call, 'door' | 'host'>, { id }: SignRequest): Promise<Reply> {
  const record = await findRecord(call, id)
  return { status: statusFor(record, 201), body: showCertificate(record, call.host.clock()) }
}
