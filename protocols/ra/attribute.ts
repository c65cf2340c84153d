import { z } from 'zod'
import { text } from './text.ts'

/** Content types of the contract's attributes that a profile may ask for or that certificates carry. */
export const contentTypes = [
  'string',
  'text',
  'integer',
  'boolean',
  'float',
  'date',
  'time',
  'datetime',
  'secret',
  'file',
  'credential',
  'codeblock',
  'object',
  'resource',
] as const
export type ContentType = (typeof contentTypes)[number]

const contentItem = z.object({
  reference: text(1000).nullish(),
  data: z.unknown().optional(),
  contentType: z.enum(contentTypes).nullish(),
})

/** An attribute as clients send it. A missing version means v2. */
export const requestAttribute = z
  .object({
    uuid: text(200).nullish(),
    name: text(200),
    contentType: z.enum(contentTypes).nullish(),
    content: z.array(contentItem).max(1000).nullish(),
    version: z.enum(['v2', 'v3']).default('v2'),
  })
  .meta({ id: 'RequestAttribute' })
export type RequestAttribute = z.output<typeof requestAttribute>

/** So many attributes in one place; more are nobody's honest order. */
export const requestAttributes = z.array(requestAttribute).max(100)

/** An attribute as answers show it; the content of secrets is left out, and what a credential holds. An item of v3 names its type. */
export const responseAttribute = z
  .object({
    uuid: z.string().optional(),
    name: z.string(),
    label: z.string(),
    type: z.string(),
    contentType: z.string(),
    content: z.array(z.looseObject({ data: z.unknown() })).optional(),
    version: z.string(),
  })
  .meta({ id: 'ResponseAttribute' })
export type ResponseAttribute = z.output<typeof responseAttribute>

/** A schema's entry: what a client is to fill in. */
export const baseAttribute = z
  .object({
    uuid: z.string(),
    name: z.string(),
    description: z.string(),
    version: z.int(),
    type: z.string(),
    /** Of 3, whose form of an attribute it has. */
    schemaVersion: z.string().optional(),
    /** A group has none, and neither a content before it is asked for by its callback. */
    contentType: z.string().optional(),
    content: z.array(z.object({ reference: z.string().optional(), data: z.unknown() })).optional(),
    properties: z.object({
      label: z.string(),
      visible: z.boolean(),
      group: z.string().optional(),
      resource: z.string().optional(),
      required: z.boolean(),
      readOnly: z.boolean(),
      list: z.boolean(),
      multiSelect: z.boolean(),
      protectionLevel: z.string(),
      extensibleList: z.boolean(),
    }),
    constraints: z
      .array(z.object({ type: z.string(), description: z.string(), errorMessage: z.string(), data: z.unknown() }))
      .optional(),
    attributeCallback: z
      .object({
        callbackContext: z.string(),
        callbackMethod: z.string(),
        mappings: z.array(
          z.object({
            from: z.string(),
            attributeType: z.string(),
            attributeContentType: z.string(),
            to: z.string(),
            targets: z.array(z.string()),
          }),
        ),
      })
      .optional(),
  })
  .meta({ id: 'BaseAttribute' })
export type BaseAttribute = z.output<typeof baseAttribute>

export function asResponse(attribute: RequestAttribute, label = attribute.name): ResponseAttribute {
  const contentType = attribute.contentType ?? 'string'
  const content = contentType === 'secret' ? undefined : attribute.content
  const shown = (data: unknown) => (contentType === 'credential' ? withoutHeld(data) : data)
  return {
    ...(attribute.uuid ? { uuid: attribute.uuid } : {}),
    name: attribute.name,
    label,
    type: 'data',
    contentType,
    ...(content
      ? {
          content: content.map(({ reference, data }) => ({
            ...(reference ? { reference } : {}),
            data: shown(data),
            ...itemType(attribute.version, contentType),
          })),
        }
      : {}),
    version: attribute.version,
  }
}

/** One with one value. */
export function responseAttributeOf(
  name: string,
  data: unknown,
  contentType: ContentType = 'string',
): ResponseAttribute {
  return { name, label: name, type: 'data', contentType, content: [{ data }], version: 'v2' }
}

/** Items of v3 say their type themselves. */
export function itemType(version: string | undefined, contentType: string): { contentType?: string } {
  return version === 'v3' ? { contentType } : {}
}

function withoutHeld(credential: unknown): unknown {
  const { uuid, name, kind } = credential as Record<string, unknown>
  return { uuid, name, ...(kind === undefined ? {} : { kind }) }
}
