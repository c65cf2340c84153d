import type { AuditEvent } from '../audit/seal.ts'

/** What a webhook can be told of. */
export const webhookEventTypes = [
  'requested',
  'decided',
  'issued',
  'revoked',
  'released',
  'expiring',
  'failed',
] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** How a request was decided, or that others were called to decide on it. */
export type WebhookOutcome = 'approved' | 'denied' | 'expired' | 'canceled' | 'escalated'

/** What an event of the audit trail is to those outside. */
export interface WebhookEvent {
  type: WebhookEventType
  outcome?: WebhookOutcome
}

type Read = (details: Record<string, unknown>) => WebhookEvent | undefined

const fixed =
  (type: WebhookEventType, outcome?: WebhookOutcome): Read =>
  () => ({ type, ...(outcome === undefined ? {} : { outcome }) })

/** What failed and is tried again was approved before. */
const approved: Read = ({ from }) => (from === 'failed' ? undefined : { type: 'decided', outcome: 'approved' })

const byAction = new Map<string, Read>([
  ['sign_request.requested', fixed('requested')],
  ['revoke_request.requested', fixed('requested')],
  ['sign_request.signing', approved],
  ['revoke_request.revoking', approved],
  [
    'revoke_request.revoked',
    ({ from }) => (from === 'revoking' ? undefined : { type: 'decided', outcome: 'approved' }),
  ],
  ['sign_request.denied', fixed('decided', 'denied')],
  ['revoke_request.denied', fixed('decided', 'denied')],
  ['sign_request.expired', fixed('decided', 'expired')],
  ['revoke_request.expired', fixed('decided', 'expired')],
  ['sign_request.canceled', fixed('decided', 'canceled')],
  ['revoke_request.canceled', fixed('decided', 'canceled')],
  ['request.escalated', fixed('decided', 'escalated')],
  // What is brought in from elsewhere was not issued now.
  ['sign_request.signed', ({ imported }) => (imported === true ? undefined : { type: 'issued' })],
  ['certificate.revoked', fixed('revoked')],
  ['certificate.released', fixed('released')],
  ['certificate.expiring', fixed('expiring')],
  ['sign_request.failed', fixed('failed')],
  ['revoke_request.failed', fixed('failed')],
])

/** The actions of the audit trail of which a webhook can be told. */
export const toldActions: readonly string[] = [...byAction.keys()]

/** What to tell of an event of the audit trail; undefined: nothing. `details`: those of the event, read. */
export function webhookEventOf(
  { action }: Pick<AuditEvent, 'action'>,
  details: Record<string, unknown>,
): WebhookEvent | undefined {
  return byAction.get(action)?.(details)
}
