import { statSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { type CompiledQuery, type QueryResult, SqliteDialect } from 'kysely'
import {
  asUnavailable,
  DatabaseUnavailable,
  errorCode,
  HandleMisused,
  usedLate,
  usedNested,
  usedOutside,
} from './errors.ts'
import { kyselyOver } from './executor.ts'
import { GroupCommit } from './group.ts'
import { type Database, inside, type Run, type Session } from './handle.ts'
import { type Hold, hold, makeFile } from './hold.ts'
import { readingThreads } from './readingThreads.ts'
import { preparedStatements } from './statements.ts'
import { tableVersions } from './tableVersions.ts'
import { counted, newCounts, tallyNow, tallyOf } from './tally.ts'

/** While the server starts nobody waits for the event loop: here a lock may be waited for synchronously. */
const OPEN_WAIT_MS = 5_000
/** Later it freezes the process, so the wait is short and the rest is done asynchronously (group.ts). */
const WRITE_WAIT_MS = 5
/** A reader of a write-ahead log waits only while another process recovers the log. */
const READ_WAIT_MS = 200

export function openSqlite(path: string, { lockWait, alone }: { lockWait: number; alone?: boolean }): Database {
  let held: Hold | undefined
  try {
    held = alone ? hold(path) : undefined
    return opened(path, lockWait, held)
  } catch (error) {
    held?.release()
    const told = REFUSALS[errorCode(error) ?? '']
    throw told === undefined ? asUnavailable(error) : new DatabaseUnavailable(told, error)
  }
}

/** What the system says of a file that is to be made. */
const REFUSALS: Record<string, string> = {
  ENOENT: 'the folder of its file is not there: make it, or name another one',
  ENOSPC: 'its disk is full: make room there',
  EDQUOT: 'its disk is full for this user: make room there',
}

function opened(path: string, lockWait: number, held: Hold | undefined): Database {
  const writer = openWriter(path)
  const reader = new Sqlite(path, { readonly: true, timeout: READ_WAIT_MS })
  reader.pragma('cache_size = -16000')
  reader.pragma('temp_store = memory')

  let closed = false
  const counts = newCounts()
  const over = kyselyOver(new SqliteDialect({ database: reader }))
  const versions = tableVersions(writer)
  const write = preparedStatements(writer, versions)
  const read = preparedStatements(reader, versions)
  const threads = readingThreads(path)

  const group = new GroupCommit({ writer, counts, lockWait, openHandle, missing: fileWatch(path, held?.lock) })
  return {
    dialect: 'sqlite',
    [inside]: {
      kysely: over(readOutside),
      run: readOutside,
      apart: readApart,
      transaction: (work) => group.transaction(work),
      close,
      counts,
      // Whoever asks outside while a group runs is told so by the statement itself.
      versions: {
        of: (tables) => (group.running ? undefined : versions.of(tables)),
        touched: versions.touched,
      },
      connections: () => ({ idle: 0, busy: Number(group.running), waiting: group.waiting }),
      tally: tallyNow(counts),
    },
  }

  function readOutside(query: CompiledQuery): QueryResult<unknown> {
    if (closed) throw new DatabaseUnavailable('it is closed')
    if (group.running) throw new HandleMisused(usedOutside)
    try {
      return counted(counts, () => read(query))
    } catch (error) {
      // To write by this handle is a mistake of the caller and no state of the file.
      throw errorCode(error)?.startsWith('SQLITE_READONLY') ? error : asUnavailable(error)
    }
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
      try {
        return counted(counts, () => write(query))
      } catch (error) {
        const failure = asUnavailable(error)
        session.failure = failure instanceof Error ? failure : new Error(String(failure))
        throw failure
      }
    }
    return {
      dialect: 'sqlite',
      [inside]: {
        kysely: over(run),
        run,
        transaction: refuseNested,
        close: refuseNested,
        counts,
        tally: tallyOf(session),
      },
    }
  }

  async function close(): Promise<void> {
    await group.close()
    closed = true
    await threads.close()
    // The last connection to close empties the write-ahead log into the file, which a reader cannot do.
    reader.close()
    writer.close()
    held?.release()
  }
}

async function refuseNested(): Promise<never> {
  throw new HandleMisused(usedNested)
}

/** Milliseconds for which an answer holds. */
const LOOK_AGAIN_MS = 100

/**
 * Tells when the file that was opened stands at its path no more: what is written from then on would be lost with the process. And when its lock does not:
 * somebody else may hold another one. It is asked before every group, and looks at most every LOOK_AGAIN_MS.
 */
function fileWatch(path: string, lock: string | undefined): () => string | undefined {
  const inode = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino
  const opened = inode(path)
  const locked = lock === undefined ? undefined : inode(lock)
  let looked = Number.NEGATIVE_INFINITY
  let answer: string | undefined
  return () => {
    const now = performance.now()
    if (now - looked < LOOK_AGAIN_MS) return answer
    looked = now
    const found = inode(path)
    if (found === opened) answer = lock === undefined || inode(lock) === locked ? undefined : lockGone(lock)
    else if (found === undefined) answer = `its file ${path} is gone: put it back where it was`
    else answer = `another file stands at ${path}: put the first one back, or start the server anew`
    return answer
  }
}

function lockGone(lock: string): string {
  return `its lock ${lock} was taken away, so that another process may work on it: end that one, and start the server anew`
}

function openWriter(path: string): Sqlite.Database {
  // The file holds sealed keys and hashes of passwords. The log and the shared memory take over its mode.
  makeFile(path)
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
