import type { RequestKind } from '../../src/core/approval/approval.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import type { User } from '../../src/core/identity/identity.ts'
import type { WebhookDraft } from '../../src/core/webhook/webhookEndpoint.ts'
import { webhookEventTypes } from '../../src/core/webhook/webhookEvent.ts'
import { webhookUpkeep } from '../../src/reach/webhookCourier.ts'
import type { databases } from './databases.ts'
import { createPeople } from './people.ts'
import { createReceiver } from './webhookReceiver.ts'
import { acmeAccount, createWorld, newCsr } from './world.ts'

const all = [{ name: 'all', auto: true }]
const asking = [
  { name: 'no', when: 'identifiers.exists(i, i.value.startsWith("no"))', deny: 'not this name' },
  { name: 'self', when: 'identifiers.exists(i, i.value.startsWith("auto"))', auto: true },
  {
    name: 'slow',
    when: 'identifiers.exists(i, i.value.startsWith("slow"))',
    require: [{ users: ['alice'], expires: '9d', escalate: { after: '1d', users: ['chief'] } }],
  },
  { name: 'chief', require: [{ users: ['chief'], expires: '2d' }] },
]

export type WebhookWorld = Awaited<ReturnType<typeof createWebhookWorld>>

/** A world whose profile `web` asks `chief` for names that do not begin with `auto`, and somebody elsewhere who hears of it. */
export async function createWebhookWorld(open: (typeof databases)[number]['open']) {
  const opened = await open()
  const world = await createWorld(opened.db)
  const people = await createPeople(world)
  await world.save('web', { rules: { issue: asking, revoke: all } })
  await world.save('other', { rules: { issue: all } })
  const receiver = await createReceiver()
  const webhooks = (user: User = people.chief) => people.as(user).webhooks
  const seal = async (): Promise<void> => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
  }
  let number = 0
  return {
    world,
    people,
    receiver,
    url: opened.url,
    webhooks,
    seal,
    /** A webhook that is told everything. */
    add: (more: Partial<WebhookDraft> = {}) =>
      webhooks().add({ name: `hook ${++number}`, url: receiver.url, events: [...webhookEventTypes], ...more }),
    async order(name: string, profile = 'web') {
      const csr = await newCsr([name])
      const draft = { profile: await world.profile(profile), protocol: 'acme', action: 'issue', csr } as const
      const asked = { ...draft, identifiers: csr.identifiers, refusal: 'store' } as const
      return (await world.core.as(acmeAccount()).sign(asked)).request
    },
    revoke: (certificate: number, reason = 'superseded') =>
      world.core.as(acmeAccount()).revoke({ protocol: 'acme', certificate, grounds: 'account', reason }),
    async vote(request: { id: number }, verdict: 'approve' | 'deny', kind: RequestKind = 'sign') {
      const { approvals } = people.as(people.chief)
      const { hash } = await approvals.review(kind, request.id)
      return approvals.vote(kind, request.id, { verdict, hash, reason: 'as the ticket says' })
    },
    /** All that a server does for webhooks without being asked, once. */
    async upkeep(): Promise<void> {
      await seal()
      for (const { run, settled } of webhookUpkeep(world.it)) {
        await run()
        await settled?.()
      }
    },
    async clear(): Promise<void> {
      receiver.answer = 204
      receiver.onMessage = undefined
      for (const { uuid } of await webhooks().list()) await webhooks().remove(uuid)
      receiver.heard.length = 0
    },
    async close(): Promise<void> {
      await receiver.close()
      await opened.close()
    },
  }
}
