import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { AttributeDefinition, AttributeResource } from '../../src/core/inventory/attributeDefinition.ts'
import { contentTypes } from './attribute.ts'
import { Unprocessable } from './errors.ts'
import { name } from './fields.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const TAG = 'Custom attributes'
const ALL = '/v1/attributes/custom'
const ONE = `${ALL}/{uuid}` as const

/** What people read is no place for secrets. */
const contentType = z.enum(contentTypes).exclude(['secret', 'credential'])
const known = ['certificates', 'groups', 'locations'] as const satisfies readonly AttributeResource[]
const resource = z.enum(known)
const isResource = (text: string): text is AttributeResource => resource.safeParse(text).success
const constraint = z.object({
  type: z.enum(['regExp', 'range', 'dateTime']),
  description: text(1000).nullish(),
  errorMessage: text(1000).nullish(),
  data: z.unknown(),
})

const definition = z
  .object({
    uuid: z.string(),
    name: z.string(),
    label: z.string(),
    description: z.string(),
    type: z.literal('custom'),
    contentType,
    enabled: z.boolean(),
    required: z.boolean(),
    visible: z.boolean(),
    readOnly: z.boolean(),
    list: z.boolean(),
    multiSelect: z.boolean(),
    extensibleList: z.boolean(),
    content: z.array(z.unknown()),
    resources: z.array(resource),
    /** Ours beside the contract. */
    constraints: z.array(constraint),
  })
  .meta({ id: 'CustomAttributeDefinition' })

const editRequest = z.object({
  label: name,
  description: text(1000).nullish(),
  required: z.boolean().nullish(),
  visible: z.boolean().nullish(),
  group: text(100).nullish(),
  readOnly: z.boolean().nullish(),
  list: z.boolean().nullish(),
  multiSelect: z.boolean().nullish(),
  extensibleList: z.boolean().nullish(),
  content: z.array(z.unknown()).max(1000).nullish(),
  resources: z.array(text(100)).max(100).nullish(),
  constraints: z.array(constraint).max(10).nullish(),
})
const addRequest = editRequest.extend({ name, contentType })

/** What of the contract's form is not kept is refused by name, so that nobody relies on it. */
function refuseForeign({ resources, content, readOnly, visible, list }: z.output<typeof editRequest>): void {
  const problems = [
    ...(resources ?? []).filter((one) => !isResource(one)).map((one) => `resources: ${one}: only ${known.join(', ')}`),
    ...(content?.length || list ? ['list, content: there are no predefined values'] : []),
    ...(readOnly ? ['readOnly: whoever manages a certificate changes its attributes'] : []),
    ...(visible === false ? ['visible: attributes are shown to all who may read a certificate'] : []),
  ]
  if (problems.length > 0) throw new Unprocessable(problems)
}

/** Several values of an attribute are the contract's multiSelect. */
function draftOf({ label, description, required, multiSelect, constraints, resources }: z.output<typeof editRequest>) {
  return {
    label,
    ...(typeof description === 'string' ? { description } : {}),
    required: required ?? false,
    list: multiSelect ?? false,
    ...(resources?.length ? { resources: resources.filter(isResource) } : {}),
    constraints: Object.fromEntries((constraints ?? []).map(({ type, data }) => [type, data])),
  }
}

function view({ constraints, list, description, ...rest }: AttributeDefinition): z.output<typeof definition> {
  return {
    ...rest,
    description: description ?? '',
    type: 'custom',
    enabled: true,
    visible: true,
    readOnly: false,
    list: false,
    multiSelect: list,
    extensibleList: false,
    content: [],
    constraints: Object.entries(constraints).flatMap(([type, data]) =>
      data === undefined ? [] : [{ type: type as z.output<typeof constraint>['type'], data }],
    ),
  }
}

/** Throws Failure('notFound') also for one of another organization. */
async function definitionAt({ inventory }: Door, wanted: string): Promise<AttributeDefinition> {
  const found = (await inventory.attributes.list()).find(({ uuid }) => uuid === wanted)
  if (!found) throw new Failure('notFound', 'there is no such attribute')
  return found
}

/** What administrators say about custom attributes of certificates, groups and locations. */
export const customAttributeOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists the custom attributes that are defined, by name.',
    query: z.object({ attributeContentType: contentType.optional() }),
    answer: z.array(definition),
    async run({ door, query }) {
      const all = await door.inventory.attributes.list()
      const wanted = query.attributeContentType
      return { body: all.filter((one) => wanted === undefined || one.contentType === wanted).map(view) }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/resources`,
    tag: TAG,
    summary: 'What has custom attributes.',
    answer: z.array(resource),
    async run() {
      return { body: [...known] }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary:
      'Defines a custom attribute: its type, whether it must be given, whether it has several values, what these look like.',
    body: addRequest,
    status: 201,
    answer: definition,
    async run({ door, host, body }) {
      refuseForeign(body)
      const { name, contentType } = body
      const made = await door.inventory.attributes.add({ name, contentType, ...draftOf(body) })
      return { body: view(made), headers: { Location: `${host.baseUrl}/api${ALL}/${made.uuid}` } }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary: 'Shows the definition of a custom attribute.',
    answer: definition,
    run: async ({ door, params }) => ({ body: view(await definitionAt(door, params.uuid)) }),
  }),
  operation({
    method: 'put',
    path: ONE,
    tag: TAG,
    summary: 'Changes a definition; name and type stay, and so does what certificates have.',
    body: editRequest,
    answer: definition,
    async run({ door, params, body }) {
      const { uuid, name, contentType, resources } = await definitionAt(door, params.uuid)
      refuseForeign(body)
      await door.inventory.attributes.change(uuid, { name, contentType, resources, ...draftOf(body) })
      return { body: view(await definitionAt(door, uuid)) }
    },
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag: TAG,
    summary: 'Takes a definition away; what certificates have of the attribute stays.',
    status: 204,
    async run({ door, params }) {
      await door.inventory.attributes.remove(params.uuid)
      return undefined
    },
  }),
]
