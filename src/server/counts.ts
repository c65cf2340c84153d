/** Below so many keys nothing is looked through. */
const FEW = 1_000

/** What is counted for one key. */
export interface Count {
  count: number
}

/**
 * Counts by key, raised and lowered again thousands of times a second. A key whose count is nothing stays for a while, since to come and go costs a Map a new
 * table each time (bag.ts); but never more such keys than others, or than a few.
 */
export class Counts {
  readonly #counts = new Map<string, Count>()
  #lookAt = FEW

  /** Where it is counted: to be raised at once, and good for as long as it is not nothing again. */
  of(key: string): Count {
    return this.#counts.get(key) ?? this.#begin(key)
  }

  /** How many keys are held, also those whose count is nothing. */
  get size(): number {
    return this.#counts.size
  }

  #begin(key: string): Count {
    if (this.#counts.size >= this.#lookAt) this.#clean()
    const begun = { count: 0 }
    this.#counts.set(key, begun)
    return begun
  }

  #clean(): void {
    for (const [key, { count }] of this.#counts) if (count === 0) this.#counts.delete(key)
    this.#lookAt = Math.max(FEW, 2 * this.#counts.size)
  }
}
