import { TypeError as CelTypeError, ParseError, type ParseResult } from '@marcbachmann/cel-js'
import type { Facts } from '../approval/approval.ts'
import { Failure } from '../failure.ts'
import { createCache } from '../installation.ts'
import { ConditionRefused, type ConditionWork, checkOperands, checkSyntax } from './conditionCheck.ts'
import { type ConditionContext, conditionContext, environment } from './conditionEnvironment.ts'
import { ConditionError } from './conditionFunctions.ts'

export { type ConditionContext, conditionContext } from './conditionEnvironment.ts'
export { ConditionError } from './conditionFunctions.ts'

/** A condition of a rule, checked and ready to run. */
export interface Condition {
  source: string
  run: ParseResult
  work: ConditionWork
}

/** About 10 ms. */
const MAX_WORK = 200_000
const MAX_KEPT = 500
const MAX_SOURCE = 4000

const compiled = createCache<string, Condition>(MAX_KEPT)

/**
 * Compiles a condition: CEL over the variables of Facts, with glob, re and inNetwork, without what could run long
 * (conditionCheck.ts). Throws Failure('malformed') with line and column of what is wrong. Compiled conditions are kept.
 */
export function compileCondition(source: string): Condition {
  const kept = compiled.get(source)
  if (kept) return kept
  const condition = compile(source)
  compiled.set(source, condition)
  return condition
}

function compile(source: string): Condition {
  if (source.length > MAX_SOURCE) throw new Failure('malformed', `a condition has at most ${MAX_SOURCE} characters`)
  try {
    const run = environment.parse(source)
    const work = checkSyntax(run.ast)
    const { valid, type, error } = run.check()
    if (!valid) throw error
    if (type !== 'bool') throw new ConditionRefused(`a condition is true or false, this one is of type ${type}`, 0)
    checkOperands(run.ast)
    return { source, run, work }
  } catch (error) {
    throw refusal(source, error)
  }
}

function refusal(source: string, error: unknown): Failure {
  if (error instanceof ConditionRefused) {
    return new Failure('malformed', `${error.message} (${place(source, error.position)})`)
  }
  if (error instanceof ParseError || error instanceof CelTypeError) {
    return new Failure('malformed', `${error.summary} (${place(source, error.range?.start ?? 0)})`)
  }
  return new Failure('malformed', 'this is not a condition', { cause: error })
}

function place(source: string, position: number): string {
  const before = source.slice(0, position).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** Whether a condition holds. Takes a few microseconds and never more than some ten milliseconds. Throws only ConditionError. */
export function evaluate(condition: Condition, facts: Facts): boolean {
  return holds(condition, conditionContext(facts), facts.identifiers.length)
}

/** As evaluate, for a context that serves several conditions; `names` is the number of identifiers in it. */
export function holds({ run, work }: Condition, context: ConditionContext, names: number): boolean {
  const most = Math.max(names, work.longestList)
  const [outside, once, twice] = work.units
  if (outside + most * once + most * most * twice > MAX_WORK) {
    throw new ConditionError(`too much to look at for ${names} names`)
  }
  let value: unknown
  try {
    value = run(context)
  } catch (error) {
    throw error instanceof ConditionError ? error : new ConditionError(summary(error), error)
  }
  if (typeof value !== 'boolean') throw new ConditionError('the condition was neither true nor false')
  return value
}

function summary(error: unknown): string {
  if (error instanceof Error && 'summary' in error && typeof error.summary === 'string') return error.summary
  return error instanceof Error ? error.message : 'unknown error'
}
