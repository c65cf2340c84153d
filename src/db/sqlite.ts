import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { type CompiledQuery, type QueryResult, SqliteDialect } from 'kysely'
import { DatabaseUnavailable, errorCode, HandleMisused, usedLate, usedNested, usedOutside } from './errors.ts'
import { kyselyOver } from './executor.ts'
import { GroupCommit } from './group.ts'
import { type Counts, type Database, inside, type Run, type Session } from './handle.ts'
import { readingThreads } from './readingThreads.ts'
import { preparedStatements } from './statements.ts'

/** While the server starts nobody waits for the event loop: here a lock may be waited for synchronously. */
const OPEN_WAIT_MS = 5_000
/** Later it freezes the process, so the wait is short and the rest is done asynchronously (group.ts). */
const WRITE_WAIT_MS = 5
/** A reader of a write-ahead log waits only while another process recovers the log. */
const READ_WAIT_MS = 200

export function openSqlite(path: string, lockWait: number): Database {
  const writer = openWriter(path)
  const reader = new Sqlite(path, { readonly: true, timeout: READ_WAIT_MS })
  reader.pragma('cache_size = -16000')
  reader.pragma('temp_store = memory')

  let closed = false
  const counts: Counts = { statements: 0, commits: 0 }
  const over = kyselyOver(new SqliteDialect({ database: reader }))
  const write = preparedStatements(writer)
  const read = preparedStatements(reader)
  const threads = readingThreads(path)

  const group = new GroupCommit({ writer, counts, lockWait, openHandle })
  return {
    dialect: 'sqlite',
    [inside]: {
      kysely: over(readOutside),
      run: readOutside,
      apart: readApart,
      transaction: (work) => group.transaction(work),
      close,
      counts,
    },
  }

  function readOutside(query: CompiledQuery): QueryResult<unknown> {
    if (closed) throw new DatabaseUnavailable('it is closed')
    if (group.running) throw new HandleMisused(usedOutside)
    counts.statements++
    return read(query)
  }

  async function readApart(query: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
    if (group.running) throw new HandleMisused(usedOutside)
    counts.statements++
    return threads.read(query, within)
  }

  function openHandle(session: Session): Database {
    const run: Run = (query) => {
      if (!session.open) throw new HandleMisused(usedLate)
      if (session.failure !== undefined) throw session.failure
      counts.statements++
      try {
        return write(query)
      } catch (error) {
        session.failure = error instanceof Error ? error : new Error(String(error))
        throw error
      }
    }
    return {
      dialect: 'sqlite',
      [inside]: { kysely: over(run), run, transaction: refuseNested, close: refuseNested, counts },
    }
  }

  async function close(): Promise<void> {
    await group.close()
    closed = true
    await threads.close()
    // The last connection to close empties the write-ahead log into the file, which a reader cannot do.
    reader.close()
    writer.close()
  }
}

async function refuseNested(): Promise<never> {
  throw new HandleMisused(usedNested)
}

function openWriter(path: string): Sqlite.Database {
  // The file holds sealed keys and hashes of passwords. The log and the shared memory take over its mode.
  closeSync(openSync(path, 'a', 0o600))
  const writer = new Sqlite(path, { timeout: OPEN_WAIT_MS })
  enterWal(writer)
  // FULL: a commit is on disk before anybody hears of it. The group commit makes it affordable (docs/decisions/database.md).
  writer.pragma('synchronous = full')
  writer.pragma('foreign_keys = on')
  writer.pragma('cache_size = -32000')
  writer.pragma('temp_store = memory')
  writer.pragma('wal_autocheckpoint = 4000')
  writer.pragma('journal_size_limit = 67108864')
  writer.pragma(`busy_timeout = ${WRITE_WAIT_MS}`)
  return writer
}

/** SQLite does not wait for a lock when it would have to change the journal mode: two processes that start at once try again. */
function enterWal(writer: Sqlite.Database): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const until = Date.now() + OPEN_WAIT_MS
  for (;;) {
    try {
      writer.pragma('journal_mode = wal')
      return
    } catch (error) {
      if (errorCode(error) !== 'SQLITE_BUSY' || Date.now() > until) throw error
      Atomics.wait(pause, 0, 0, 10)
    }
  }
}
