import { z } from 'zod'
import { operation } from '../operation.ts'
import { moment, page, text } from './fields.ts'

const head = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'a head is POSITION:HASH, as audit verify printed it')
  .transform((text) => ({ position: Number(text.split(':')[0]), hash: text.slice(text.indexOf(':') + 1) }))

export const list = operation({
  name: 'audit.ls',
  input: z.strictObject({
    action: text(100).optional(),
    actor: text(200).optional(),
    since: moment.optional(),
    until: moment.optional(),
    ...page,
  }),
  run: ({ door }, filter) => door.list.audit(filter),
})

export const verify = operation({
  name: 'audit.verify',
  input: z.strictObject({ head: head.optional() }),
  run: ({ door }, { head }) => door.admin.verifyAudit(head),
})
