import { type RawBuilder, sql } from 'kysely'
import { inTime } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import type { FacetGroup } from './searchFacets.ts'
import type { Field } from './searchFields.ts'
import type { Condition } from './searchFilter.ts'
import { type SearchKind, searchTable } from './searchTables.ts'

// Conditions of a search as SQL over its search table, called `s`. Values are always bound; table and column names are this program's own.

type Sql = RawBuilder<boolean>

/** Whether a column is one of these numbers, with the same text of a statement however many they are. */
export function numbersIn(db: Database, column: RawBuilder<unknown>, numbers: readonly number[]): Sql {
  if (db.dialect === 'sqlite') return sql`${column} in (select value from json_each(${JSON.stringify(numbers)}))`
  return sql`${column} = any(${`{${numbers.join()}}`}::bigint[])`
}

/** The rows of one group of facets. */
export function ofGroup(db: Database, { facets, time, requesters }: FacetGroup, now: number): Sql {
  const parts = [numbersIn(db, sql.ref('s.facet_id'), facets)]
  if (time === 'live') parts.push(sql`s.not_after > ${now}`)
  if (time === 'ended') parts.push(sql`s.not_after <= ${now}`)
  if (requesters) parts.push(numbersIn(db, sql.ref('s.requester_id'), requesters))
  return all(parts)
}

export function all(parts: readonly Sql[]): Sql {
  return sql`(${sql.join(parts, sql` and `)})`
}

export function any(parts: readonly Sql[]): Sql {
  return sql`(${sql.join(parts, sql` or `)})`
}

/** A condition on a row. Conditions on facets are decided before, and regular expressions afterwards: they have none here. */
export function ofCondition(db: Database, condition: Condition): Sql | undefined {
  if (condition.field.at === 'facet' || condition.test === 'matches') return undefined
  const holds = positively(db, condition)
  return condition.negated ? sql`not ${holds}` : holds
}

function positively(db: Database, condition: Condition): Sql {
  const { field } = condition
  if (field.at === 'column') {
    const column = sql.ref(`s.${field.column}`)
    if (condition.test === 'empty') return sql`(${column} is null)`
    // Said in so many words: only then an index of a part of the rows is used.
    const from = indexedFrom(condition)
    const part = from === undefined ? [] : [sql<boolean>`${column} >= ${sql.lit(from)}`]
    return all([sql`${column} is not null`, ...part, ofNumber(db, column, condition)])
  }
  if (field.at === 'requester') {
    return sql`(s.requester_id in (select r.id from search_requesters r where ${ofText(db, sql.ref('r.name'), condition)}))`
  }
  return ofText(db, textOf(db, field), condition)
}

/** The text of a field, between line feeds. */
export function textOf(db: Database, field: Field): RawBuilder<unknown> {
  if (field.at === 'row') return sql.ref(`s.${field.column}`)
  if (field.at === 'requester') return sql`(select r.name from search_requesters r where r.id = s.requester_id)`
  if (field.at !== 'certificate') throw new Error(`${field.name} is no text of a row`)
  return sql`(select ${between(db, sql.ref(`c.${field.column}`))} from certificates c where c.id = s.id)`
}

function between(db: Database, text: RawBuilder<unknown>): RawBuilder<unknown> {
  const feed = sql.raw(db.dialect === 'sqlite' ? 'char(10)' : 'chr(10)')
  return sql`${feed} || ${text} || ${feed}`
}

function ofText(db: Database, column: RawBuilder<unknown>, condition: Condition): Sql {
  if (condition.test === 'empty') return sql`(${column} = '')`
  const found = (part: string) =>
    db.dialect === 'sqlite' ? sql<boolean>`instr(${column}, ${part}) > 0` : sql<boolean>`strpos(${column}, ${part}) > 0`
  return any(partsOf(condition).map(found))
}

/** What must stand in the text between line feeds, one of them. */
function partsOf(condition: Condition): string[] {
  switch (condition.test) {
    case 'equals':
      return condition.texts.map((text) => `\n${text}\n`)
    case 'startsWith':
      return condition.texts.map((text) => `\n${text}`)
    case 'endsWith':
      return condition.texts.map((text) => `${text}\n`)
    case 'contains':
      return condition.texts
    default:
      return []
  }
}

export function ofNumber(db: Database, column: RawBuilder<unknown>, condition: Condition): Sql {
  if (condition.test === 'among') return numbersIn(db, column, condition.numbers)
  if (condition.test !== 'between') return sql`true`
  const { from, to } = condition
  const parts: Sql[] = []
  if (from) parts.push(from.open ? sql`${column} > ${from.at}` : sql`${column} >= ${from.at}`)
  if (to) parts.push(to.open ? sql`${column} < ${to.at}` : sql`${column} <= ${to.at}`)
  return all(parts)
}

/** Where the index that serves a condition begins; undefined: it has every row, or none serves. */
function indexedFrom({ field, ...condition }: Condition): number | undefined {
  if (field.at !== 'column' || typeof field.indexed !== 'object') return undefined
  const { from } = field.indexed
  return condition.test === 'between' && condition.from && condition.from.at >= from ? from : undefined
}

/** The spans of ids (search_blocks, called `b`) in which a condition may hold; undefined: in any. */
export function ofBlock(kind: SearchKind, { field, negated, ...condition }: Condition): Sql | undefined {
  if (field.at !== 'column' || negated) return undefined
  const parts = [sql<boolean>`b.kind = ${kind}`, sql<boolean>`b.field = ${field.column}`]
  if (condition.test === 'among') {
    parts.push(sql`b.most >= ${Math.min(...condition.numbers)}`, sql`b.least <= ${Math.max(...condition.numbers)}`)
    return all(parts)
  }
  if (condition.test !== 'between') return undefined
  const { from, to } = condition
  if (from) parts.push(sql`b.most >= ${from.at}`)
  if (to) parts.push(sql`b.least <= ${to.at}`)
  return all(parts)
}

/** Ids that a condition leaves over, by an index; undefined where no index serves. May give more than hold it, never fewer. */
export function byIndex(db: Database, kind: SearchKind, condition: Condition): RawBuilder<unknown> | undefined {
  const { field, negated } = condition
  if (negated || condition.test === 'empty' || condition.test === 'matches') return undefined
  const table = sql.table(searchTable[kind])
  switch (field.at) {
    case 'facet':
      return undefined
    case 'column': {
      if (field.indexed !== 'every' && indexedFrom(condition) === undefined) return undefined
      return sql`select s.id from ${table} s where ${positively(db, condition)}`
    }
    case 'requester': {
      const named = ofText(db, sql.ref('r.name'), condition)
      return sql`select s.id from search_requesters r cross join ${table} s where s.requester_id = r.id and ${named}`
    }
    case 'certificate':
      return byCertificate(db, condition, field.column)
    case 'row':
      return byTrigrams(db, kind, condition)
  }
}

function byCertificate(
  db: Database,
  condition: Condition,
  column: 'serial' | 'fingerprint',
): RawBuilder<unknown> | undefined {
  if (!('texts' in condition)) return undefined
  const ref = sql.ref(`c.${column}`)
  if (condition.test === 'equals')
    return sql`select c.id from certificates c where ${ref} in (${sql.join(condition.texts)})`
  const [text, another] = condition.texts
  if (condition.test !== 'startsWith' || text === undefined || another !== undefined) {
    // Through the index from one end to the other: it is smaller than the rows.
    return sql`select c.id from certificates c where ${inTime(db, sql.ref('c.id'))} and ${ofText(db, between(db, ref), condition)}`
  }
  // Behind every lower-case hexadecimal digit comes g.
  return sql`select c.id from certificates c where ${ref} >= ${text} and ${ref} < ${`${text}g`}`
}

function byTrigrams(db: Database, kind: SearchKind, condition: Condition): RawBuilder<unknown> | undefined {
  if (!('texts' in condition) || db.dialect === 'sqlite') return undefined
  const { texts } = condition
  if (texts.some((text) => [...text].length < SHORTEST)) return undefined
  // With its line feeds: at the end of a word pg_trgm knows more.
  const like = partsOf(condition).map(
    (text) => sql<boolean>`(s.subject || s.common_name || s.names) like ${pattern(text)}`,
  )
  return sql`select s.id from ${sql.table(searchTable[kind])} s where ${any(like)}`
}

/** Shorter texts have no trigram. */
export const SHORTEST = 3

function pattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`
}
