import type { PortableColumn, PortableTable } from './portableRows.ts'

/** Runs one reading statement and gives its rows by their columns. */
export type Ask = (sql: string) => Promise<Record<string, unknown>[]>

/** Known from the list of migrations that a backup carries by itself. */
const BOOKKEEPING = 'migrations'

const questions = {
  sqlite: {
    // Without text indexes and what they are stored in: they are made anew.
    columns: `select t.name as table_name, c.name as column_name, lower(c.type) as type, c.pk as position
      from pragma_table_list t join pragma_table_info(t.name) c
      where t.schema = 'main' and t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' order by t.name, c.cid`,
    references: `select t.name as child, f."table" as parent from pragma_table_list t join pragma_foreign_key_list(t.name) f
      where t.schema = 'main' and t.type = 'table'`,
  },
  postgres: {
    // Without what a crash may empty: it is worth nothing to anybody later.
    columns: `select c.relname as table_name, a.attname as column_name, format_type(a.atttypid, null) as type,
        coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1 as position
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_index i on i.indrelid = c.oid and i.indisprimary
      where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.relpersistence = 'p'
      order by c.relname collate "C", a.attnum`,
    references: `select child.relname as child, parent.relname as parent from pg_constraint k
      join pg_class child on child.oid = k.conrelid join pg_class parent on parent.oid = k.confrelid
      where k.contype = 'f' and k.connamespace = current_schema()::regnamespace`,
  },
}

const types: Record<string, PortableColumn['type']> = {
  integer: 'integer',
  bigint: 'integer',
  text: 'text',
  blob: 'blob',
  bytea: 'blob',
}

/** The tables that both databases have, each after those that it refers to. Throws where a column would not be stored alike in both. */
export async function readTables(dialect: 'sqlite' | 'postgres', ask: Ask): Promise<PortableTable[]> {
  const tables = new Map<string, PortableTable>()
  const keys = new Map<string, [number, string][]>()
  for (const row of await ask(questions[dialect].columns)) {
    const [table, name, type] = [row.table_name, row.column_name, row.type].map(String) as [string, string, string]
    if (table === BOOKKEEPING) continue
    const portable = types[type]
    if (!portable) throw new Error(`${table}.${name} is of the type ${type}, which the other database has not`)
    const known = tables.get(table) ?? { name: table, columns: [], key: [] }
    known.columns.push({ name, type: portable })
    tables.set(table, known)
    if (Number(row.position) > 0) keys.set(table, [...(keys.get(table) ?? []), [Number(row.position), name]])
  }
  for (const [name, key] of keys) {
    const table = tables.get(name)
    if (table) table.key = key.sort(([a], [b]) => a - b).map(([, column]) => column)
  }
  const keyless = [...tables.values()].find(({ key }) => key.length === 0)
  if (keyless) throw new Error(`${keyless.name} has no primary key: its rows have no order`)
  return inOrder(tables, await ask(questions[dialect].references))
}

function inOrder(tables: Map<string, PortableTable>, references: Record<string, unknown>[]): PortableTable[] {
  const parents = new Map<string, string[]>()
  for (const { child, parent } of references)
    parents.set(String(child), [...(parents.get(String(child)) ?? []), String(parent)])
  const ordered: PortableTable[] = []
  const seen = new Set<string>()
  const visit = (name: string) => {
    if (seen.has(name)) return
    seen.add(name)
    for (const parent of parents.get(name) ?? []) visit(parent)
    const table = tables.get(name)
    if (table) ordered.push(table)
  }
  for (const name of tables.keys()) visit(name)
  return ordered
}

/** The rows of a table in the order of its key. */
export function selectAll({ name, columns, key }: PortableTable): string {
  return `select ${columns.map((column) => quoted(column.name)).join()} from ${quoted(name)} order by ${key.map(quoted).join()}`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What is different between what was written and what is here; undefined where nothing is. */
export function shapeFault(wanted: PortableTable, here: PortableTable | undefined): string | undefined {
  if (!here) return `there is no table ${wanted.name} here`
  const text = ({ columns, key }: PortableTable) =>
    JSON.stringify([[...columns].sort((a, b) => (a.name < b.name ? -1 : 1)), key])
  return text(wanted) === text(here) ? undefined : `the table ${wanted.name} has other columns here`
}
