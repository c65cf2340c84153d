import type Sqlite from 'better-sqlite3'
import type pg from 'pg'

const inList = (tables: readonly string[]) => tables.map((table) => `'${table}'`).join()

/** Indexes away, but for those that hold a constraint: made at the end, sorted, they take minutes where one row after the other, at random places, takes hours. Gives the statements that make them. */
export function dropSqliteIndexes(raw: Sqlite.Database, tables: readonly string[]): string[] {
  const found = raw
    .prepare(
      `select name, sql from sqlite_master where type = 'index' and sql is not null and tbl_name in (${inList(tables)})`,
    )
    .all() as { name: string; sql: string }[]
  for (const { name } of found) raw.exec(`drop index ${name}`)
  return found.map(({ sql }) => sql)
}

export async function dropPostgresIndexes(client: pg.Client, tables: readonly string[]): Promise<string[]> {
  await client.query(`set maintenance_work_mem = '1GB'`)
  const { rows } = await client.query<{ name: string; sql: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as sql from pg_index i join pg_class t on t.oid = i.indrelid
     where t.relname in (${inList(tables)}) and t.relnamespace = current_schema()::regnamespace
       and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid)`,
  )
  for (const { name } of rows) await client.query(`drop index ${name}`)
  return rows.map(({ sql }) => sql)
}
