import { z } from 'zod'
import type { RequestKind } from '../../src/core/approval/approval.ts'
import { operation } from './operation.ts'
import { detailView, requestDetail, requestRow, rowView } from './requestSchema.ts'
import { text } from './text.ts'

const TAG = 'Requests and decisions'

const moved = z.object({ status: z.string() })
const vote = z.strictObject({
  /** `review.hash` of the detail that was looked at: another one means that the request has changed since. */
  hash: text(200),
  reason: text(2000).optional(),
  /** Like 30d: the same order passes unasked for so long, where the rule allows it. */
  remember: text(20).optional(),
  /** Against the steps: administrators only, with a reason, never on what they asked for themselves. */
  override: z.boolean().optional(),
})
const because = z.strictObject({ reason: text(2000) })

/** The same resources for orders to sign and to revoke. */
function resources(kind: RequestKind, name: 'signRequests' | 'revokeRequests') {
  const path = `/v1/countersign/${name}` as const
  const one = `${path}/{uuid}` as const
  const what = kind === 'sign' ? 'an order for a certificate' : 'an order to revoke'
  return [
    operation({
      method: 'get',
      path,
      tag: TAG,
      summary: `Lists ${kind === 'sign' ? 'orders for certificates' : 'orders to revoke'}, the newest first; hand \`next\` back as \`after\`.`,
      query: z.object({
        status: text(20).optional(),
        profile: text(100).optional(),
        after: z.coerce.number().int().min(1).optional(),
        limit: z.coerce.number().int().min(1).max(200).optional(),
      }),
      answer: z.object({ requests: z.array(requestRow), next: z.int().optional() }),
      async run({ door, query }) {
        const { rows, next } = await door.list.requests({ kind, ...defined(query) })
        return { body: { requests: rows.map(rowView), ...(next === undefined ? {} : { next }) } }
      },
    }),
    operation({
      method: 'get',
      path: one,
      tag: TAG,
      summary: `Shows ${what}: what is asked, who may decide, and the hash that a vote must name.`,
      answer: requestDetail,
      async run({ door, params }) {
        const detail = await door.list.request(params.uuid, kind)
        return { body: detailView(detail, await door.approvals.review(kind, params.uuid)) }
      },
    }),
    ...(['approve', 'deny'] as const).map((verdict) =>
      operation({
        method: 'post',
        path: `${path}/{uuid}/${verdict}` as `${typeof one}/${typeof verdict}`,
        tag: TAG,
        summary:
          verdict === 'approve'
            ? `Votes for ${what}.`
            : `Votes against ${what}: one such vote ends it, and needs a reason.`,
        body: vote,
        answer: moved,
        async run({ door, params, body }) {
          return { body: await door.approvals.vote(kind, params.uuid, { verdict, ...defined(body) }) }
        },
      }),
    ),
    operation({
      method: 'post',
      path: `${one}/cancel`,
      tag: TAG,
      summary: `Withdraws ${what} that waits.`,
      body: because.partial(),
      bodyOptional: true,
      status: 204,
      async run({ door, params, body }) {
        await door.approvals.cancel(kind, params.uuid, body?.reason)
        return undefined
      },
    }),
    operation({
      method: 'post',
      path: `${one}/retry`,
      tag: TAG,
      summary: 'Makes the next attempt now, of what failed or is under way.',
      answer: moved,
      run: async ({ door, params }) => ({ body: await door.approvals.retry(kind, params.uuid) }),
    }),
    operation({
      method: 'post',
      path: `${one}/markFailed`,
      tag: TAG,
      summary: 'Gives it up, with a reason.',
      body: because,
      status: 204,
      async run({ door, params, body }) {
        await door.approvals.markFailed(kind, params.uuid, body.reason)
        return undefined
      },
    }),
    operation({
      method: 'post',
      path: `${one}/comments`,
      tag: TAG,
      summary: 'Adds a comment for those who decide.',
      body: z.strictObject({ text: text(4000) }),
      status: 204,
      async run({ door, params, body }) {
        await door.approvals.comment(kind, params.uuid, body.text)
        return undefined
      },
    }),
  ]
}

/** What is there of an object, without the keys whose value is undefined. */
export function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

export const requestOperations = [...resources('sign', 'signRequests'), ...resources('revoke', 'revokeRequests')]
