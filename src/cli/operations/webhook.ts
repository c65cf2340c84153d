import { z } from 'zod'
import type { WebhookDraft } from '../../core/webhook/webhookEndpoint.ts'
import { operation } from '../operation.ts'
import { name, page, uuid } from './fields.ts'

const organization = name.optional()

export const list = operation({
  name: 'webhook.ls',
  input: z.strictObject({ organization }),
  run: ({ door }, { organization }) => door.webhooks.list(organization),
})

export const show = operation({
  name: 'webhook.show',
  input: z.strictObject({ uuid }),
  run: ({ door }, { uuid }) => door.webhooks.read(uuid),
})

export const add = operation({
  name: 'webhook.add',
  // The core has the schema, and says what is wrong.
  input: z.strictObject({ draft: z.custom<WebhookDraft>((value) => typeof value === 'object'), organization }),
  run: ({ door }, { draft, organization }) => door.webhooks.add(draft, organization),
})

export const remove = operation({
  name: 'webhook.rm',
  input: z.strictObject({ uuid }),
  run: async ({ door }, { uuid }) => {
    await door.webhooks.remove(uuid)
    return {}
  },
})

export const ping = operation({
  name: 'webhook.ping',
  input: z.strictObject({ uuid }),
  run: ({ door }, { uuid }) => door.webhooks.ping(uuid),
})

export const deliveries = operation({
  name: 'webhook.deliveries',
  input: z.strictObject({ uuid, ...page }),
  run: ({ door }, { uuid, ...query }) => door.webhooks.deliveries(uuid, query),
})

export const redeliver = operation({
  name: 'webhook.redeliver',
  input: z.strictObject({ uuid, delivery: uuid }),
  run: async ({ door }, { uuid, delivery }) => {
    await door.webhooks.redeliver(uuid, delivery)
    return {}
  },
})
