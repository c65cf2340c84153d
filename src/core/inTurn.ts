const last = new Map<string, Promise<unknown>>()

/**
 * Does pieces of work with the same key one after the other, in the order in which they were asked for, in this process. A piece that fails stops no other. Answers
 * and throws as the work does.
 */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = last.get(key) ?? Promise.resolve()
  const own = before.then(work, work)
  last.set(key, own)
  try {
    return await own
  } finally {
    if (last.get(key) === own) last.delete(key)
  }
}
