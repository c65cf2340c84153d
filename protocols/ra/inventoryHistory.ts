import type { HistoryEvent } from '../../src/core/listing/history.ts'
import { derivedUuid } from './derivedUuid.ts'

/** CertificateEvent: strict clients know these and no others. */
export const certificateEvents = [
  'Issue Certificate',
  'Request Certificate',
  'Renew Certificate',
  'Rekey Certificate',
  'Revoke Certificate',
  'Delete Certificate',
  'Approve action requested',
  'Approve action closed',
  'Update State',
  'Update Validation Status',
  'Update RA Profile',
  'Update Entity',
  'Update Group',
  'Update Owner',
  'Upload Certificate',
  'Certificate Discovered',
  'Update Location',
  'Archive certificate',
  'Unarchive certificate',
] as const
export type CertificateEvent = (typeof certificateEvents)[number]

const ofOrder = { issue: 'Issue Certificate', renew: 'Renew Certificate', rekey: 'Rekey Certificate' } as const

/** By the audit trail's action; whatever else happened changed something, and the message says what. */
const labels: Readonly<Record<string, CertificateEvent>> = {
  'sign_request.draft': 'Request Certificate',
  'sign_request.requested': 'Approve action requested',
  'sign_request.denied': 'Approve action closed',
  'sign_request.expired': 'Approve action closed',
  'sign_request.deleted': 'Delete Certificate',
  'revoke_request.requested': 'Approve action requested',
  'revoke_request.denied': 'Approve action closed',
  'revoke_request.expired': 'Approve action closed',
  'revoke_request.revoking': 'Revoke Certificate',
  'revoke_request.revoked': 'Revoke Certificate',
  'revoke_request.failed': 'Revoke Certificate',
  'certificate.revoked': 'Revoke Certificate',
  'certificate.deleted': 'Delete Certificate',
  'certificate.validated': 'Update Validation Status',
  'certificate.uploaded': 'Upload Certificate',
  'certificate.imported': 'Upload Certificate',
  'certificate.discovered': 'Certificate Discovered',
  'certificate.sighted': 'Certificate Discovered',
  'certificate.located': 'Update Location',
  'certificate.unlocated': 'Update Location',
  'certificate.pushed': 'Update Location',
  'certificate.push_asked': 'Update Location',
  'certificate.archived': 'Archive certificate',
  'certificate.unarchived': 'Unarchive certificate',
}

/** What has changed nothing has no word in this contract: a download, a code for a revocation, what a soft policy noticed. */
export function changes({ action }: HistoryEvent): boolean {
  return !/^certificate\.(?:download|revoke\.requested|policy_)/.test(action)
}

const failures = /\.(?:failed|denied|expired|canceled)$/

export function eventView(event: HistoryEvent, about: { uuid: string; action: string }) {
  const { id, at, action, actor, details } = event
  return {
    uuid: derivedUuid(`audit event ${id}`),
    certificateUuid: about.uuid,
    created: at.toISOString(),
    createdBy: actor.name === '' ? actor.kind : actor.name,
    event: labelOf(event, about.action),
    status: failures.test(action) ? ('FAILED' as const) : ('SUCCESS' as const),
    message: messageOf(event),
    additionalInformation: details,
  }
}

function labelOf({ action, details }: HistoryEvent, orderedAs: string): CertificateEvent {
  if (/^sign_request\.(?:signing|signed|failed)$/.test(action))
    return ofOrder[orderedAs as keyof typeof ofOrder] ?? 'Issue Certificate'
  if (action === 'certificate.assigned') return details.groups === undefined ? 'Update Owner' : 'Update Group'
  return labels[action] ?? 'Update State'
}

function messageOf({ action, status, details }: HistoryEvent): string {
  const said = [details.reason, details.message].find((text) => typeof text === 'string' && text !== '')
  const what = status === null ? action : `${action}: ${status}`
  return said === undefined ? what : `${what} (${String(said)})`
}
