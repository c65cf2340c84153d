import {
  type Connections,
  type Counts,
  type Database,
  type Durations,
  inside,
  type Session,
  type Tally,
} from './handle.ts'

/** Upper ends of buckets, in seconds; one more is without an end. */
export const buckets = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10] as const

/** Between what stands in a key: no name has it. */
export const BETWEEN = '\u001f'

/**
 * Counts one more of something for /metrics: in a transaction once that is committed, and so never for what was rolled back or
 * tried again; outside of one at once. `what` comes from a bounded set: kinds, states, ids of profiles; nothing that a client chooses.
 */
export function tally(db: Database, what: string): void {
  db[inside].tally({ what })
}

/** As tally, for a duration. The same `what` always has the same `ends`. */
export function tallySeconds(db: Database, what: string, seconds: number, ends: readonly number[] = buckets): void {
  db[inside].tally({ what, seconds, ends })
}

/** All that was counted since the database was opened. */
export function tallies(db: Database): Pick<Counts, 'tallies' | 'durations'> {
  return db[inside].counts
}

/** PostgreSQL's connections, or the one by which SQLite writes; undefined in a transaction. */
export function connectionCount(db: Database): Connections | undefined {
  return db[inside].connections?.()
}

export function newCounts(): Counts {
  return { statements: 0, commits: 0, refused: 0, seconds: 0, tallies: new Map(), durations: new Map() }
}

/** How what no transaction is about is counted. */
export function tallyNow(counts: Counts): Tally {
  return ({ what, seconds, ends = buckets }) => {
    if (seconds === undefined) counts.tallies.set(what, (counts.tallies.get(what) ?? 0) + 1)
    else addSeconds(counts, what, seconds, ends)
  }
}

/** How a transaction counts until it is committed. */
export function tallyOf(session: Session): Tally {
  return (one) => {
    session.tallied ??= []
    session.tallied.push(one)
  }
}

/** What one transaction has counted, now that it is committed. */
export function addAll(counts: Counts, { tallied }: Session): void {
  if (!tallied) return
  const add = tallyNow(counts)
  for (const one of tallied) add(one)
}

/** One commit; `began`: performance.now() when its transaction was begun. */
export function committed(counts: Counts, began: number): void {
  counts.commits++
  addSeconds(counts, 'commit', (performance.now() - began) / 1_000, buckets)
}

/** Reading the clock costs as much as many a statement on SQLite takes: of so many one is timed, and counts for all. */
const SAMPLED = 16

/** Runs one statement on SQLite, counted. */
export function counted<T>(counts: Counts, run: () => T): T {
  counts.statements++
  if (counts.statements % SAMPLED !== 0) return run()
  const began = performance.now()
  try {
    return run()
  } finally {
    counts.seconds += (SAMPLED * (performance.now() - began)) / 1_000
  }
}

function addSeconds({ durations }: Counts, what: string, seconds: number, ends: readonly number[]): void {
  const known = durations.get(what) ?? begin(durations, what, ends)
  let at = 0
  while (at < ends.length && seconds > (ends[at] ?? 0)) at++
  known.counts[at] = (known.counts[at] ?? 0) + 1
  known.sum += seconds
}

function begin(durations: Map<string, Durations>, what: string, ends: readonly number[]): Durations {
  const made = { counts: Array<number>(ends.length + 1).fill(0), sum: 0 }
  durations.set(what, made)
  return made
}
