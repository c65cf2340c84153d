import { z } from 'zod'
import { operation } from '../operation.ts'

const head = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'a head is POSITION:HASH, as audit verify printed it')
  .transform((text) => ({ position: Number(text.split(':')[0]), hash: text.slice(text.indexOf(':') + 1) }))

export const verify = operation({
  name: 'audit.verify',
  input: z.strictObject({ head: head.optional() }),
  run: ({ door }, { head }) => door.admin.verifyAudit(head),
})
