import { z } from 'zod'
import { operation } from '../operation.ts'

export const verify = operation({
  name: 'audit.verify',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.verifyAudit(),
})
