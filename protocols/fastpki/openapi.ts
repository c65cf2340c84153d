import { type ZodType, z } from 'zod'
import { VERSION } from '../../src/protocol.ts'
import type { Operation } from './operation.ts'

/** The document that describes the contract, made of the schemas that check every call. */
export function openApiOperation(operations: readonly Operation[]): Operation {
  let text: string | undefined
  return {
    method: 'get',
    path: '/openapi.json',
    tag: 'about',
    summary: 'This document.',
    open: true,
    async run({ host }) {
      text ??= JSON.stringify(documentOf(operations, `${host.baseUrl}/fastpki`))
      return { raw: { type: 'application/json', content: text } }
    },
  }
}

function documentOf(operations: readonly Operation[], url: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    const path = `/api/v1${operation.path}`
    paths[path] = { ...paths[path], [operation.method]: described(operation) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'FastPKI, by countersign', version: VERSION },
    servers: [{ url }],
    paths,
    components: {
      securitySchemes: {
        OAuth2PasswordBearer: {
          type: 'oauth2',
          flows: { password: { scopes: {}, tokenUrl: `${url}/api/v1/auth/token` } },
        },
      },
    },
  }
}

function described(operation: Operation): object {
  const { path, tag, summary, query, body, form, bodyOptional, status = 200, answer, open } = operation
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  const { properties = {}, required = [] } = query ? schemaOf(query, 'input') : {}
  return {
    tags: [tag],
    summary,
    ...(open ? {} : { security: [{ OAuth2PasswordBearer: [] }] }),
    parameters: [
      ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'integer' } })),
      ...Object.entries(properties).map(([name, schema]) => ({
        name,
        in: 'query',
        required: required.includes(name),
        schema,
      })),
    ],
    ...(body
      ? {
          requestBody: {
            required: !bodyOptional,
            content: {
              [form ? 'application/x-www-form-urlencoded' : 'application/json']: { schema: schemaOf(body, 'input') },
            },
          },
        }
      : {}),
    responses: {
      [status]: answer
        ? { description: 'Done.', content: { 'application/json': { schema: schemaOf(answer, 'output') } } }
        : { description: 'Done.' },
      ...(status === 201 ? { 202: { description: 'Somebody has to decide.' } } : {}),
      422: { description: 'What does not fit its schema.' },
      default: { description: 'A refusal: `detail` says why.' },
    },
  }
}

function schemaOf(schema: ZodType, io: 'input' | 'output') {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' })
}
