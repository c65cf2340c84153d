import type { Certificate } from '../../src/core/certificate.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import { Unprocessable } from './errors.ts'
import { stateOf } from './state.ts'

/** The certificate on which an operation is allowed. Throws Unprocessable in the contract's words. */
export function requireIssued(operation: 'renew' | 'rekey' | 'revoke', record: CertificateRecord): Certificate {
  const state = stateOf(record)
  // Who has put it on hold may revoke it for good.
  const held = operation === 'revoke' && state === 'revoked' && record.certificate?.status === 'hold'
  if (state === 'pending_issue' || state === 'pending_revoke')
    throw new Unprocessable([
      `Cannot perform operation ${operation} on certificate with a pending operation. Finalize or cancel the pending operation first.`,
    ])
  if ((state !== 'issued' && !held) || !record.certificate)
    throw new Unprocessable([`Cannot perform operation ${operation} on certificate in state ${state}`])
  return record.certificate
}
