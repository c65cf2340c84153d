import { z } from 'zod'
import type { Capability } from '../../core/identity/capability.ts'
import { besideServer, operation } from '../operation.ts'
import { name } from './fields.ts'

export const list = operation({ name: 'user.ls', input: z.strictObject({}), run: ({ door }) => door.admin.users() })

export const create = operation({
  name: 'user.create',
  input: z.strictObject({
    name,
    organization: name.optional(),
    superuser: z.boolean().optional(),
    admin: z.boolean().optional(),
  }),
  run: ({ door }, draft) => door.admin.createUser(draft),
})

export const change = operation({
  name: 'user.change',
  input: z.strictObject({
    name,
    enabled: z.boolean().optional(),
    superuser: z.boolean().optional(),
    admin: z.boolean().optional(),
  }),
  run: ({ door }, { name, ...flags }) => door.admin.changeUser(name, flags),
})

export const setupLink = operation({
  name: 'user.setup-link',
  input: z.strictObject({ name }),
  run: ({ door }, { name }) => door.admin.createSetupLink(name),
})

const password = z.string().min(1).max(1000)

/** The link's secret, or the present password, says who it is: no requester is asked for. */
export const setPassword = operation({
  name: 'user.set-password',
  input: z.union([
    z.strictObject({ setupLink: z.string().min(1).max(200), next: password }),
    z.strictObject({ user: name, password, next: password }),
  ]),
  run: async (context, input) => {
    const { authentication } = besideServer(context).core
    if ('setupLink' in input) return { user: await authentication.usePasswordLink(input.setupLink, input.next) }
    await authentication.changePassword(input.user, input.password, input.next)
    return { user: input.user }
  },
})

export const role = operation({
  name: 'user.role',
  input: z.strictObject({ user: name, role: name, remove: z.boolean().optional() }),
  run: async ({ door: { admin } }, { user, role, remove }) => {
    await (remove ? admin.removeFromRole(user, role) : admin.addToRole(user, role))
    return {}
  },
})

export const grant = operation({
  name: 'user.grant',
  input: z.strictObject({
    user: name.optional(),
    role: name.optional(),
    organization: name.optional(),
    // The core knows which there are, and says so.
    capability: z.custom<Capability>((value) => typeof value === 'string', 'a capability is text'),
    authority: name.optional(),
    profile: name.optional(),
    remove: z.boolean().optional(),
  }),
  run: async ({ door: { admin } }, { remove, ...draft }) => {
    if (remove) return { removed: await admin.ungrant(draft) }
    await admin.grant(draft)
    return {}
  },
})
