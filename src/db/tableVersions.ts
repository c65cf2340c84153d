import type Sqlite from 'better-sqlite3'

/** What a statement does to a table, by SQLite's name of the operation. */
type Access = 'OpenRead' | 'OpenWrite'

export interface TableVersions {
  /**
   * A number that is another one once anybody, this process or another, may have changed one of these tables; undefined when that cannot be told now.
   */
  of(tables: readonly string[]): number | undefined
  /** Another number once the schema may be another one: what `touched` told before, and the names of columns, are to be asked again. */
  readonly generation: number
  /** Called for each statement that writes, before or after it; undefined: it may have written to any. */
  wrote(tables: readonly string[] | undefined): void
  /** The tables that a statement reads or writes, its triggers and what foreign keys ask for included; undefined: not told. */
  touched(sql: string, parameters: readonly unknown[], access: Access): readonly string[] | undefined
}

interface Operation {
  opcode: string
  p1: number
  p2: number
  p3: number
}

/** Counts the writes to each table of an SQLite file through `writer`, the one connection of this process that does. */
export function tableVersions(writer: Sqlite.Database): TableVersions {
  const counts = new Map<string, number>()
  /** Of whatever no table can be named for: changes of the schema, and commits of other processes. */
  let rest = 0
  const others = writer.prepare('pragma data_version').pluck()
  const schema = writer.prepare('pragma schema_version').pluck()
  let seen = others.get()
  let seenSchema = schema.get()
  let generation = 0
  let pages = new Map<number, string>()

  /** Pages belong to other tables after it, as they do after a VACUUM. */
  function newSchema(): void {
    generation++
    pages = new Map()
  }

  /** Another one after each commit of another process; its own connection’s do not count. */
  function look(): boolean {
    try {
      const now = others.get()
      if (now === seen) return true
      rest++
      const schemaNow = schema.get()
      if (schemaNow !== seenSchema) newSchema()
      seenSchema = schemaNow
      seen = now
      return true
    } catch {
      return false
    }
  }

  /** To run it also shows the connection the schema as it is now: `explain` alone would go by what it knew. */
  function loadPages(): void {
    const rows = writer.prepare('select rootpage, tbl_name from sqlite_master where rootpage > 0').raw(true).all()
    pages = new Map([[1, 'sqlite_master'], ...(rows as [number, string][])])
  }

  function tablesOf(operations: readonly Operation[], access: Access): readonly string[] | undefined {
    const tables = new Set<string>()
    for (const { opcode, p1, p2, p3 } of operations) {
      // A virtual table (the search for texts) writes to tables of its own alone; what is read of one is not told.
      if (opcode === 'VOpen' && access === 'OpenRead') return undefined
      const page = opcode === access && p3 === 0 ? p2 : opcode === 'Clear' && access === 'OpenWrite' ? p1 : undefined
      if (page === undefined) continue
      const table = pages.get(page)
      if (table === undefined) return undefined
      tables.add(table)
    }
    return [...tables]
  }

  return {
    get generation() {
      return generation
    },
    of(tables) {
      if (!look()) return undefined
      let version = rest
      for (const table of tables) version += counts.get(table) ?? 0
      return version
    },
    wrote(tables) {
      if (tables === undefined) rest++
      else for (const table of tables) counts.set(table, (counts.get(table) ?? 0) + 1)
    },
    touched(sql, parameters, access) {
      if (!/^\s*(?:select|insert|update|delete|replace|with)\b/i.test(sql)) {
        if (!/^\s*pragma\b/i.test(sql)) newSchema()
        return undefined
      }
      try {
        if (pages.size === 0) loadPages()
        const explained = () => writer.prepare(`explain ${sql}`).all(parameters) as Operation[]
        const told = tablesOf(explained(), access)
        if (told !== undefined) return told
        loadPages()
        return tablesOf(explained(), access)
      } catch {
        return undefined
      }
    },
  }
}
