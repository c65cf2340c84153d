import { z } from 'zod'
import { operation } from '../operation.ts'

export const list = operation({
  name: 'approval.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.rememberedApprovals(),
})

export const forget = operation({
  name: 'approval.forget',
  input: z.strictObject({ id: z.int().min(1) }),
  run: async ({ door }, { id }) => {
    await door.admin.forgetApproval(id)
    return {}
  },
})
