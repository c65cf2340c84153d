/** The first `count` primes. */
function firstPrimes(count: number): number[] {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => p * p > n || n % p !== 0)) primes.push(n)
  return primes
}

// Groups whose product stays below 2^53: one division of the large number serves the whole group, the rest is done with plain numbers.
const GROUPS = firstPrimes(751).reduce<{ product: bigint; primes: number[] }[]>((groups, prime) => {
  const last = groups.at(-1)
  if (last && Number(last.product) * prime < Number.MAX_SAFE_INTEGER) {
    last.product *= BigInt(prime)
    last.primes.push(prime)
  } else groups.push({ product: BigInt(prime), primes: [prime] })
  return groups
}, [])

/** The smallest of the first 751 primes (2 to 5701) that divides n; undefined when none does. */
export function smallestDivisor(n: bigint): number | undefined {
  for (const { product, primes } of GROUPS) {
    const rest = Number(n % product)
    for (const prime of primes) if (rest % prime === 0) return prime
  }
  return undefined
}
