/** Numbers from a seed: the same run again (COUNTERSIGN_FAULTS_SEED), as far as two processes allow. */
export interface Random {
  seed: number
  /** 0 to 1, without 1. */
  next(): number
  /** An integer from `least` to `most`. */
  between(least: number, most: number): number
}

/** mulberry32. */
export function seeded(seed = Number(process.env.COUNTERSIGN_FAULTS_SEED ?? Date.now() % 2 ** 32)): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { seed, next, between: (least, most) => least + Math.floor(next() * (most - least + 1)) }
}

/** Whether the run is the long one (npm run faults). */
export const long = process.env.COUNTERSIGN_FAULTS === 'long'

/** How often something is done: few times in CI, many at length; COUNTERSIGN_FAULTS_ROUNDS says otherwise. */
export function rounds(few: number, many: number): number {
  return Number(process.env.COUNTERSIGN_FAULTS_ROUNDS ?? (long ? many : few))
}
