// The thread that reads for lists on SQLite (readingThreads.ts). Plain JavaScript: Node starts it by its file, from the source as from the bundle.
import { parentPort, workerData } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'

const KEPT = 200

const reader = new Sqlite(workerData.path, { readonly: true, timeout: 200 })
reader.pragma('cache_size = -64000')
reader.pragma('temp_store = memory')

let deadline = 0
// SQLite has no other way here to end a statement that runs: queries ask now and then (inTime in apart.ts).
reader.function('in_time', () => {
  if (performance.now() > deadline) throw new Error('out of time')
  return 1
})

const kept = new Map()

function prepared(sql) {
  const known = kept.get(sql)
  if (known) return known
  if (kept.size >= KEPT) kept.clear()
  const statement = reader.prepare(sql)
  kept.set(sql, statement)
  return statement
}

parentPort.on('message', ({ sql, parameters, within }) => {
  deadline = performance.now() + within
  try {
    parentPort.postMessage({ rows: prepared(sql).all(parameters) })
  } catch (error) {
    parentPort.postMessage({ late: performance.now() > deadline, error: { message: error.message, code: error.code } })
  }
})
