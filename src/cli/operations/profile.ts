import { z } from 'zod'
import { operation } from '../operation.ts'
import { name } from './fields.ts'

export const list = operation({
  name: 'profile.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.profiles(),
})

export const show = operation({
  name: 'profile.show',
  input: z.strictObject({ name }),
  run: ({ door }, { name }) => door.admin.profile(name),
})

/** Whatever stands in the file; the core and the adapters say what is wrong with it, by path. */
export const set = operation({
  name: 'profile.set',
  input: z.strictObject({
    name,
    authority: name,
    organization: name.optional(),
    enabled: z.boolean().optional(),
    settings: z.unknown().default({}),
    protocols: z.record(z.string().max(50), z.unknown()).default({}),
    rules: z.unknown().default({}),
  }),
  run: ({ door }, draft) => door.admin.saveProfile(draft),
})

export const setRules = operation({
  name: 'profile.rules',
  input: z.strictObject({ name, rules: z.unknown() }),
  run: async ({ door }, { name, rules }) => {
    const { authority, enabled, settings, protocols } = await door.admin.profile(name)
    return door.admin.saveProfile({ name, authority, enabled, settings, protocols, rules })
  },
})
