import type { IncomingMessage } from 'node:http'
import type { ZodError, ZodType } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readBody } from '../../src/http/body.ts'
import { Unprocessable } from './errors.ts'
import type { Operation } from './operation.ts'

const MIB = 2 ** 20
/** No body of the contract or of ours comes near; who writes a tree out, or looks into it, may call itself so often. */
const DEEPEST = 64

/** The body of a call, as its operation's schema makes it. Throws Failure('malformed' …) for what cannot be read, Unprocessable for what is not acceptable. */
export async function readInput(operation: Operation, incoming: IncomingMessage): Promise<unknown> {
  if (operation.bodyText) return readText(incoming, operation)
  if (!operation.body) return undefined
  const octets = await readBody(incoming, operation.bodyLimit ?? MIB)
  if (octets.length === 0 && operation.bodyOptional) return undefined
  requireJson(incoming)
  const given = parseJson(octets)
  refuseDeep(given)
  return check(operation.body, given, 'the body')
}

/** Level by level: nothing here calls itself. */
function refuseDeep(given: unknown): void {
  let level = [given]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw new Failure('malformed', `Unable to read HTTP message: the body is nested deeper than ${DEEPEST} levels`)
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

async function readText(incoming: IncomingMessage, { bodyText = [], bodyLimit = MIB }: Operation): Promise<string> {
  const [type = ''] = (incoming.headers['content-type'] ?? bodyText[0] ?? '').split(';')
  if (!bodyText.includes(type.trim().toLowerCase()))
    throw new Failure('unsupportedMediaType', `the body is sent with Content-Type: ${bodyText.join(' or ')}`)
  const octets = await readBody(incoming, bodyLimit)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch (error) {
    throw new Failure('malformed', 'Unable to read HTTP message: the body is no text in UTF-8', { cause: error })
  }
}

function requireJson({ headers }: IncomingMessage): void {
  const type = headers['content-type']
  if (type === undefined || /^application\/([a-z0-9.+-]+\+)?json *(;|$)/i.test(type)) return
  throw new Failure('unsupportedMediaType', 'the body must be JSON: send it with Content-Type: application/json')
}

function parseJson(octets: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch (error) {
    throw new Failure('malformed', 'Unable to read HTTP message: the body is no JSON in UTF-8', { cause: error })
  }
}

/** The query of a call. What its schema does not know is left out: clients of the contract send parameters that nobody reads. */
export function readQuery(schema: ZodType | undefined, query: URLSearchParams): unknown {
  if (!schema) return undefined
  const given: Record<string, string> = {}
  for (const [name, value] of query) if (!Object.hasOwn(given, name)) given[name] = value
  return check(schema, given, 'the query')
}

/** Parameters of a path name things: what cannot be a name is not found. */
export function checkParams(given: Record<string, string>): Record<string, string> {
  for (const value of Object.values(given)) {
    if (value.length > 200 || !/^[^\p{Cc}\p{Cs}\ufffd]+$/u.test(value))
      throw new Failure('notFound', 'there is no such object')
  }
  return given
}

function check(schema: ZodType, given: unknown, what: string): unknown {
  const read = schema.safeParse(given)
  if (read.success) return read.data
  throw refusalOf(read.error, given, what)
}

/** Types and enumerations that cannot be read are 400 with a message, the rest 422 with a sentence for each thing wrong. */
function refusalOf({ issues }: ZodError, given: unknown, what: string): Error {
  const unreadable = issues.find(
    ({ code, path }) =>
      (code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union') &&
      valueAt(given, path) !== undefined,
  )
  if (unreadable)
    return new Failure(
      'malformed',
      `Unable to read HTTP message: ${placeOf(unreadable.path, what)}: ${unreadable.message}`,
    )
  return new Unprocessable(issues.slice(0, 100).map(({ path, message }) => `${placeOf(path, what)}: ${message}`))
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, step)
  }
  return value
}

function placeOf(path: readonly PropertyKey[], what: string): string {
  return path.length === 0 ? what : path.map(String).join('.')
}
