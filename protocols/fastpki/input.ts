import type { IncomingMessage } from 'node:http'
import type { ZodError, ZodType } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readBody } from '../../src/http/body.ts'
import { type Misfit, Unprocessable } from './errors.ts'
import type { Operation } from './operation.ts'

const MIB = 2 ** 20
const DEEPEST = 64
/** Never told back, whatever is wrong with it. */
const SECRET = /password|secret|token|key|csr/i

/** The body of a call, as its operation's schema makes it. Throws Unprocessable, Failure('tooLarge' …). */
export async function readInput({ body, form, bodyOptional }: Operation, incoming: IncomingMessage): Promise<unknown> {
  if (!body) return undefined
  const octets = await readBody(incoming, MIB)
  if (form) return check(body, readForm(octets, incoming), 'body')
  if (octets.length === 0 && bodyOptional) return undefined
  if (octets.length === 0) throw misfit('missing', ['body'], 'Field required')
  if (!isJson(incoming))
    throw misfit(
      'model_attributes_type',
      ['body'],
      'The body must be JSON: send it with Content-Type: application/json',
    )
  const given = parseJson(octets)
  refuseDeep(given)
  return check(body, given, 'body')
}

function isJson({ headers }: IncomingMessage): boolean {
  return /^application\/([a-z0-9.+-]+\+)?json *(;|$)/i.test(headers['content-type'] ?? '')
}

/** OAuth 2.0 (RFC 6749 section 4.3.2), of which the contract takes the form. */
function readForm(octets: Buffer, { headers }: IncomingMessage): Record<string, string> {
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(headers['content-type'] ?? '')) return {}
  return firstOfEach(new URLSearchParams(octets.toString('utf8')))
}

function firstOfEach(all: URLSearchParams): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, value] of all) if (!Object.hasOwn(given, name)) given[name] = value
  return given
}

function parseJson(octets: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch {
    throw misfit('json_invalid', ['body', 0], 'JSON decode error', {})
  }
}

/** Level by level: nothing here calls itself. */
function refuseDeep(given: unknown): void {
  let level = [given]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw misfit('json_invalid', ['body', 0], `The body is nested deeper than ${DEEPEST} levels`, {})
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

/** What its schema does not know is left out. */
export function readQuery(schema: ZodType | undefined, query: URLSearchParams): unknown {
  return schema && check(schema, firstOfEach(query), 'query')
}

/** Throws Unprocessable for what is no number, Failure('notFound') for one that nothing has. */
export function readParams(given: Record<string, string>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      if (!/^-?[0-9]+$/.test(value))
        throw misfit(
          'int_parsing',
          ['path', name],
          'Input should be a valid integer, unable to parse string as an integer',
          echo(name, value),
        )
      if (!/^[1-9][0-9]{0,14}$/.test(value)) throw new Failure('notFound', 'Not Found')
      return [name, Number(value)]
    }),
  )
}

function misfit(type: string, loc: Misfit['loc'], msg: string, input: unknown = null): Unprocessable {
  return new Unprocessable([{ type, loc, msg, input }])
}

function check(schema: ZodType, given: unknown, where: string): unknown {
  const read = schema.safeParse(given)
  if (read.success) return read.data
  throw new Unprocessable(misfitsOf(read.error, given, where))
}

type Issue = ZodError['issues'][number]

function misfitsOf({ issues }: ZodError, given: unknown, where: string): Misfit[] {
  return issues.slice(0, 100).map((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    const value = valueAt(given, issue.path)
    const name = String(path.filter((step) => typeof step === 'string').at(-1) ?? '')
    return { ...wordsOf(issue, value), loc: [where, ...path], input: echo(name, value) }
  })
}

const kinds: Record<string, readonly [string, string]> = {
  string: ['string_type', 'Input should be a valid string'],
  number: ['int_type', 'Input should be a valid integer'],
  int: ['int_type', 'Input should be a valid integer'],
  boolean: ['bool_type', 'Input should be a valid boolean'],
  array: ['list_type', 'Input should be a valid list'],
  object: ['model_attributes_type', 'Input should be a valid dictionary or object to extract fields from'],
}

/** In the words of pydantic, where it has some. */
function wordsOf(issue: Issue, value: unknown): Pick<Misfit, 'type' | 'msg'> {
  if (value === undefined && issue.path.length > 0) return { type: 'missing', msg: 'Field required' }
  switch (issue.code) {
    case 'invalid_type': {
      const [type, msg] = kinds[issue.expected] ?? ['value_error', issue.message]
      return { type, msg }
    }
    case 'invalid_value':
      return { type: 'enum', msg: `Input should be ${issue.values.map((one) => `'${String(one)}'`).join(', ')}` }
    case 'too_small':
      return issue.origin === 'string'
        ? { type: 'string_too_short', msg: `String should have at least ${issue.minimum} characters` }
        : { type: 'greater_than_equal', msg: issue.message }
    case 'too_big':
      return issue.origin === 'string'
        ? { type: 'string_too_long', msg: `String should have at most ${issue.maximum} characters` }
        : { type: 'less_than_equal', msg: issue.message }
    default:
      return { type: 'value_error', msg: issue.message }
  }
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, step)
  }
  return value
}

/** What was given, where it is short and no secret can be in it. */
function echo(name: string, value: unknown): unknown {
  if (SECRET.test(name)) return null
  if (typeof value === 'string') return value.slice(0, 100)
  return typeof value === 'number' || typeof value === 'boolean' ? value : null
}
