import type { Installation } from '../core/installation.ts'
import { createWebhookCouriers } from '../core/webhook/webhookCouriers.ts'
import { forgetDeliveries } from '../core/webhook/webhookDeliveries.ts'
import { fillOutboxes } from '../core/webhook/webhookOutbox.ts'
import { postWebhook } from '../http/webhookPost.ts'
import type { Chore } from '../protocol.ts'

/** Tells webhooks what has happened. */
export function webhookUpkeep(it: Installation): Chore[] {
  const couriers = createWebhookCouriers(it, postWebhook)
  return [
    { name: 'fill the outboxes of webhooks', every: 500, run: () => fillOutboxes(it) },
    {
      name: 'deliver to webhooks',
      every: 500,
      run: couriers.begin,
      settled: async () => void (await couriers.settled()),
    },
    { name: 'forget deliveries to webhooks', every: 3_600_000, run: () => forgetDeliveries(it) },
  ]
}
