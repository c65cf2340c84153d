import type { IncomingMessage } from 'node:http'
import { type ZodError, type ZodType, z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readBody } from '../../src/http/body.ts'
import { Invalid } from './errors.ts'
import type { Operation } from './operation.ts'

const LARGEST = 2 ** 20
/** No body of the contract comes near. */
const DEEPEST = 16
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Text that every database takes and every log shows. */
export function text(longest: number): z.ZodString {
  return z
    .string()
    .max(longest)
    .regex(/^[^\0\p{Cs}]*$/u, 'Null characters and halves of characters are not allowed.')
}

/** The body of a call, as its operation's schema makes it. Throws Failure('malformed' …) for what cannot be read, Invalid for fields that are wrong. */
export async function readInput(operation: Operation, incoming: IncomingMessage): Promise<unknown> {
  if (!operation.body) return undefined
  const octets = await readBody(incoming, LARGEST)
  requireJson(incoming)
  const given = parseJson(octets)
  refuseDeep(given)
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Invalid({ non_field_errors: ['Invalid data. Expected an object.'] })
  return check(operation.body, given)
}

function requireJson({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? ''
  if (/^application\/json *(;|$)/i.test(type)) return
  const detail = `Unsupported media type ${JSON.stringify(type.slice(0, 100))} in request: send application/json.`
  throw new Failure('unsupportedMediaType', detail)
}

function parseJson(octets: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch (error) {
    throw new Failure('malformed', 'JSON parse error: the body is no JSON in UTF-8', { cause: error })
  }
}

/** Level by level: nothing here calls itself. */
function refuseDeep(given: unknown): void {
  let level = [given]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw new Failure('malformed', `the body is nested deeper than ${DEEPEST} levels`)
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

/** The query of a call. Of what comes twice the first counts; what the schema does not know is left out. */
export function readQuery(schema: ZodType | undefined, query: URLSearchParams): unknown {
  if (!schema) return undefined
  const given = new Map<string, string>()
  for (const [name, value] of query) if (!given.has(name)) given.set(name, value)
  return check(schema, Object.fromEntries(given))
}

/** What a path names: what cannot be an id is not found. */
export function readId(given: string | undefined): string {
  if (given === undefined) return ''
  if (!UUID.test(given)) throw new Failure('notFound', 'Not found.')
  return given.toLowerCase()
}

export const isId = (given: string): boolean => UUID.test(given)

function check(schema: ZodType, given: unknown): unknown {
  const read = schema.safeParse(given)
  if (read.success) return read.data
  throw new Invalid(fieldsOf(read.error))
}

function fieldsOf({ issues }: ZodError): Record<string, string[]> {
  const fields = new Map<string, string[]>()
  for (const { path, message } of issues.slice(0, 100)) {
    const [first, ...rest] = path.map(String)
    const name = first ?? 'non_field_errors'
    const sentence = rest.length === 0 ? message : `${rest.join('.')}: ${message}`
    fields.set(name, [...(fields.get(name) ?? []), sentence])
  }
  return Object.fromEntries(fields)
}
