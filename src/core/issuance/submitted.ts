import type { Database } from '../../db/open.ts'
import { audit } from '../audit/audit.ts'
import { leftOut } from '../profile/policy.ts'
import type { SignRequest } from '../request/request.ts'
import type { KeylessOrder } from './newRequest.ts'

/**
 * Tells of an order that policy let pass, in the transaction that makes its record: certificate.request_csr.submitted where a person or his token hands a request in,
 * certificate.request_automated.submitted where a client of a protocol or the installation itself asks (docs/operate/audit.md); `again`, of one that was edited,
 * neither. What soft policies noticed is certificate.policy_soft_fail.
 */
export async function auditSubmitted(
  db: Database,
  { draft, requester, admission, now }: KeylessOrder,
  { id, organizationId }: Pick<SignRequest, 'id' | 'organizationId'>,
  again = false,
): Promise<void> {
  const about = { organizationId, subject: { kind: 'sign_request', id } } as const
  const person = requester.kind === 'user' || requester.kind === 'token'
  if (!again) {
    const details = { protocol: draft.protocol, profile: draft.profile.name, action: draft.action }
    const way = person ? 'request_csr' : 'request_automated'
    await audit(db, requester, now, { ...about, action: `certificate.${way}.submitted`, details })
  }
  const noticed = admission.findings.filter(({ by, check }) => by === 'policy' && check !== leftOut)
  if (noticed.length === 0) return
  const details = {
    protocol: draft.protocol,
    profile: draft.profile.name,
    policies: noticed.map(({ check }) => check),
    detail: noticed.map(({ detail }) => detail).join('; '),
  }
  await audit(db, requester, now, { ...about, action: 'certificate.policy_soft_fail', details })
}
