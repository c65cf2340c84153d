import type Sqlite from 'better-sqlite3'
import { asUnavailable, DatabaseUnavailable, errorCode, HandleMisused, usedNested } from './errors.ts'
import type { Counts, Database, Session } from './handle.ts'
import { addAll, committed } from './tally.ts'

/** So that a group holds up the event loop for some milliseconds at most. */
const GROUP_LIMIT = 128
const RETRY_MS = 10
/** Works that may wait for the next groups: what comes on top would wait for seconds, and is told to come again. */
const MOST_WAITING = 5_000

interface Waiting {
  work(db: Database): Promise<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What became of one work, known to its caller only after the commit. */
type Outcome = { ok: true; value: unknown; session?: Session } | { ok: false; error: unknown }

interface Parts {
  writer: Sqlite.Database
  counts: Counts
  /** Milliseconds for which a lock that another process holds is waited for. */
  lockWait: number
  openHandle(session: Session): Database
  /** Why nothing may be written now, as far as the file is concerned. */
  missing(): string | undefined
}

/**
 * Group commit (docs/decisions/database.md): all works that wait run in turn inside one BEGIN IMMEDIATE, each in its own savepoint, and their
 * callers hear of it after the COMMIT. SQLite answers synchronously, so a group runs entirely in microtasks: nobody else's code runs between
 * BEGIN and COMMIT, and if the microtasks run dry before the COMMIT, the work at hand waits for something that is not a statement.
 */
export class GroupCommit {
  readonly #parts: Parts
  readonly #control: Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo', Sqlite.Statement>
  #waiting: Waiting[] = []
  #scheduled = false
  #running = false
  #closed = false
  /** When the lock that keeps us from beginning was first met. */
  #lockedSince: number | undefined
  /** Ends the work at hand from outside. */
  #stop: (error: Error) => void = () => {}
  #idle: () => void = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
    this.#control = {
      begin: parts.writer.prepare('begin immediate'),
      commit: parts.writer.prepare('commit'),
      rollback: parts.writer.prepare('rollback'),
      savepoint: parts.writer.prepare('savepoint work'),
      release: parts.writer.prepare('release work'),
      undo: parts.writer.prepare('rollback to work'),
    }
  }

  /** True from BEGIN to COMMIT: whoever uses the outer handle now does so from inside a work. */
  get running(): boolean {
    return this.#running
  }

  transaction<R>(work: (db: Database) => Promise<R>): Promise<R> {
    if (this.#running) return Promise.reject(new HandleMisused(usedNested))
    if (this.#closed) return Promise.reject(new DatabaseUnavailable('it is closed'))
    if (this.#waiting.length >= MOST_WAITING)
      return Promise.reject(new DatabaseUnavailable('too many transactions wait for it'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject })
      this.#schedule()
    })
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when nothing waits any more. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#scheduled || this.#running) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return
    this.#scheduled = true
    setImmediate(() => this.#drain())
  }

  #drain(): void {
    const missing = this.#parts.missing()
    if (missing !== undefined) {
      this.#refuse(new DatabaseUnavailable(missing))
      return
    }
    try {
      this.#clear()
      this.#control.begin.run()
    } catch (error) {
      this.#locked(error)
      return
    }
    this.#lockedSince = undefined
    this.#scheduled = false
    const group = this.#waiting.splice(0, GROUP_LIMIT)
    void this.#run(group)
  }

  /** busy_timeout would wait synchronously and freeze the process, so the waiting is done here. */
  #locked(error: unknown): void {
    const now = performance.now()
    this.#lockedSince ??= now
    if (errorCode(error)?.startsWith('SQLITE_BUSY') && now - this.#lockedSince < this.#parts.lockWait) {
      setTimeout(() => this.#drain(), RETRY_MS)
      return
    }
    const known = asUnavailable(error)
    const other = new DatabaseUnavailable('it could not be locked for writing', error)
    this.#refuse(known instanceof DatabaseUnavailable ? known : other)
  }

  #refuse(refusal: DatabaseUnavailable): void {
    this.#lockedSince = undefined
    this.#scheduled = false
    this.#parts.counts.refused += this.#waiting.length
    for (const { reject } of this.#waiting.splice(0)) reject(refusal)
    this.#idle()
  }

  async #run(group: Waiting[]): Promise<void> {
    this.#running = true
    this.#watch()
    const began = performance.now()
    const outcomes: Outcome[] = []
    let failure: DatabaseUnavailable | undefined
    try {
      for (const { work } of group) outcomes.push(await this.#runOne(work))
      this.#finish(outcomes, began)
    } catch (error) {
      failure = this.#abandon(error)
    }
    this.#running = false
    group.forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index]
      if (failure !== undefined || outcome === undefined) {
        this.#parts.counts.refused += 1
        reject(failure)
      } else if (outcome.ok) resolve(outcome.value)
      else {
        if (outcome.error instanceof DatabaseUnavailable) this.#parts.counts.refused += 1
        reject(outcome.error)
      }
    })
    if (this.#waiting.length > 0) this.#schedule()
    else this.#idle()
  }

  async #runOne(work: Waiting['work']): Promise<Outcome> {
    const session: Session = { open: true, failure: undefined }
    this.#control.savepoint.run()
    const outcome = await this.#settle(work, session)
    session.open = false
    // A full disk, for one, makes SQLite end the whole transaction by itself.
    if (!this.#parts.writer.inTransaction) throw session.failure ?? new Error('the transaction ended inside a work')
    if (!outcome.ok) this.#control.undo.run()
    this.#control.release.run()
    if (outcome.ok && session.tallied) outcome.session = session
    return outcome
  }

  #settle(work: Waiting['work'], session: Session): Promise<Outcome> {
    return new Promise((resolve) => {
      const fail = (error: unknown) => resolve({ ok: false, error })
      this.#stop = fail
      try {
        work(this.#parts.openHandle(session)).then(
          (value) => (session.failure === undefined ? resolve({ ok: true, value }) : fail(session.failure)),
          fail,
        )
      } catch (error) {
        fail(error)
      }
    })
  }

  #finish(outcomes: Outcome[], began: number): void {
    if (outcomes.some(({ ok }) => ok)) {
      this.#control.commit.run()
      const { counts } = this.#parts
      committed(counts, began)
      for (const outcome of outcomes) if (outcome.ok && outcome.session) addAll(counts, outcome.session)
    } else {
      this.#control.rollback.run()
    }
  }

  #abandon(cause: unknown): DatabaseUnavailable {
    this.#clear()
    const known = asUnavailable(cause)
    if (known instanceof DatabaseUnavailable) return known
    return new DatabaseUnavailable('the transaction could not be committed', cause)
  }

  /** Ends a transaction that could not be ended before. A disk that fails the commit may fail the rollback too. */
  #clear(): void {
    try {
      if (this.#parts.writer.inTransaction) this.#control.rollback.run()
    } catch {
      // The next BEGIN says that the old transaction is still there, and its works are told that the database is unavailable.
    }
  }

  /** The tick that a microtask asks for comes when no microtask is left: before any timer, and before any input or output. */
  #watch(): void {
    queueMicrotask(() =>
      process.nextTick(() => {
        if (!this.#running) return
        this.#stop(
          new HandleMisused('a transaction awaited something that is not a statement of its db: it was rolled back'),
        )
        this.#watch()
      }),
    )
  }
}
