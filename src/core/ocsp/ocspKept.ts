/** A bounded memory of answers, in two generations: a hit is one look-up, and what was not asked for lately is forgotten. */
export interface Kept<V> {
  get(key: string): V | undefined
  /** `octets`: what it takes, about. */
  set(key: string, value: V, octets: number): void
}

/** Forgets the older generation whenever the younger holds half of either bound. */
export function createKept<V>(bounds: { entries: number; octets: number }): Kept<V> {
  let young = new Map<string, { value: V; octets: number }>()
  let old = young
  let weight = 0
  const add = (key: string, entry: { value: V; octets: number }) => {
    if (2 * (young.size + 1) > bounds.entries || 2 * (weight + entry.octets) > bounds.octets) {
      old = young
      young = new Map()
      weight = 0
    }
    weight += entry.octets
    young.set(key, entry)
  }
  return {
    get(key) {
      const hit = young.get(key)
      if (hit !== undefined) return hit.value
      const earlier = old.get(key)
      if (earlier !== undefined) add(key, earlier)
      return earlier?.value
    },
    set(key, value, octets) {
      weight -= young.get(key)?.octets ?? 0
      add(key, { value, octets })
    },
  }
}
