import {
  type ColumnDefinitionBuilder,
  type CreateTableBuilder,
  type Expression,
  type Kysely,
  type RawBuilder,
  sql,
} from 'kysely'

type Step = (db: Kysely<unknown>, columns: Columns) => Promise<void>

/**
 * One step of the schema. It only adds (expands): what an older program, which still runs on another node, reads and writes stays as it was. One that `contracts` is
 * kept back until no older program runs (docs/operate/nodes.md).
 */
export type Migration = Step & { readonly contracts?: true }

/** A step that takes something away or tightens it: columns and tables that no program since the version before this one has used. */
export function contracting(step: Step): Migration {
  return Object.assign(step, { contracts: true as const })
}

type Build = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
type Type = RawBuilder<unknown>

/** What differs between the two databases when a table is made. */
export interface Columns {
  readonly dialect: 'sqlite' | 'postgres'
  /** A table; on SQLite a strict one, which stores no text in an integer column. */
  table<N extends string>(db: Kysely<unknown>, name: N): CreateTableBuilder<N>
  /** Integer key that the database assigns: `.addColumn('id', ...columns.id)`. Ask for it with `returning`. */
  readonly id: [Type, Build]
  /** 64 bits: counts, times in epoch milliseconds, keys of other tables. */
  readonly int: Type
  /** Sorted by code point on both databases, whatever the locale of the server. */
  readonly text: Type
  readonly blob: Type
  /** 0 or 1: `.addColumn('enabled', ...columns.flag('enabled', 1))`. Without a default every insert must name it. */
  flag(name: string, initially?: 0 | 1): [Type, Build]
  /** A partial unique index: unique among the rows for which `where` holds. */
  uniqueWhere(db: Kysely<unknown>, index: PartialIndex): Promise<void>
}

interface PartialIndex {
  name: string
  table: string
  columns: string[]
  where: Expression<unknown>
}

/** `.addColumn('name', columns.text, notNull)` */
export const notNull: Build = (column) => column.notNull()

export function columnsOf(dialect: Columns['dialect']): Columns {
  const sqlite = dialect === 'sqlite'
  const int = sqlite ? sql`integer` : sql`bigint`
  return {
    dialect,
    table: (db, name) => {
      const table = db.schema.createTable(name)
      return sqlite ? table.modifyEnd(sql`strict`) : table
    },
    // On SQLite `integer primary key` is the row's own number; any other spelling would be a second index.
    id: [int, (column) => (sqlite ? column.primaryKey() : column.generatedAlwaysAsIdentity().primaryKey())],
    int,
    text: sqlite ? sql`text` : sql`text collate "C"`,
    blob: sqlite ? sql`blob` : sql`bytea`,
    flag: (name, initially) => [
      int,
      (column) => {
        const flag = column.notNull().check(sql`${sql.ref(name)} in (0, 1)`)
        return initially === undefined ? flag : flag.defaultTo(initially)
      },
    ],
    uniqueWhere: (db, { name, table, columns, where }) =>
      sql`create unique index ${sql.ref(name)} on ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))}) where ${where}`
        .execute(db)
        .then(() => {}),
  }
}
