import type { Generated } from 'kysely'

export interface WebhookTables {
  webhooks: WebhooksTable
  webhook_deliveries: WebhookDeliveriesTable
  webhook_answers: WebhookAnswersTable
}

/** Somebody elsewhere who is told of what happens in an organization, who may decide, or both. */
export interface WebhooksTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Unique in its organization. */
  name: string
  /** Where messages go; null: nowhere, it only decides. */
  url: string | null
  /** PEM; null: what the system trusts. */
  ca: string | null
  /** JSON of WebhookEventType[]. */
  events: string
  /** JSON of ids of RA profiles; null: all. */
  profiles: string | null
  with_csr: number
  enabled: number
  /** With which messages are signed, sealed. */
  secret: Buffer
  /** The one before it, which signs too until then. */
  secret_before: Buffer | null
  before_until: number | null
  /** Of the audit chain: up to there, events have become deliveries. */
  position: number
  /** Attempts that failed since the last that did not. */
  failures: number
  /** When the oldest delivery that is pending is tried; null: none is. */
  next_at: number | null
  /** Who delivers now: one node at a time, and so in order. */
  lease_owner: string | null
  lease_until: number | null
  /** With which decisions are signed that come from there, sealed; null: it decides nothing. */
  inbound_secret: Buffer | null
  inbound_before: Buffer | null
  inbound_before_until: number | null
  /** Whose votes they are. */
  inbound_user_id: number | null
  /** Who was shown the secret, and the one before: nothing that he is behind is decided with it. */
  inbound_maker_id: number | null
  inbound_before_maker_id: number | null
  created_at: number
}

export interface WebhookDeliveriesTable {
  id: Generated<number>
  uuid: string
  webhook_id: number
  /** Of its event in the audit chain; null: a ping. */
  position: number | null
  type: string
  /** JSON, the same at each attempt. */
  body: string
  /** pending, delivered, dead */
  status: string
  attempts: number
  last_error: string | null
  created_at: number
  /** An attempt that fails from then on is the last one. */
  give_up_at: number
  tried_at: number | null
  /** Set aside, since the endpoint takes others and not this one: it is tried from then on, and holds nothing up. Null: its turn comes in order. */
  not_before: number | null
}

/** What was answered to a decision from elsewhere, so that the same one again is answered alike. */
export interface WebhookAnswersTable {
  webhook_id: number
  /** The sender's name for it. */
  delivery: string
  body_hash: string
  /** JSON of KeptAnswer. */
  answer: string
  created_at: number
}
