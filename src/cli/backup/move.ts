import { existsSync, renameSync, rmSync } from 'node:fs'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import type { Loading } from '../../db/load.ts'
import { fillPostgres, postgresOccupancy } from '../../db/loadPostgres.ts'
import { closeDatabase, openDatabase } from '../../db/open.ts'
import { encodeRows, type TableSum, tableSummer } from '../../db/portableRows.ts'
import { shapeFault } from '../../db/portableTables.ts'
import { openSnapshot, type Snapshot } from '../../db/snapshot.ts'
import { movedName } from '../../disk/lostDatabase.ts'
import { databaseOf, isPostgres } from '../../disk/place.ts'
import { type Closing, headOf } from './archive.ts'
import { atRest } from './atRest.ts'
import { prove, proveLoaded } from './restore.ts'

export interface Moved {
  from: string
  /** The name that it has now. */
  kept: string
  tables: number
  rows: number
}

/**
 * Takes all rows of an SQLite database to an empty one of PostgreSQL, in one transaction, and proves them there. The source is read alone, while nobody else
 * works on it, and has another name afterwards: a server that is started as before must not take it up again.
 */
export async function moveTo(config: Config, to: string): Promise<Moved> {
  const from = databaseOf(config)
  if (!isPostgres(to)) throw new Failure('malformed', '--to is a PostgreSQL database: postgres://…')
  if (isPostgres(from))
    throw new Failure('unsupported', 'this installation is on PostgreSQL already: backup and restore take it elsewhere')
  const kept = movedName(from)
  if (existsSync(kept))
    throw new Failure(
      'conflict',
      existsSync(from)
        ? `${kept} is there already, from another move: take it away first`
        : `it was moved already, and is ${kept} now: to move it again, give it its name back`,
    )
  if (!existsSync(from)) throw new Failure('notFound', `there is no database ${from}`)
  return atRest(config, 'and move again', async () => {
    const moved = await moveAtRest(config, from, to)
    // Its log is brought into it first.
    await closeDatabase(openDatabase(from))
    renameSync(from, kept)
    for (const rest of ['-wal', '-shm']) rmSync(`${from}${rest}`, { force: true })
    return { ...moved, from, kept }
  })
}

async function moveAtRest(config: Config, from: string, to: string): Promise<Pick<Moved, 'tables' | 'rows'>> {
  if ((await postgresOccupancy(to)).tables > 0)
    throw new Failure('conflict', 'there are tables in that database: take an empty one')
  const snapshot = await openSnapshot(from)
  try {
    let sums: Closing['tables'] = {}
    let head: Closing['head'] = { position: 0, hash: '' }
    await fillPostgres({
      url: to,
      migrations: snapshot.migrations,
      replace: false,
      fill: async (loading) => {
        for (const table of snapshot.tables) {
          const fault = shapeFault(
            table,
            loading.tables.find(({ name }) => name === table.name),
          )
          if (fault) throw new Failure('internal', fault)
        }
        ;({ sums, head } = await copy(snapshot, loading.insert))
        await proveLoaded(loading, snapshot.tables, sums)
      },
      prove: (database) =>
        prove({
          config,
          folder: config.dataFolder,
          database,
          head,
          proved: async (door) => {
            if (snapshot.outdated()) throw new Failure('conflict', `${from} was written to meanwhile: move again`)
            await door.custody.moved()
          },
        }),
    })
    const all: TableSum[] = Object.values(sums)
    return { tables: all.length, rows: all.reduce((sum, { rows }) => sum + rows, 0) }
  } finally {
    await snapshot.close()
  }
}

async function copy(
  snapshot: Snapshot,
  insert: Loading['insert'],
): Promise<{ sums: Closing['tables']; head: Closing['head'] }> {
  const sums: Closing['tables'] = {}
  let head: Closing['head'] = { position: 0, hash: '' }
  for (const table of snapshot.tables) {
    const summer = tableSummer()
    for await (const rows of snapshot.rows(table)) {
      summer.add(rows.length, encodeRows(rows))
      if (table.name === 'audit_seals') head = headOf(table, rows) ?? head
      await insert(table, rows)
    }
    sums[table.name] = summer.sum()
  }
  return { sums, head }
}
