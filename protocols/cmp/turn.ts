const last = new Map<string, Promise<unknown>>()

/** Does pieces of work with the same key one after the other, in this process. A piece that fails stops no other. */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const own = (last.get(key) ?? Promise.resolve()).then(work, work)
  last.set(key, own)
  try {
    return await own
  } finally {
    if (last.get(key) === own) last.delete(key)
  }
}
