import { z } from 'zod'
import { maybeWhen, moment, name } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Limits'
const ALL = '/v1/countersign/limits'

const limit = z.object({
  profile: z.string(),
  limit: z.string(),
  key: z.string(),
  rate: z.string(),
  used: z.number(),
  freeAt: maybeWhen,
  overridden: z.boolean(),
  until: maybeWhen,
  note: z.string().nullable(),
})

const key = text(500).min(1)
const ref = { profile: name, limit: text(100).min(1), key }

/** How often clients may ask, and who may more often. */
export const limitOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'What is used or overridden in the profiles that the caller manages, at most 200, the most used first.',
    query: z.object({ profile: name.optional(), limit: text(100).optional(), key: key.optional() }),
    answer: z.object({ limits: z.array(limit) }),
    run: async ({ door, query }) => ({ body: { limits: await door.admin.limits(defined(query)) } }),
  }),
  operation({
    method: 'post',
    path: `${ALL}/override`,
    tag,
    summary: 'Gives one key another rate: 3000/3h, unlimited or blocked. It begins with nothing used.',
    body: z.strictObject({ ...ref, rate: text(50).min(1), until: moment.optional(), note: text(500).optional() }),
    answer: limit,
    async run({ door, body }) {
      const { rate, until, note, ...bucket } = body
      return { body: await door.admin.overrideLimit({ ...bucket, override: defined({ rate, until, note }) }) }
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/removeOverride`,
    tag,
    summary: 'The rate of the profile counts again, with nothing used.',
    body: z.strictObject(ref),
    status: 204,
    async run({ door, body }) {
      await door.admin.removeOverride(body)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/reset`,
    tag,
    summary: 'Nothing is used of one limit of a key, or of all of them.',
    body: z.strictObject({ ...ref, limit: ref.limit.optional() }),
    answer: z.object({ reset: z.int() }),
    run: async ({ door, body }) => ({ body: { reset: await door.admin.resetLimit(defined(body)) } }),
  }),
]
