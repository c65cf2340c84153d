import { Failure } from '../failure.ts'
import { ConditionError, compileExpression } from '../profile/conditionFunctions.ts'
import { type Field, fieldsOf } from './searchFields.ts'
import type { SearchKind } from './searchTables.ts'
import { folded } from './searchText.ts'

/** What a filter may ask of a field. Texts are compared without case. */
export const conditions = [
  'equals',
  'notEquals',
  'greater',
  'greaterOrEqual',
  'lesser',
  'lesserOrEqual',
  'contains',
  'notContains',
  'startsWith',
  'endsWith',
  'empty',
  'notEmpty',
  'inNext',
  'inPast',
  'matches',
  'notMatches',
] as const
export type ConditionName = (typeof conditions)[number]

export type FilterValue = string | number | Date

/** One condition; all of a search must hold. Of several values one must (for the negative ones: none may). */
export interface Filter {
  /** See searchFields.ts. */
  field: string
  condition: ConditionName
  /** Text; a Date or epoch milliseconds; for inNext and inPast, and for durations, milliseconds. Absent for empty and notEmpty. */
  value?: FilterValue | readonly FilterValue[]
}

/** A filter that was checked. Negative conditions hold where their positive ones do not, also where there is no value. */
export type Condition = { field: Field; negated: boolean } & (
  | { test: 'empty' }
  | { test: 'equals' | 'contains' | 'startsWith' | 'endsWith'; texts: string[] }
  | { test: 'matches'; expression: (text: string) => boolean }
  | { test: 'among'; numbers: number[] }
  /** A bound that is absent is none; `open`: the bound itself is outside. */
  | { test: 'between'; from?: Bound; to?: Bound }
)

interface Bound {
  at: number
  open: boolean
}

const FILTERS = 50
const VALUES = 100
const CHARACTERS = 1000
/** Of a whole search: each may be tried on every row, for some microseconds a character. */
const EXPRESSIONS = 5

/** Throws Failure('malformed') with a problem for each filter that cannot be. `now` in epoch milliseconds. */
export function checkFilters(kind: SearchKind, where: readonly Filter[], now: number): Condition[] {
  if (where.length > FILTERS) throw new Failure('malformed', `a search has at most ${FILTERS} filters`)
  if (expressionsIn(where) > EXPRESSIONS)
    throw new Failure('malformed', `a search has at most ${EXPRESSIONS} regular expressions`)
  const checked: Condition[] = []
  const problems: { at: string; code: 'malformed'; detail: string }[] = []
  where.forEach((filter, n) => {
    const result = checkFilter(kind, filter, now)
    if (typeof result === 'string') problems.push({ at: `where[${n}]`, code: 'malformed', detail: result })
    else checked.push(result)
  })
  if (problems.length === 0) return checked
  throw new Failure('malformed', problems.map(({ detail }) => detail).join('; '), { problems })
}

/** Counted before any is compiled. */
function expressionsIn(where: readonly Filter[]): number {
  return where
    .filter(({ condition }) => condition === 'matches' || condition === 'notMatches')
    .reduce((count, { value }) => count + (Array.isArray(value) ? value.length : 1), 0)
}

/** What is wrong with it, or the condition. */
function checkFilter(kind: SearchKind, { field: name, condition, value }: Filter, now: number): Condition | string {
  const fields = fieldsOf(kind)
  const field = fields.get(name)
  if (!field) return `a field to search by is one of ${[...fields.keys()].join(', ')}`
  if (!conditions.includes(condition)) return `a condition is one of ${conditions.join(', ')}`
  if (condition === 'empty' || condition === 'notEmpty') {
    if (value !== undefined && value !== null) return `${name}: ${condition} takes no value`
    return { field, test: 'empty', negated: condition === 'notEmpty' }
  }
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (values.length === 0 || values.length > VALUES) return `${name}: one to ${VALUES} values`
  return field.type === 'text'
    ? textCondition(field, condition, values)
    : numberCondition(field, condition, { values, now })
}

function textCondition(field: Field, condition: ConditionName, values: readonly unknown[]): Condition | string {
  const positive = positives[condition]
  if (!positive) return `${field.name} is a text: ${condition} is for dates and numbers`
  const texts: string[] = []
  for (const value of values) {
    if (typeof value !== 'string') return `${field.name} is compared with text`
    if (value.length === 0 || value.length > CHARACTERS) return `${field.name}: a text of 1 to ${CHARACTERS} characters`
    if (/[\0\p{Cs}]/u.test(value)) return `${field.name}: a text without U+0000 and without halves of characters`
    texts.push(value)
  }
  const negated = condition.startsWith('not')
  if (positive !== 'matches') return { field, test: positive, negated, texts: texts.map(folded) }
  try {
    const compiled = texts.map((text) => compileExpression(`(?i)${text}`))
    const expression = (text: string) => compiled.some((one) => one.test(text.slice(0, CHARACTERS)))
    return { field, test: 'matches', negated, expression }
  } catch (error) {
    if (error instanceof ConditionError) return `${field.name}: ${error.message}`
    throw error
  }
}

const positives: Partial<Record<ConditionName, 'equals' | 'contains' | 'startsWith' | 'endsWith' | 'matches'>> = {
  equals: 'equals',
  notEquals: 'equals',
  contains: 'contains',
  notContains: 'contains',
  startsWith: 'startsWith',
  endsWith: 'endsWith',
  matches: 'matches',
  notMatches: 'matches',
}

function numberCondition(
  field: Field,
  condition: ConditionName,
  { values, now }: { values: readonly unknown[]; now: number },
): Condition | string {
  const numbers = values.map((value) => (value instanceof Date ? value.getTime() : value))
  const what = field.type === 'time' ? 'a date' : 'milliseconds'
  if (!numbers.every((value): value is number => typeof value === 'number' && Number.isSafeInteger(value)))
    return `${field.name} is compared with ${what}`
  if (condition === 'equals' || condition === 'notEquals')
    return { field, test: 'among', negated: condition === 'notEquals', numbers }
  const [at = 0, another] = numbers
  if (another !== undefined) return `${field.name}: ${condition} takes one value`
  const range = rangeOf(condition, at, now)
  if (!range || ((condition === 'inNext' || condition === 'inPast') && field.type !== 'time'))
    return `${field.name} is ${what}: ${condition} is not for it`
  if (condition.startsWith('in') && (at < 0 || !Number.isSafeInteger(now + at)))
    return `${field.name}: ${condition} takes a length of time in milliseconds`
  return { field, test: 'between', negated: false, ...range }
}

function rangeOf(condition: ConditionName, at: number, now: number): { from?: Bound; to?: Bound } | undefined {
  switch (condition) {
    case 'greater':
      return { from: { at, open: true } }
    case 'greaterOrEqual':
      return { from: { at, open: false } }
    case 'lesser':
      return { to: { at, open: true } }
    case 'lesserOrEqual':
      return { to: { at, open: false } }
    case 'inNext':
      return { from: { at: now, open: true }, to: { at: now + at, open: false } }
    case 'inPast':
      return { from: { at: now - at, open: false }, to: { at: now, open: false } }
    default:
      return undefined
  }
}
