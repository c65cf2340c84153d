// 64 · 63 · 65 · 11: fewer than one number in a hundred is a square modulo all four.
const SIEVE = 2_882_880
const SQUARES = [64, 63, 65, 11].map((m) => ({
  m,
  residues: new Set(Array.from({ length: m }, (_, i) => (i * i) % m)),
}))

function mayBeSquare(residue: number): boolean {
  return SQUARES.every(({ m, residues }) => residues.has(residue % m))
}

/** Integer square root, rounded down. */
export function squareRoot(n: bigint): bigint {
  if (n < 2n) return n
  const bits = n.toString(16).length * 4
  // A start above the root, right in its first 26 bits or so; Newton's method doubles them at each step and falls until it is there.
  const shift = BigInt(Math.max(0, (bits - 52) & ~1))
  let root = BigInt(Math.ceil(Math.sqrt(Number((n >> shift) + 1n))) + 1) << (shift / 2n)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/**
 * Whether n is the product of two primes so close that `rounds` steps of Fermat's factorisation find them: a key from a broken generator
 * (CVE-2022-26320). Random primes are never that close. Only odd n; even ones have a small factor anyway.
 */
export function closePrimes(n: bigint, rounds = 100): boolean {
  const floor = squareRoot(n)
  const start = floor * floor === n ? floor : floor + 1n
  // With a = start + i, the difference a² − n is followed modulo SIEVE in plain numbers, and computed in full only where it may be a square.
  let a = Number(start % BigInt(SIEVE))
  let difference = Number((start * start - n) % BigInt(SIEVE))
  for (let i = 0; i < rounds; i++) {
    if (mayBeSquare(difference) && isSquare((start + BigInt(i)) ** 2n - n)) return true
    difference = (difference + 2 * a + 1) % SIEVE
    a = (a + 1) % SIEVE
  }
  return false
}

function isSquare(n: bigint): boolean {
  const root = squareRoot(n)
  return root * root === n
}
