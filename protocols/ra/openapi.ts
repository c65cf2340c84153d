import { z } from 'zod'
import { VERSION } from '../../src/protocol.ts'
import { openApiPage } from './openapiPage.ts'
import type { Operation } from './operation.ts'

/** The document that describes the API, and a page to read it, made of the schemas that check every call. */
export function openApiOperations(operations: readonly Operation[]): Operation[] {
  let text: string | undefined
  const shared = { method: 'get', tag: 'About', open: true } as const
  return [
    {
      ...shared,
      path: '/openapi.json',
      summary: 'This document.',
      async run({ host }) {
        text ??= JSON.stringify(openApiDocument(operations, `${host.baseUrl}/api`))
        return { raw: { type: 'application/json', content: text } }
      },
    },
    {
      ...shared,
      path: '/docs',
      summary: 'The same for people.',
      async run() {
        return {
          raw: { type: 'text/html; charset=utf-8', content: openApiPage(operations) },
          headers: { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" },
        }
      },
    },
  ]
}

/** OpenAPI 3.1.1, whose schemas are those of JSON Schema 2020-12. */
export function openApiDocument(operations: readonly Operation[], url: string): object {
  const schemas = new NamedSchemas({ Message: message, Sentences: sentences, Denied: denied })
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    const { path, method } = operation
    paths[path] = { ...paths[path], [method]: describe(operation, schemas) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'countersign',
      version: VERSION,
      description: 'Certificates and the people who decide on them, over REST.',
    },
    servers: [{ url }],
    security: [{ bearer: [] }, { session: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-session-id' },
      },
      schemas: schemas.all,
      responses: {
        Message: described('What is wrong, and what to do about it.', 'Message'),
        Sentences: described('One sentence for each thing that is not acceptable.', 'Sentences'),
        Denied: described('A permission is missing.', 'Denied'),
        Nobody: { description: 'Nobody who is known here: no body.' },
      },
    },
  }
}

const message = {
  type: 'object',
  properties: { message: { type: 'string' } },
  required: ['message'],
}
const sentences = { type: 'array', items: { type: 'string' } }
const denied = {
  type: 'object',
  properties: { statusCode: { const: 403 }, code: { const: 'ACCESS_DENIED' }, message: { type: 'string' } },
  required: ['statusCode', 'code', 'message'],
}

function described(description: string, schema: string): object {
  return { description, content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } } }
}

function describe(operation: Operation, schemas: NamedSchemas): object {
  const {
    path,
    method,
    tag,
    summary,
    status = 200,
    answer,
    signedBody,
    body = signedBody,
    bodyText,
    bodyOptional,
    open,
  } = operation
  return {
    operationId: operationId(operation),
    tags: [tag],
    summary,
    ...(open ? { security: [] } : {}),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => pathParameter(name)),
      ...queryParameters(operation, schemas),
    ],
    ...(body ? { requestBody: { required: !bodyOptional, content: json(schemas.of(body, 'input')) } } : {}),
    ...(bodyText ? { requestBody: { required: true, content: texts(bodyText) } } : {}),
    responses: {
      [status]: answer
        ? { description: 'Done.', content: json(schemas.of(answer, 'output')) }
        : { description: method === 'get' ? 'As described.' : 'Done.' },
      400: { $ref: '#/components/responses/Message' },
      ...(open
        ? {}
        : { 401: { $ref: '#/components/responses/Nobody' }, 403: { $ref: '#/components/responses/Denied' } }),
      404: { $ref: '#/components/responses/Message' },
      ...(operation.conflict === 422 ? {} : { 409: { $ref: '#/components/responses/Message' } }),
      422: { $ref: '#/components/responses/Sentences' },
      default: { $ref: '#/components/responses/Message' },
    },
  }
}

/** Method and path in one word: getV1CertificatesByUuid. */
export function operationId({ method, path }: Pick<Operation, 'method' | 'path'>): string {
  const words = path.replace(/\{(\w+)\}/g, 'by/$1').split(/[^A-Za-z0-9]+/)
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function pathParameter(name: string | undefined): object {
  return { name, in: 'path', required: true, schema: { type: 'string' } }
}

function queryParameters({ query }: Operation, schemas: NamedSchemas): object[] {
  if (!query) return []
  const { properties = {}, required = [] } = schemas.of(query, 'input') as {
    properties?: Record<string, object>
    required?: string[]
  }
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }))
}

function texts(types: readonly string[]): object {
  return Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }]))
}

function json(schema: object): object {
  return { 'application/json': { schema } }
}

type Schema = Record<string, unknown>

/** Schemas that have an id (`meta({ id })`) stand once in the document, by that name, and are referred to. */
class NamedSchemas {
  readonly all: Record<string, Schema>

  constructor(all: Record<string, Schema>) {
    this.all = { ...all }
  }

  of(schema: z.ZodType, io: 'input' | 'output'): Schema {
    const {
      $schema: _,
      $defs = {},
      ...rest
    } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' })
    const renamed = new Map<string, string>()
    for (const [name, definition] of Object.entries($defs))
      renamed.set(name, this.#name(name, definition as Schema, io))
    for (const [name, definition] of Object.entries($defs)) {
      const { id: __, ...own } = definition as Schema
      this.all[renamed.get(name) ?? name] = referring(own, renamed) as Schema
    }
    const own = referring(rest, renamed) as Schema
    const { id, ...bare } = own
    if (typeof id !== 'string') return own
    const name = this.#name(id, own, io)
    this.all[name] = bare
    return { $ref: `#/components/schemas/${name}` }
  }

  /** What a client may send and what it gets can differ under one name: then the first is called so. */
  #name(id: string, schema: Schema, io: 'input' | 'output'): string {
    const known = this.all[id]
    const { id: _, ...bare } = schema
    return io === 'input' && known !== undefined && JSON.stringify(known) !== JSON.stringify(bare) ? `${id}Input` : id
  }
}

/** The same, with references to definitions of its own turned to those of the document. */
function referring(schema: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(schema)) return schema.map((one) => referring(one, renamed))
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      const [, name] = key === '$ref' && typeof value === 'string' ? (/^#\/\$defs\/(.+)$/.exec(value) ?? []) : []
      return [key, name === undefined ? referring(value, renamed) : `#/components/schemas/${renamed.get(name) ?? name}`]
    }),
  )
}
