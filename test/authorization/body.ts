import { z } from 'zod'
import type { Operation } from '../../protocols/ra/operation.ts'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minItems?: number
  minimum?: number
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
}

/** The smallest value that the schema of a body admits, with `given` in place of what it names. */
export function smallestBody({ body, bodyOptional }: Operation, given: unknown): unknown {
  if (!body || (bodyOptional && given === undefined)) return given
  if (Array.isArray(given)) return given
  const schema = schemaOf(body)
  if (given === undefined) return smallest(schema)
  const { properties = {}, required = [] } = schema
  const missing = required.filter((key) => !Object.hasOwn(given as object, key))
  return { ...Object.fromEntries(missing.map((key) => [key, smallest(properties[key] ?? {})])), ...(given as object) }
}

const schemas = new Map<z.ZodType, Schema>()

function schemaOf(body: z.ZodType): Schema {
  const known = schemas.get(body) ?? (z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' }) as Schema)
  schemas.set(body, known)
  return known
}

function smallest(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  const [first] = schema.anyOf ?? schema.oneOf ?? []
  if (first) return smallest(first)
  if (schema.type === 'object') {
    const { properties = {}, required = [] } = schema
    return Object.fromEntries(required.map((key) => [key, smallest(properties[key] ?? {})]))
  }
  if (schema.type === 'array') return new Array(schema.minItems ?? 0).fill(smallest(schema.items ?? {}))
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1
  return schema.type === 'boolean' ? false : 'x'
}
