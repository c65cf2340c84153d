import type { Migration } from './columns.ts'

/** All migrations, by name; they run in the order of their names. */
export const migrations: Record<string, Migration> = {}
