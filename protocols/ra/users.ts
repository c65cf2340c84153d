import { z } from 'zod'
import { capability } from './capability.ts'
import { name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Users'

const user = z.object({
  id: z.int(),
  name: z.string(),
  uuid: z.string(),
  organization: z.string(),
  superuser: z.boolean(),
  admin: z.boolean(),
  enabled: z.boolean(),
  roles: z.array(z.string()),
  grants: z.array(
    z.object({
      capability,
      authority: z.string().nullable(),
      profile: z.string().nullable(),
      role: z.string().nullable(),
    }),
  ),
  hasPassword: z.boolean(),
  createdAt: when,
})

const bindingDraft = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('certificate'), fingerprint: text(100).min(1) }),
  z.strictObject({ kind: z.literal('subject'), authority: name, subject: text(1000).min(1) }),
  z.strictObject({ kind: z.literal('oidc'), issuer: text(500).min(1), subject: text(255).min(1) }),
])
const binding = z.looseObject({
  uuid: z.string(),
  user: z.string(),
  kind: z.enum(['certificate', 'subject', 'oidc']),
  createdAt: when,
})

/** People of the organization, and how they log in. */
export const userOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/users',
    tag,
    summary: 'Users by name: those of the organization for its administrator, oneself for others.',
    answer: z.array(user),
    run: async ({ door }) => ({ body: await door.admin.users() }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/users',
    tag,
    summary: 'Makes a user; a setup link lets him choose a password.',
    body: z.strictObject({
      name,
      organization: name.optional(),
      superuser: z.boolean().optional(),
      admin: z.boolean().optional(),
    }),
    status: 201,
    answer: user,
    run: async ({ door, body }) => ({ body: await door.admin.createUser(defined(body)) }),
  }),
  operation({
    method: 'patch',
    path: '/v1/countersign/users/{user}',
    tag,
    summary: 'Enables, disables, raises or lowers a user.',
    body: z.strictObject({
      enabled: z.boolean().optional(),
      superuser: z.boolean().optional(),
      admin: z.boolean().optional(),
    }),
    answer: user,
    run: async ({ door, params, body }) => ({ body: await door.admin.changeUser(params.user, defined(body)) }),
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/users/{user}',
    tag,
    summary: 'Disables a user for good and takes all that he could; records keep his name.',
    status: 204,
    async run({ door, params }) {
      await door.identities.removeUser(params.user)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/users/{user}/setupLink',
    tag,
    summary: 'Makes a one-time secret with which the user sets a password.',
    status: 201,
    answer: z.object({ secret: z.string(), expiresAt: when }),
    run: async ({ door, params }) => ({ body: await door.admin.createSetupLink(params.user) }),
  }),
  operation({
    method: 'put',
    path: '/v1/countersign/users/{user}/roles/{role}',
    tag,
    summary: 'Puts a user into a role.',
    status: 204,
    async run({ door, params }) {
      await door.admin.addToRole(params.user, params.role)
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/users/{user}/roles/{role}',
    tag,
    summary: 'Takes a user out of a role.',
    status: 204,
    async run({ door, params }) {
      await door.admin.removeFromRole(params.user, params.role)
      return undefined
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/users/{user}/logins',
    tag,
    summary: 'How else than by password a user logs in: certificates, and subjects of an OpenID provider.',
    answer: z.array(binding),
    run: async ({ door, params }) => ({ body: await door.identities.bindings(params.user) }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/users/{user}/logins',
    tag,
    summary: 'Lets a certificate or a subject of an OpenID provider speak for a user.',
    body: bindingDraft,
    status: 201,
    answer: binding,
    run: async ({ door, params, body }) => ({ body: await door.identities.bind(params.user, body) }),
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/logins/{uuid}',
    tag,
    summary: 'It speaks for nobody any more.',
    status: 204,
    async run({ door, params }) {
      await door.identities.unbind(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'get',
    path: '/v1/auth/profile',
    tag: 'About',
    summary: 'Who the caller is.',
    answer: z.object({
      uuid: z.string(),
      username: z.string(),
      groups: z.array(z.object({ uuid: z.string(), name: z.string() })),
      enabled: z.boolean(),
      systemUser: z.boolean(),
      roles: z.array(z.object({ uuid: z.string(), name: z.string() })),
      permissions: z.looseObject({ allowAllResources: z.boolean() }),
    }),
    async run({ door }) {
      const { uuid, name: username, enabled, superuser, roles: own, grants } = await door.identities.me()
      const roles = (await door.identities.roles()).filter(({ members }) => members.includes(username))
      const permissions = { allowAllResources: superuser, capabilities: grants }
      const named = roles
        .filter((role) => own.includes(role.name))
        .map((role) => ({ uuid: role.uuid, name: role.name }))
      return { body: { uuid, username, groups: [], enabled, systemUser: false, roles: named, permissions } }
    },
  }),
]
