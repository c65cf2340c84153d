import { z } from 'zod'
import { responseAttribute } from './attribute.ts'
import { customAttributeView } from './customAttribute.ts'
import { operation } from './operation.ts'

const TAG = 'People'

const named = { uuid: z.string(), name: z.string() }

/** People as clients of the contract list them; they are changed below /v1/countersign. */
export const peopleOperations = [
  operation({
    method: 'get',
    path: '/v1/users',
    tag: TAG,
    summary: 'Lists users, by name: those of the organization for its administrator, himself for anybody else.',
    answer: z.array(
      z.object({
        uuid: z.string(),
        username: z.string(),
        enabled: z.boolean(),
        systemUser: z.boolean(),
        groups: z.array(z.object(named)),
      }),
    ),
    async run({ door }) {
      const [users, groups] = await Promise.all([door.admin.users(), door.groups.list()])
      const groupsOf = (name: string) =>
        groups.filter(({ members }) => members?.includes(name)).map(({ uuid, name }) => ({ uuid, name }))
      return {
        body: users.map(({ uuid, name, enabled }) => ({
          uuid,
          username: name,
          enabled,
          systemUser: false,
          groups: groupsOf(name),
        })),
      }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/roles',
    tag: TAG,
    summary: 'Lists roles, by name: those of the organization for its administrator, his own for anybody else.',
    answer: z.array(z.object({ ...named, description: z.string(), systemRole: z.boolean() })),
    run: async ({ door }) => ({
      body: (await door.identities.roles()).map(({ uuid, name }) => ({
        uuid,
        name,
        description: '',
        systemRole: false,
      })),
    }),
  }),
  operation({
    method: 'get',
    path: '/v1/groups',
    tag: TAG,
    summary: 'Lists the groups of the organization, by name.',
    answer: z.array(
      z.object({
        ...named,
        description: z.string(),
        email: z.string().optional(),
        customAttributes: z.array(responseAttribute),
      }),
    ),
    run: async ({ door }) => ({
      body: (await door.groups.list()).map(({ uuid, name, description, email, attributes }) => ({
        uuid,
        name,
        description: description ?? '',
        ...(email === null ? {} : { email }),
        customAttributes: attributes.map((attribute) => customAttributeView(attribute)),
      })),
    }),
  }),
]
