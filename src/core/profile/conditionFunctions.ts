import { RE2JS } from '@bufbuild/re2'
import { ipInNetwork, parseCidr, parseIp } from '../../pki/identifier.ts'
import { createCache } from '../installation.ts'
import { matchesPattern } from './pattern.ts'

/** A condition that could not be evaluated for these facts. Whoever evaluates must fall back to asking people. */
export class ConditionError extends Error {
  constructor(detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause })
    this.name = 'ConditionError'
  }
}

const MAX_PATTERN = 300
const MAX_TEXT = 2000
/** RE2 programs grow with counted repetition (`.{900}` is 900 instructions), and time with them. */
const MAX_INSTRUCTIONS = 400
const MAX_KEPT = 200

const expressions = createCache<string, RE2JS>(MAX_KEPT)

/** Compiles an RE2 pattern, or throws a ConditionError that says what is wrong with it. Patterns are kept, the newest 200. */
export function compileExpression(pattern: string): RE2JS {
  const kept = expressions.get(pattern)
  if (kept) return kept
  if (pattern.length > MAX_PATTERN)
    throw new ConditionError(`a regular expression has at most ${MAX_PATTERN} characters`)
  const compiled = parseExpression(pattern)
  if (compiled.re2().prog.numInst() > MAX_INSTRUCTIONS) {
    throw new ConditionError('this regular expression is too large; use smaller counts in braces')
  }
  expressions.set(pattern, compiled)
  return compiled
}

function parseExpression(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    throw new ConditionError(error instanceof Error ? error.message : 'not a regular expression', error)
  }
}

/** `re(text, pattern)`: whether RE2 finds the pattern anywhere in the text; anchor it with ^ and $. Time is linear in the text. */
export function re(text: string, pattern: string): boolean {
  return compileExpression(pattern).test(bounded(text, MAX_TEXT))
}

/** `glob(text, pattern)`: the whole text, by the same patterns as a profile's names (pattern.ts). */
export function glob(text: string, pattern: string): boolean {
  return matchesPattern(bounded(pattern, MAX_PATTERN), bounded(text, MAX_TEXT))
}

/**
 * `inNetwork(address, cidr)`: an unknown address, or one of the other family, is in no network. An IPv4 address that a
 * dual-stack socket reports as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) counts as IPv4.
 */
export function inNetwork(address: string, cidr: string): boolean {
  checkNetwork(cidr)
  const parsed = parseIp(address)
  return parsed !== undefined && ipInNetwork(mapped(parsed) ? parsed.subarray(12) : parsed, cidr)
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex')

function mapped(address: Buffer): boolean {
  return address.length === 16 && address.subarray(0, 12).equals(MAPPED)
}

/** Throws a ConditionError unless the text is a network like 10.0.0.0/8 or 2001:db8::/32, or a single address. */
export function checkNetwork(cidr: string): void {
  if (parseCidr(cidr)) return
  throw new ConditionError(`${JSON.stringify(cidr.slice(0, 60))} is not a network like 10.0.0.0/8`)
}

function bounded(text: string, limit: number): string {
  if (text.length > limit) throw new ConditionError(`a text of more than ${limit} characters`)
  return text
}
