import { Worker } from 'node:worker_threads'
import type { CompiledQuery, QueryResult } from 'kysely'
import { DatabaseUnavailable, TookTooLong } from './errors.ts'
import { checkParameters } from './executor.ts'

/** One that takes long does not keep the others waiting. */
const THREADS = 2
const WAITING = 100
/** After its time a query has so long to notice; then its thread is given up. Milliseconds. */
const GRACE = 2_000

interface Asked {
  sql: string
  parameters: readonly unknown[]
  within: number
  resolve(rows: unknown[]): void
  reject(error: Error): void
}

interface Answer {
  rows?: unknown[]
  late?: boolean
  error?: { message: string; code?: string }
}

interface Thread {
  worker: Worker
  asked: Asked | undefined
  timer: NodeJS.Timeout | undefined
}

export interface ReadingThreads {
  read(query: CompiledQuery, within: number): Promise<QueryResult<unknown>>
  close(): Promise<void>
}

/** Threads with read-only connections of their own to an SQLite file, started when they are first asked. */
export function readingThreads(path: string): ReadingThreads {
  const threads = new Set<Thread>()
  const waiting: Asked[] = []
  let closed = false

  async function read({ sql, parameters }: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
    checkParameters(parameters)
    if (closed) throw new DatabaseUnavailable('it is closed')
    if (waiting.length >= WAITING) throw new DatabaseUnavailable('too many lists are asked for at once')
    const rows = await new Promise<unknown[]>((resolve, reject) => {
      waiting.push({ sql, parameters, within, resolve, reject })
      dispatch()
    })
    return { rows }
  }

  function dispatch(): void {
    while (waiting.length > 0) {
      const thread = [...threads].find(({ asked }) => asked === undefined) ?? start()
      if (!thread) return
      const asked = waiting.shift()
      if (asked) give(thread, asked)
    }
  }

  function start(): Thread | undefined {
    if (threads.size >= THREADS) return undefined
    const url = new URL('./readingWorker.js', import.meta.url)
    const worker = new Worker(url, { workerData: { path }, execArgv: [], name: 'lists' })
    const thread: Thread = { worker, asked: undefined, timer: undefined }
    threads.add(thread)
    worker.on('message', (answer: Answer) => settle(thread, answer))
    worker.on('error', (error) => end(thread, new DatabaseUnavailable('the thread that reads lists failed', error)))
    worker.on('exit', () => end(thread, new DatabaseUnavailable('the thread that reads lists ended')))
    return thread
  }

  function give(thread: Thread, asked: Asked): void {
    thread.asked = asked
    // A process that waits for nothing else waits for this.
    thread.worker.ref()
    thread.timer = setTimeout(() => end(thread, new TookTooLong()), asked.within + GRACE)
    const { sql, parameters, within } = asked
    thread.worker.postMessage({ sql, parameters, within })
  }

  function settle(thread: Thread, { rows, late, error }: Answer): void {
    const { asked } = thread
    release(thread)
    if (rows) asked?.resolve(rows)
    else if (late) asked?.reject(new TookTooLong())
    else asked?.reject(Object.assign(new Error(error?.message ?? 'no answer'), { code: error?.code }))
    dispatch()
  }

  function release(thread: Thread): void {
    clearTimeout(thread.timer)
    thread.asked = undefined
    thread.worker.unref()
  }

  function end(thread: Thread, reason: Error): void {
    if (!threads.delete(thread)) return
    const { asked } = thread
    release(thread)
    void thread.worker.terminate()
    asked?.reject(reason)
    if (!closed) dispatch()
  }

  async function close(): Promise<void> {
    closed = true
    const gone = new DatabaseUnavailable('it is closed')
    for (const asked of waiting.splice(0)) asked.reject(gone)
    const ending = [...threads].map(({ worker }) => worker.terminate())
    for (const thread of [...threads]) end(thread, gone)
    await Promise.all(ending)
  }
  return { read, close }
}
