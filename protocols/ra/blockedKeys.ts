import { z } from 'zod'
import { when } from './fields.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const tag = 'Blocked keys'
const ALL = '/v1/countersign/blockedKeys'

const blocked = z.object({ spkiSha256: z.string(), reason: z.string(), createdAt: when })

/** Keys for which nothing is issued, in any organization. */
export const blockedKeyOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'Keys for which nothing is issued, the newest first, at most 1000. Needs a superuser.',
    answer: z.object({ blockedKeys: z.array(blocked) }),
    run: async ({ door }) => ({ body: { blockedKeys: await door.admin.blockedKeys() } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary: 'Blocks a key, by the SHA-256 of its SubjectPublicKeyInfo. Needs a superuser.',
    body: z.strictObject({ spkiSha256: text(100).min(1), reason: text(500).min(1) }),
    status: 201,
    answer: blocked,
    run: async ({ door, body }) => ({ body: await door.admin.blockKey(body) }),
  }),
  operation({
    method: 'delete',
    path: `${ALL}/{spkiSha256}`,
    tag,
    summary: 'Lets a key be certified again. Needs a superuser.',
    status: 204,
    async run({ door, params }) {
      await door.admin.unblockKey(params.spkiSha256)
      return undefined
    },
  }),
]
