import type { Installation } from './core/installation.ts'
import { forgetDeliveries } from './core/webhookDeliveries.ts'
import { deliverDue } from './core/webhookDelivery.ts'
import { fillOutboxes } from './core/webhookOutbox.ts'
import { postWebhook } from './http/webhookPost.ts'

/** So many endpoints are served at a time: one that answers slowly keeps few others waiting. */
const COURIERS = 4

/** Tells webhooks what has happened. */
export function webhookUpkeep(it: Installation) {
  const couriers = Array.from({ length: COURIERS }, (_, number) => ({
    name: `deliver to webhooks (${number + 1})`,
    every: 1_000,
    run: () => deliverDue(it, postWebhook, String(number)),
  }))
  return [
    { name: 'fill the outboxes of webhooks', every: 500, run: () => fillOutboxes(it) },
    ...couriers,
    { name: 'forget deliveries to webhooks', every: 3_600_000, run: () => forgetDeliveries(it) },
  ]
}
