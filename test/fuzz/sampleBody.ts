import { type ZodType, z } from 'zod'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  format?: string
  additionalProperties?: Schema | boolean
  minimum?: number
}

/** Something that a schema may take: with every member that it names. Where a text has a form of its own, mostly not that. */
export function sampleBody(schema: ZodType): unknown {
  return sample(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', cycles: 'ref' }) as Schema, 0)
}

function sample(schema: Schema, depth: number): unknown {
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  const one = schema.anyOf?.[0] ?? schema.oneOf?.[0]
  if (one) return sample(one, depth)
  if (schema.allOf)
    return Object.assign(
      {},
      ...schema.allOf.map((part) => sample(part, depth + 1)).filter((part) => part instanceof Object),
    )
  switch (schema.type) {
    case 'object':
      if (depth > 6) return {}
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, sample(inner, depth + 1)]),
      )
    case 'array':
      return schema.items && depth < 6 ? [sample(schema.items, depth + 1)] : []
    case 'integer':
    case 'number':
      return Math.max(1, schema.minimum ?? 1)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return schema.format === 'uuid' ? '00000000-0000-4000-8000-000000000000' : 'default'
  }
}
