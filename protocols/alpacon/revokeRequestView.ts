import type { RequestDetail } from '../../src/core/listing/listing.ts'
import { type RevocationReason, reasonCodes } from '../../src/pki/reason.ts'
import { authoritiesOf } from './authorityView.ts'
import type { Call } from './operation.ts'
import { revokeStatus } from './requestStatus.ts'
import { asUnread, ifThere, nameIn, voterOf } from './signRequestView.ts'
import { personView } from './userView.ts'

type Reading = Pick<Call, 'door'>

/** Revocations as a list shows them; one that is gone meanwhile is left out. */
export async function revokeRequestRows({ door }: Reading, refs: readonly (string | number)[]) {
  const authorities = await authoritiesOf(door)
  const details = await Promise.all(refs.map((ref) => ifThere(door.list.request(ref, 'revoke'))))
  return Promise.all(details.flatMap((detail) => (detail ? [rowOf({ door }, detail, authorities)] : [])))
}

/** One revocation in full: with who decided on it. Throws Failure('notFound'). */
export async function revokeRequestView({ door }: Reading, id: string) {
  const detail = await door.list.request(id, 'revoke')
  const [authorities, { votes, comments }] = await Promise.all([
    authoritiesOf(door),
    door.approvals.review('revoke', id).catch(asUnread),
  ])
  return {
    ...(await rowOf({ door }, detail, authorities)),
    requested_reason: comments[0]?.text ?? '',
    approved_by: voterOf(votes, 'approve'),
    denied_by: voterOf(votes, 'deny'),
  }
}

async function rowOf({ door }: Reading, detail: RequestDetail, authorities: Awaited<ReturnType<typeof authoritiesOf>>) {
  const { uuid, certificate, code } = detail
  const { organization: _, ...authority } = authorities(detail.authority)
  const known = certificate ? await door.findCertificate({ id: certificate.id }) : undefined
  return {
    id: uuid,
    certificate: known?.uuid ?? '',
    authority,
    common_name: certificate?.names[0] ?? nameIn(certificate?.subject ?? ''),
    serial_number: certificate?.serial ?? '',
    reason: reasonCodes[(code ?? 'unspecified') as RevocationReason] ?? 0,
    status: revokeStatus(detail.status),
    requested_by: personView(detail.requester),
    added_at: detail.createdAt.toISOString(),
    handled_at: detail.endedAt?.toISOString() ?? null,
    error_message: detail.reason ?? detail.lastError ?? '',
  }
}
