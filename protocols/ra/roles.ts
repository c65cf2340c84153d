import { z } from 'zod'
import { capability } from './capability.ts'
import { name } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Roles'

const role = z.object({
  uuid: z.string(),
  name: z.string(),
  organization: z.string(),
  members: z.array(z.string()),
  capabilities: z.array(z.object({ capability, authority: z.string().nullable(), profile: z.string().nullable() })),
})

const grant = z.strictObject({
  user: name.optional(),
  role: name.optional(),
  organization: name.optional(),
  capability,
  authority: name.optional(),
  profile: name.optional(),
})

/** Roles, who has them, and what users and roles may. */
export const roleOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/roles',
    tag,
    summary: 'Roles by name: those of the organization for its administrator, one’s own for others.',
    answer: z.array(role),
    run: async ({ door }) => ({ body: await door.identities.roles() }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/roles',
    tag,
    summary: 'Makes a role.',
    body: z.strictObject({ name, organization: text(100).optional() }),
    status: 201,
    answer: role,
    run: async ({ door, body }) => ({ body: await door.identities.createRole(defined(body)) }),
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/roles/{uuid}',
    tag,
    summary: 'One role.',
    answer: role,
    run: async ({ door, params }) => ({ body: await door.identities.role(params.uuid) }),
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/roles/{uuid}',
    tag,
    summary: 'Deletes a role, with its members’ membership and all that was granted to it.',
    status: 204,
    async run({ door, params }) {
      await door.identities.deleteRole(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/grants',
    tag,
    summary: 'Grants a capability to a user or a role.',
    body: grant,
    status: 204,
    async run({ door, body }) {
      await door.admin.grant(defined(body))
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/grants/revoke',
    tag,
    summary: 'Takes a capability back, whatever its authority or profile unless these are named.',
    body: grant,
    answer: z.object({ removed: z.int() }),
    run: async ({ door, body }) => ({ body: { removed: await door.admin.ungrant(defined(body)) } }),
  }),
]
