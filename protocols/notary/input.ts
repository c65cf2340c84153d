import type { IncomingMessage } from 'node:http'
import { type ZodType, z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readBody } from '../../src/http/body.ts'
import type { Operation } from './operation.ts'

const LARGEST_BODY = 100 * 1024

/**
 * The body of a call. Its Content-Type is not looked at: clients of the contract send JSON as text/plain, or without any. Throws
 * Failure('malformed' | 'tooLarge').
 */
export async function readInput({ body: schema }: Operation, incoming: IncomingMessage): Promise<unknown> {
  if (!schema) return undefined
  const given = parseJson(await readBody(incoming, LARGEST_BODY))
  const read = schema.safeParse(given)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new Failure('malformed', `invalid request: ${issue?.message}`)
}

function parseJson(octets: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch (error) {
    throw new Failure('malformed', 'Invalid JSON format', { cause: error })
  }
}

/** The number in a path. Throws Failure('malformed'). */
export function readId(given: string | undefined): number {
  if (given === undefined) return 0
  if (/^\d{1,15}$/.test(given)) return Number(given)
  throw new Failure('malformed', 'Invalid ID')
}

/** A body of named fields; what is not named is not looked at. */
export function fields<Shape extends Record<string, ZodType>>(shape: Shape) {
  return z.object(shape, { error: 'the body is a JSON object' })
}

/** Printable, on one line. */
export function line(name: string, most = 200) {
  const what = `${name} is text of at most ${most} characters, on one line`
  return z
    .string({ error: (issue) => (issue.input === undefined ? `${name} is required` : what) })
    .refine((given) => given.length <= most && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(given), what)
}

/** Text of PEM blocks. */
export function pemText(name: string) {
  return z
    .string({ error: (issue) => (issue.input === undefined ? `${name} is required` : `${name} is PEM text`) })
    .min(1, `${name} is required`)
    .regex(/^[\t\n\r\x20-\x7e]*$/, 'could not decode PEM block')
}

/** A number that the contract sends as text. */
export function idText(name: string) {
  const what = `${name} is the number of a certificate authority`
  return z
    .union([z.string().regex(/^\d{1,15}$/), z.int().min(0).max(999_999_999_999_999)], {
      error: (issue) => (issue.input === undefined ? `${name} is required` : what),
    })
    .transform(Number)
}
