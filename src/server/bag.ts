/** One thing in a bag, until it is taken out. */
export interface Held<T> {
  one: T
  /** -1: it was taken out. */
  at: number
}

/**
 * What is there for a moment and then gone, thousands of times a second. A Set or Map that lives long grows into new tables all the time, in the old part of
 * the heap, and the tables before keep alive what stood in them until that part is collected: here nothing is kept (docs/decisions/hot-path.md).
 */
export class Bag<T> implements Iterable<T> {
  /** Beyond the first `#size` places nothing stands. It never becomes shorter. */
  readonly #places: (Held<T> | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(one: T): Held<T> {
    const held = { one, at: this.#size }
    this.#places[this.#size++] = held
    return held
  }

  /** False for what was taken out before. */
  take(held: Held<T>): boolean {
    const { at } = held
    if (at < 0) return false
    const last = this.#places[--this.#size] as Held<T>
    last.at = at
    this.#places[at] = last
    this.#places[this.#size] = undefined
    held.at = -1
    return true
  }

  /** What is in it now, in no order, whatever comes and goes meanwhile. */
  all(): Held<T>[] {
    return this.#places.slice(0, this.#size) as Held<T>[]
  }

  [Symbol.iterator](): Iterator<T> {
    return this.all()
      .map(({ one }) => one)
      .values()
  }
}
