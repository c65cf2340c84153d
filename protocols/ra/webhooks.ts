import { z } from 'zod'
import type { DeliveryState } from '../../src/core/webhook/webhookDeliveries.ts'
import type { WebhookEventType } from '../../src/core/webhook/webhookEvent.ts'
import { readBody } from '../../src/http/body.ts'
import { maybeWhen, name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Webhooks'
const ALL = '/v1/countersign/webhooks'
const ONE = '/v1/countersign/webhooks/{uuid}'

const eventType = z.enum([
  'requested',
  'decided',
  'issued',
  'revoked',
  'released',
  'expiring',
  'failed',
] as const satisfies readonly WebhookEventType[])
const deliveryState = z.enum(['pending', 'delivered', 'dead'] as const satisfies readonly DeliveryState[])

const url = text(2000).nullable()
const ca = text(100_000).nullable()
const profiles = z.array(name).min(1).max(100).nullable()

const webhook = z.object({
  uuid: z.string(),
  name: z.string(),
  url: z.string().nullable(),
  ca: z.string().nullable(),
  events: z.array(eventType),
  profiles: z.array(z.string()).nullable(),
  csr: z.boolean(),
  enabled: z.boolean(),
  decidesAs: z.string().nullable(),
  createdAt: when,
  failures: z.int(),
  nextAttemptAt: maybeWhen,
  pending: z.int(),
  dead: z.int(),
  rotatingUntil: maybeWhen,
})

const changeable = {
  /** https; http to an address that is loopback or private. Null: it is told nothing. */
  url: url.optional(),
  /** PEM of the certificates that its certificate may be issued by; null: those that the system trusts. */
  ca: ca.optional(),
  events: z.array(eventType).max(20).optional(),
  /** Only of orders of these RA profiles; null: of all. */
  profiles: profiles.optional(),
  /** The request in `requested`, DER in base64. */
  csr: z.boolean().optional(),
  enabled: z.boolean().optional(),
}

const delivery = z.object({
  uuid: z.string(),
  type: z.string(),
  status: deliveryState,
  attempts: z.int(),
  lastError: z.string().nullable(),
  createdAt: when,
  lastAttemptAt: maybeWhen,
  body: z.record(z.string(), z.unknown()),
})

const endpoints = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'The webhooks of an organization, by name, never their secrets.',
    query: z.object({ organization: text(100).optional() }),
    answer: z.array(webhook),
    run: async ({ door, query }) => ({ body: await door.webhooks.list(query.organization) }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary:
      'Names an endpoint that is told of events, that decides, or both; its secrets are shown here and never again.',
    body: z.strictObject({
      name,
      ...changeable,
      /** Name for a new user, whose votes the decisions are that come from there: rules name him. */
      decidesAs: text(99).optional(),
      organization: text(100).optional(),
    }),
    status: 201,
    answer: webhook.extend({ secret: z.string(), inboundSecret: z.string().optional() }),
    async run({ door, body: { organization, ...draft } }) {
      return { body: await door.webhooks.add(defined(draft), organization) }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag,
    summary: 'One webhook, and what it has still to be told.',
    answer: webhook,
    run: async ({ door, params }) => ({ body: await door.webhooks.read(params.uuid) }),
  }),
  operation({
    method: 'patch',
    path: ONE,
    tag,
    summary: 'Changes a webhook; what is absent stays. What waits is tried at once.',
    body: z.strictObject(changeable),
    answer: webhook,
    run: async ({ door, params, body }) => ({ body: await door.webhooks.change(params.uuid, defined(body)) }),
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag,
    summary: 'Forgets a webhook with its deliveries; the user whose votes its decisions were is disabled.',
    status: 204,
    async run({ door, params }) {
      await door.webhooks.remove(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/secret`,
    tag,
    summary: 'Makes a new secret, shown here and never again; the one before stays good for so many hours (24).',
    body: z.strictObject({
      which: z.enum(['outbound', 'inbound']),
      overlap: z.number().min(0).max(2160).optional(),
    }),
    status: 201,
    answer: z.object({ secret: z.string(), until: when }),
    run: async ({ door, params, body }) => ({ body: await door.webhooks.rotateSecret(params.uuid, defined(body)) }),
  }),
]

const messages = [
  operation({
    method: 'get',
    path: `${ONE}/deliveries`,
    tag,
    summary: 'What it was told, and what became of that, the newest first; hand `next` back as `after`.',
    query: z.object({
      status: deliveryState.optional(),
      after: z.coerce.number().int().min(1).optional(),
      limit: z.coerce.number().int().min(1).max(200).optional(),
    }),
    answer: z.object({ deliveries: z.array(delivery), next: z.int().optional() }),
    run: async ({ door, params, query }) => ({ body: await door.webhooks.deliveries(params.uuid, defined(query)) }),
  }),
  operation({
    method: 'post',
    path: `${ONE}/deliveries/{deliveryUuid}/redeliver`,
    tag,
    summary: 'Sends a message again, with the same id.',
    status: 204,
    async run({ door, params }) {
      await door.webhooks.redeliver(params.uuid, params.deliveryUuid)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/ping`,
    tag,
    summary: 'Sends a message that tells of nothing, after those that wait.',
    status: 202,
    answer: z.object({ delivery: z.string() }),
    run: async ({ door, params }) => ({ body: await door.webhooks.ping(params.uuid) }),
  }),
]

const DECISION_LIMIT = 64 * 1024

const decide = operation({
  method: 'post',
  path: `${ONE}/decisions`,
  tag,
  summary:
    'A decision of a ticket system, signed with the inbound secret (x-countersign-timestamp, x-countersign-signature): a vote of the webhook’s own user.',
  open: true,
  signedBody: z.strictObject({
    /** The sender’s own: the same message again is answered alike. */
    id: text(200).min(1),
    /** uuid of the request, to sign or to revoke. */
    request: text(100),
    hash: text(200),
    verdict: z.enum(['approve', 'deny']),
    reason: text(1000).optional(),
    ticket: text(200),
    user: text(200).optional(),
  }),
  answer: z.object({ status: z.string() }),
  async run({ door, params, incoming }) {
    const octets = await readBody(incoming, DECISION_LIMIT)
    const header = (of: 'timestamp' | 'signature') => {
      const value = incoming.headers[`x-countersign-${of}`]
      return typeof value === 'string' ? value : undefined
    }
    const message = { timestamp: header('timestamp'), signature: header('signature'), body: octets.toString('utf8') }
    return { body: await door.webhooks.decide(params.uuid, message) }
  },
})

/** Who is told elsewhere of what happens, and who decides from there. */
export const webhookOperations = [...endpoints, ...messages, decide]
