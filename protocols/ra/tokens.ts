import { z } from 'zod'
import { scopeName } from './capability.ts'
import { maybeWhen, moment, name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Tokens'

const token = z.object({
  uuid: z.string(),
  user: z.string(),
  name: z.string(),
  createdAt: when,
  expiresAt: maybeWhen,
  revokedAt: maybeWhen,
  lastUsedAt: maybeWhen,
  scope: z
    .object({
      capabilities: z.array(scopeName),
      authority: z.string().nullable(),
      profile: z.string().nullable(),
      readOnly: z.boolean(),
    })
    .nullable(),
})

/** API tokens: one's own, and those that administrators may end. */
export const tokenOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/tokens',
    tag,
    summary: 'Tokens, the newest first, never their text.',
    query: z.object({ user: text(100).optional() }),
    answer: z.array(token),
    run: async ({ door, query }) => ({ body: await door.admin.tokens(query.user) }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/tokens',
    tag,
    summary: 'Makes a token of the caller’s own; its text is shown here and never again.',
    body: z.strictObject({
      name,
      expiresAt: moment.optional(),
      /** Absent: all that its user may, or as much as the token that makes it. */
      scope: z
        .strictObject({
          capabilities: z.array(scopeName).min(1).max(20),
          authority: name.optional(),
          profile: name.optional(),
          readOnly: z.boolean().optional(),
        })
        .optional(),
    }),
    status: 201,
    answer: token.extend({ text: z.string() }),
    async run({ door, requester, body }) {
      const { scope, ...rest } = body
      const draft = { user: requester.name, ...defined(rest), ...(scope ? { scope: defined(scope) } : {}) }
      const made = await door.admin.createToken(draft)
      return { body: { ...made.view, text: made.text } }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/tokens/{uuid}',
    tag,
    summary: 'Revokes a token.',
    status: 204,
    async run({ door, params }) {
      await door.admin.revokeToken(params.uuid)
      return undefined
    },
  }),
]
