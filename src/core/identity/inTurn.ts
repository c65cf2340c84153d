import { Failure } from '../failure.ts'

/** Pieces of work with one key that may wait. */
const MOST = 250

interface Turn {
  last: Promise<unknown>
  waiting: number
}

const turns = new Map<string, Turn>()

/**
 * Does pieces of work with the same key one after the other, in the order in which they were asked for, in this process. A piece that fails stops no other. Answers
 * and throws as the work does, and Failure('unavailable') where too much waits.
 */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const turn = turns.get(key) ?? { last: Promise.resolve(), waiting: 0 }
  if (turn.waiting >= MOST)
    throw new Failure('unavailable', 'too much of this kind waits already: ask again soon', { retryAfter: 5 })
  const own = turn.last.then(work, work)
  turn.last = own
  turn.waiting++
  turns.set(key, turn)
  try {
    return await own
  } finally {
    turn.waiting--
    if (turn.waiting === 0) turns.delete(key)
  }
}
