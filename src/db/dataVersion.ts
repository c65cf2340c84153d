import { CompiledQuery, type QueryResult } from 'kysely'
import { type Database, inside } from './handle.ts'

const question = CompiledQuery.raw('pragma data_version')

/**
 * On SQLite a number that is another one after every commit, of this process or of another, and costs next to nothing to ask for:
 * our own commits are counted, and those of others SQLite tells of (data_version). undefined on PostgreSQL, where only a query can tell.
 *
 * @throws DatabaseUnavailable once the database is closed
 */
export function dataVersion(db: Database): number | undefined {
  if (db.dialect !== 'sqlite') return undefined
  const { run, counts } = db[inside]
  const { rows } = run(question) as QueryResult<unknown>
  const [{ data_version: version }] = rows as [{ data_version: number }]
  return version + counts.commits
}
