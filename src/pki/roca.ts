// The library behind CVE-2017-15361 made primes k·M + (65537^a mod M), with M the product of the first 39 primes or more. A modulus of two of
// them is a power of 65537 modulo each small prime (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, section 2.2).

const LAST_PRIME = 167

interface Marker {
  prime: number
  /** Powers of 65537 modulo the prime. */
  powers: ReadonlySet<number>
}

function marker(prime: number): Marker {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
  return { prime, powers }
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return n > 1
}

// Where 65537 generates every residue, the prime tells nothing. All the others together pass one random modulus in 2^27 or so.
const MARKERS = Array.from({ length: LAST_PRIME + 1 }, (_, n) => n)
  .filter((n) => n > 2 && isPrime(n))
  .map(marker)
  .filter(({ prime, powers }) => powers.size < prime - 1)

const PRODUCT = MARKERS.reduce((product, { prime }) => product * BigInt(prime), 1n)

/** Whether the modulus has the form that the broken library gave it. */
export function hasRocaFingerprint(modulus: bigint): boolean {
  const rest = modulus % PRODUCT
  return MARKERS.every(({ prime, powers }) => powers.has(Number(rest % BigInt(prime))))
}
