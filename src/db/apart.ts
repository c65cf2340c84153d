import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { HandleMisused } from './errors.ts'
import { type Database, inside } from './handle.ts'

export { TookTooLong } from './errors.ts'

interface Compilable<Row> {
  compile(): CompiledQuery<Row>
}

/**
 * Runs one query that may take long, within so many milliseconds, beside everything else: on SQLite in a thread of its own, so that the
 * event loop goes on, on PostgreSQL under a statement_timeout. It sees what is committed.
 *
 * @throws TookTooLong; HandleMisused inside a transaction
 */
export async function readApart<Row>(db: Database, query: Compilable<Row>, within: number): Promise<Row[]> {
  const { apart } = db[inside]
  if (!apart) throw new HandleMisused('a list is read outside of transactions')
  return (await apart(query.compile(), within)).rows as Row[]
}

/** A condition that always holds while there is time: a query that goes over many rows on SQLite ends by it. `id` is the row's number. */
export function inTime(db: Database, id: RawBuilder<number>): RawBuilder<boolean> {
  return db.dialect === 'sqlite' ? sql<boolean>`((${id} & 255) <> 0 or in_time())` : sql<boolean>`true`
}
