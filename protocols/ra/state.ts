import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import type { SignStatus } from '../../src/core/request/request.ts'

export const certificateStates = [
  'requested',
  'rejected',
  'pending_approval',
  'pending_issue',
  'pending_revoke',
  'failed',
  'issued',
  'revoked',
] as const
export type CertificateState = (typeof certificateStates)[number]

const beforeIssuing = {
  draft: 'requested',
  requested: 'pending_approval',
  signing: 'pending_issue',
  denied: 'rejected',
  expired: 'rejected',
  canceled: 'failed',
  failed: 'failed',
} as const satisfies Record<Exclude<SignStatus, 'signed'>, CertificateState>

/** The contract's one state of an order, its certificate and a revocation that waits (DESIGN section 2). */
export function stateOf({
  request,
  certificate,
  revocation,
}: Pick<CertificateRecord, 'request' | 'certificate' | 'revocation'>): CertificateState {
  if (!certificate) return request.status === 'signed' ? 'issued' : beforeIssuing[request.status]
  if (certificate.status === 'revoked') return 'revoked'
  if (revocation?.status === 'requested') return 'pending_approval'
  if (revocation?.status === 'revoking') return 'pending_revoke'
  // A hold is a revocation of the contract, and such a certificate is not to be trusted; lifted, it is issued again.
  return certificate.status === 'hold' ? 'revoked' : 'issued'
}
