import Sqlite from 'better-sqlite3'
import type { CompiledQuery } from 'kysely'

/** How SQLite would find what a query asks for: the steps of its plan. */
export function queryPlan(url: string, { sql, parameters }: CompiledQuery): string[] {
  const handle = new Sqlite(url, { readonly: true })
  try {
    const plan = handle.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]
    return plan.map(({ detail }) => detail)
  } finally {
    handle.close()
  }
}
