import { z } from 'zod'
import type { ConditionName, Filter, FilterValue } from '../../src/core/search/searchFilter.ts'
import { Unprocessable } from './errors.ts'
import { conditionsOf, issuedStates, orderStates, type SearchField, STATE, searchFields } from './inventoryFields.ts'
import { text } from './text.ts'

const value = z.union([text(1000), z.number(), z.boolean()])

const searchFilter = z.object({
  fieldSource: text(50),
  fieldIdentifier: text(100),
  condition: text(50),
  value: z.union([value, z.array(value).max(100)]).nullish(),
})
type SearchFilter = z.output<typeof searchFilter>

export const searchFilters = z.array(searchFilter).max(50)

/** Where a search looks: among all orders, or only among what was issued, which alone has a serial and an end. */
export interface InventorySearch {
  among: 'orders' | 'issued'
  where: Filter[]
}

/** The contract's filters in the core's words. Throws Unprocessable with a sentence for each that cannot be. */
export function readFilters(filters: readonly SearchFilter[], now: Date): InventorySearch {
  const problems: string[] = []
  const amongs = new Set<InventorySearch['among']>()
  const where = filters.flatMap((filter): Filter[] => {
    const read = readFilter(filter, now)
    if (typeof read === 'string') problems.push(read)
    else if (read.among) amongs.add(read.among)
    return typeof read === 'string' ? [] : [read.filter]
  })
  if (problems.length === 0 && amongs.size > 1)
    problems.push(
      `Filters on ${issuedOnly()}, or on states ${Object.keys(issuedStates).join(', ')}, do not go together with states of orders (${Object.keys(orderStates).join(', ')})`,
    )
  if (problems.length > 0) throw new Unprocessable(problems)
  return { among: amongs.has('issued') ? 'issued' : 'orders', where }
}

const issuedOnly = () => [...searchFields].flatMap(([name, { issued }]) => (issued ? [name] : [])).join(', ')

/** What is wrong with it, or what it says; `among` where it is only good for one kind of search. */
function readFilter(
  { fieldSource, fieldIdentifier, condition, value }: SearchFilter,
  now: Date,
): { filter: Filter; among?: InventorySearch['among'] } | string {
  if (fieldSource !== 'property') return `fieldSource ${fieldSource}: certificates are searched by property alone`
  const field = searchFields.get(fieldIdentifier)
  if (!field) return `fieldIdentifier ${fieldIdentifier}: one of ${[...searchFields.keys()].join(', ')}`
  const conditions: readonly string[] = conditionsOf[field.type]
  if (!conditions.includes(condition))
    return `condition ${condition}: ${fieldIdentifier} takes one of ${conditions.join(', ')}`
  if (fieldIdentifier === STATE) return readState(condition, value)
  const among = field.issued ? ({ among: 'issued' } as const) : {}
  const name = coreCondition(condition)
  if (name === 'empty' || name === 'notEmpty') return { filter: { field: field.field, condition: name }, ...among }
  const values = readValues(field, name, { value, now })
  if (!values) return `value of ${fieldIdentifier}: ${expected(field, name)}`
  return { filter: { field: field.field, condition: name, value: values }, ...among }
}

/** NOT_EQUALS is notEquals there. */
function coreCondition(condition: string): ConditionName {
  return condition.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) as ConditionName
}

function readState(condition: string, value: SearchFilter['value']): ReturnType<typeof readFilter> {
  const states = [value].flat().map(String)
  const statuses = (table: Readonly<Record<string, readonly string[]>>) =>
    states.every((state) => Object.hasOwn(table, state)) ? states.flatMap((state) => table[state] ?? []) : undefined
  const filter = (value: string[]): Filter => ({ field: 'status', condition: coreCondition(condition), value })
  const [ofIssued, ofOrders] = [statuses(issuedStates), statuses(orderStates)]
  if (ofIssued) return { filter: filter(ofIssued), among: 'issued' }
  if (ofOrders) return { filter: filter(ofOrders), among: 'orders' }
  return `value of ${STATE}: either of ${Object.keys(issuedStates).join(', ')} or of ${Object.keys(orderStates).join(', ')}`
}

function expected({ type }: SearchField, condition: ConditionName): string {
  if (type !== 'datetime') return 'a text, or a list of texts'
  return condition === 'inNext' || condition === 'inPast'
    ? 'a length of time such as P30D or PT12H'
    : 'a date (2026-01-31) or a date and time with its offset (RFC 3339)'
}

function readValues(
  { type }: SearchField,
  condition: ConditionName,
  { value, now }: { value: SearchFilter['value']; now: Date },
): FilterValue[] | undefined {
  if (value === null || value === undefined) return undefined
  const read: (given: string | number | boolean) => FilterValue | undefined =
    type !== 'datetime'
      ? (given) => (typeof given === 'boolean' ? undefined : String(given))
      : condition === 'inNext' || condition === 'inPast'
        ? (given) => readDuration(String(given), now, condition === 'inNext' ? 1 : -1)
        : (given) => readMoment(String(given))
  const values = [value].flat().map(read)
  return values.every((one) => one !== undefined) ? values : undefined
}

const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })])

function readMoment(given: string): Date | undefined {
  return moment.safeParse(given).success ? new Date(given) : undefined
}

const DURATION =
  /^P(?!$)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?!$)(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$/

/** ISO 8601, as milliseconds: months and years are those that follow from now on, or went before. */
function readDuration(given: string, now: Date, sign: 1 | -1): number | undefined {
  const parts = DURATION.exec(given)
    ?.slice(1)
    .map((part) => Number(part ?? 0))
  if (!parts) return undefined
  const [years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts
  const end = new Date(now)
  end.setUTCFullYear(end.getUTCFullYear() + sign * years, end.getUTCMonth() + sign * months)
  const exact = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
  const length = sign * (end.getTime() - now.getTime()) + exact * 1000
  return Number.isSafeInteger(length) ? length : undefined
}

/** What a client may filter by. */
export function searchableFields() {
  return [
    {
      filterFieldSource: 'property',
      searchFieldData: [...searchFields].map(([fieldIdentifier, { label, type }]) => ({
        fieldIdentifier,
        fieldLabel: label,
        type,
        conditions: [...conditionsOf[type]],
        ...(fieldIdentifier === STATE ? { value: [...Object.keys(issuedStates), ...Object.keys(orderStates)] } : {}),
        multiValue: type === 'list',
      })),
    },
  ]
}
