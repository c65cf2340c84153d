import { z } from 'zod'
import { operation } from '../operation.ts'

export const list = operation({ name: 'alert.ls', input: z.strictObject({}), run: ({ door }) => door.admin.alerts() })

export const close = operation({
  name: 'alert.close',
  input: z.strictObject({ id: z.int().min(1) }),
  run: async ({ door }, { id }) => {
    await door.admin.closeAlert(id)
    return {}
  },
})
