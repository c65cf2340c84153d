import { z } from 'zod'
import { operation } from '../operation.ts'
import { name, text } from './fields.ts'

const ref = { name, organization: name.optional() }
const more = { description: text(500).nullable().optional(), email: text(254).nullable().optional() }

export const list = operation({ name: 'group.ls', input: z.strictObject({}), run: ({ door }) => door.groups.list() })

export const create = operation({
  name: 'group.create',
  input: z.strictObject({ ...ref, description: text(500).optional(), email: text(254).optional() }),
  run: ({ door }, draft) => door.groups.create(draft),
})

export const change = operation({
  name: 'group.change',
  input: z.strictObject({ ...ref, ...more, newName: name.optional() }),
  run: ({ door }, { name, organization, newName, ...change }) =>
    door.groups.change(
      { name, ...(organization === undefined ? {} : { organization }) },
      { ...change, ...(newName === undefined ? {} : { name: newName }) },
    ),
})

export const remove = operation({
  name: 'group.rm',
  input: z.strictObject(ref),
  run: async ({ door }, group) => {
    await door.groups.delete(group)
    return {}
  },
})

export const member = operation({
  name: 'group.member',
  input: z.strictObject({ ...ref, user: name, remove: z.boolean().optional() }),
  run: async ({ door: { groups } }, { user, remove, ...group }) => {
    await (remove ? groups.removeMember(group, user) : groups.addMember(group, user))
    return {}
  },
})
