import { z } from 'zod'
import type { GroupView } from '../../src/core/login/groups.ts'
import { requestAttributes, responseAttribute } from './attribute.ts'
import { asCustomAttributes, customAttributeView } from './customAttribute.ts'
import { name } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Groups'
const ALL = '/v1/countersign/groups'
const ONE = `${ALL}/{uuid}` as const

const group = z.object({
  uuid: z.string(),
  name: z.string(),
  organization: z.string(),
  description: z.string().nullable(),
  email: z.string().nullable(),
  customAttributes: z.array(responseAttribute),
  /** Names of users; null for who is neither a member nor an administrator. */
  members: z.array(z.string()).nullable(),
})

const description = text(500).min(1)
const email = z.string().max(254)

function view({ attributes, ...shown }: GroupView): z.output<typeof group> {
  return { ...shown, customAttributes: attributes.map((attribute) => customAttributeView(attribute)) }
}

interface Given {
  customAttributes?: z.output<typeof requestAttributes> | undefined
}

/** The fields of a body as the core takes them. */
function fieldsOf<T extends Given>({ customAttributes, ...fields }: T) {
  return { ...defined(fields), ...(customAttributes ? { attributes: asCustomAttributes(customAttributes) } : {}) }
}

/** People whom rules name together, and to whom certificates belong. */
export const groupOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'The groups of the organization, by name.',
    answer: z.object({ groups: z.array(group) }),
    run: async ({ door }) => ({ body: { groups: (await door.groups.list()).map(view) } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary: 'Makes a group.',
    body: z.strictObject({
      name,
      organization: name.optional(),
      description: description.optional(),
      email: email.optional(),
      customAttributes: requestAttributes.optional(),
    }),
    status: 201,
    answer: group,
    async run({ door, body }) {
      const made = await door.groups.create(fieldsOf(body))
      return { body: view(made), headers: { Location: `/api${ALL}/${made.uuid}` } }
    },
  }),
  operation({
    method: 'patch',
    path: ONE,
    tag,
    summary:
      'Changes what is given of a group; null empties. Rules mean groups by name: after a new name they mean another one.',
    body: z.strictObject({
      name: name.optional(),
      description: description.nullable().optional(),
      email: email.nullable().optional(),
      /** All of them, from then on. */
      customAttributes: requestAttributes.optional(),
    }),
    answer: group,
    run: async ({ door, params, body }) => ({
      body: view(await door.groups.change({ uuid: params.uuid }, fieldsOf(body))),
    }),
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag,
    summary: 'Deletes a group.',
    status: 204,
    async run({ door, params }) {
      await door.groups.delete({ uuid: params.uuid })
      return undefined
    },
  }),
  operation({
    method: 'put',
    path: `${ONE}/members/{user}`,
    tag,
    summary: 'Puts a user of the organization into a group.',
    status: 204,
    async run({ door, params }) {
      await door.groups.addMember({ uuid: params.uuid }, params.user)
      return undefined
    },
  }),
  operation({
    method: 'delete',
    path: `${ONE}/members/{user}`,
    tag,
    summary: 'Takes a user out of a group.',
    status: 204,
    async run({ door, params }) {
      await door.groups.removeMember({ uuid: params.uuid }, params.user)
      return undefined
    },
  }),
]
