import { z } from 'zod'
import { operation } from '../operation.ts'
import { moment, name, reason, text, uuid } from './fields.ts'

const patterns = z.array(text(300)).max(50)

export const list = operation({
  name: 'standing-approval.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.standingApprovals.list(),
})

export const create = operation({
  name: 'standing-approval.create',
  person: 'approves, also beforehand,',
  input: z.strictObject({
    profile: name,
    action: z.enum(['issue', 'renew', 'rekey']),
    rule: name.optional(),
    names: z.strictObject({
      dns: patterns.optional(),
      wildcards: z.boolean().optional(),
      ip: patterns.optional(),
      email: patterns.optional(),
      uri: patterns.optional(),
    }),
    uses: z.int(),
    until: moment,
    days: z.int().optional(),
    requester: text(330).optional(),
    requesterUser: name.optional(),
    reason,
  }),
  run: ({ door }, draft) => door.standingApprovals.create(draft),
})

export const confirm = operation({
  name: 'standing-approval.confirm',
  person: 'approves, also beforehand,',
  input: z.strictObject({ uuid }),
  run: ({ door }, { uuid }) => door.standingApprovals.confirm(uuid),
})

export const end = operation({
  name: 'standing-approval.end',
  input: z.strictObject({ uuid }),
  run: ({ door }, { uuid }) => door.standingApprovals.end(uuid),
})
