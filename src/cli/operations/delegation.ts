import { z } from 'zod'
import { operation } from '../operation.ts'
import { moment, name, text, uuid } from './fields.ts'

export const list = operation({
  name: 'delegation.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.delegations.list(),
})

export const create = operation({
  name: 'delegation.create',
  person: 'delegates votes, his own,',
  input: z.strictObject({
    to: name,
    from: moment.optional(),
    until: moment,
    profile: name.optional(),
    authority: name.optional(),
    reason: text(500).optional(),
  }),
  run: ({ door }, draft) => door.delegations.create(draft),
})

export const end = operation({
  name: 'delegation.end',
  input: z.strictObject({ uuid }),
  run: ({ door }, { uuid }) => door.delegations.end(uuid),
})
