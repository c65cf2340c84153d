import { z } from 'zod'
import { when } from './fields.ts'
import { numberIn } from './numberIn.ts'
import { operation } from './operation.ts'

const tag = 'Remembered approvals'
const ALL = '/v1/countersign/rememberedApprovals'

const remembered = z.object({
  id: z.int(),
  profile: z.string(),
  action: z.string(),
  requester: z.string(),
  names: z.array(z.string()),
  request: z.int(),
  approvers: z.array(z.string()),
  once: z.boolean(),
  createdAt: when,
  expiresAt: when,
})

/** Approvals that let the same requester's next orders pass unasked. */
export const rememberedOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'Those of the profiles that the caller manages, the newest first, at most 1000.',
    answer: z.object({ rememberedApprovals: z.array(remembered) }),
    run: async ({ door }) => ({ body: { rememberedApprovals: await door.admin.rememberedApprovals() } }),
  }),
  operation({
    method: 'delete',
    path: `${ALL}/{id}`,
    tag,
    summary: 'Forgets it: from now on such an order asks people again.',
    status: 204,
    async run({ door, params }) {
      await door.admin.forgetApproval(numberIn(params.id, 'remembered approval'))
      return undefined
    },
  }),
]
