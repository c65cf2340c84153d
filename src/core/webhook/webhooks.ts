import type { AdminContext } from '../adminActor.ts'
import {
  addWebhook,
  changeWebhook,
  removeWebhook,
  rotateWebhookSecret,
  type SecretRotation,
  type WebhookSecrets,
} from './webhookAdmin.ts' // prettier-ignore
import { decideByTicket, type TicketAnswer } from './webhookDecision.ts'
import { type DeliveryQuery, listDeliveries, ping, redeliver, type WebhookDelivery } from './webhookDeliveries.ts'
import { listWebhooks, readOne, type Webhook, type WebhookChange, type WebhookDraft } from './webhookEndpoint.ts'
import type { SignedMessage } from './webhookSignature.ts'

/**
 * Who is told elsewhere of what happens in an organization, and who decides from there. All but `decide` are for its administrators, and throw Failure:
 * forbidden, and notFound alike for what is not there and what is another organization's.
 */
export interface Webhooks {
  /** By name, of one's own organization or of the one named. */
  list(organization?: string): Promise<Webhook[]>
  read(uuid: string): Promise<Webhook>
  /** The secrets are answered once, and never again. Throws Failure: malformed, conflict (the name, the name of the user, too many). */
  add(draft: WebhookDraft, organization?: string): Promise<Webhook & WebhookSecrets>
  /** Throws Failure('malformed'). */
  change(uuid: string, change: WebhookChange): Promise<Webhook>
  /** With its deliveries. The user whose votes its decisions were is disabled. */
  remove(uuid: string): Promise<void>
  /** Makes a new secret, answered once; the one before stays good for a while. Throws Failure: malformed, conflict (it decides nothing). */
  rotateSecret(uuid: string, rotation: SecretRotation): Promise<{ secret: string; until: Date }>
  /** The newest first. */
  deliveries(uuid: string, query?: DeliveryQuery): Promise<{ deliveries: WebhookDelivery[]; next?: number }>
  /** Sends a message again, with its old id, whatever became of it. Throws Failure('conflict') where the webhook is switched off. */
  redeliver(uuid: string, delivery: string): Promise<void>
  /** Sends a message that tells of nothing, after those that are pending. Throws as redeliver. */
  ping(uuid: string): Promise<{ delivery: string }>
  /** A decision that a ticket system has signed (webhookDecision.ts); whoever shows it needs no other right. */
  decide(uuid: string, message: SignedMessage): Promise<TicketAnswer>
}

export function createWebhooks(context: AdminContext): Webhooks {
  const { it, requester } = context
  return {
    list: (organization) => listWebhooks(context, organization),
    read: (uuid) => readOne(context, uuid),
    add: (draft, organization) => addWebhook(context, draft, organization),
    change: (uuid, change) => changeWebhook(context, uuid, change),
    remove: (uuid) => removeWebhook(context, uuid),
    rotateSecret: (uuid, rotation) => rotateWebhookSecret(context, uuid, rotation),
    deliveries: (uuid, query = {}) => listDeliveries(context, uuid, query),
    redeliver: (uuid, delivery) => redeliver(context, uuid, delivery),
    ping: (uuid) => ping(context, uuid),
    decide: (uuid, message) => decideByTicket(it, uuid, { ...message, source: requester.source }),
  }
}
