import { createPrivateKey, generatePrime, type KeyObject } from 'node:crypto'

const E = 65_537n
const BITS = 1024

const prime = (size: number): Promise<bigint> =>
  new Promise((resolve, reject) => {
    generatePrime(size, { bigint: true }, (error, found) => (error ? reject(error) : resolve(found)))
  })

/**
 * So many different RSA-2048 keys within seconds: of m primes any two make a key. Whoever has two of these keys that share a prime can compute both, so they are
 * for tests alone.
 */
export async function rsaPool(count: number): Promise<KeyObject[]> {
  const primes: bigint[] = []
  while ((primes.length * (primes.length - 1)) / 2 < count) {
    const more = await Promise.all(Array.from({ length: 4 }, () => prime(BITS)))
    primes.push(...more.filter((p) => p % E !== 1n))
  }
  const keys: KeyObject[] = []
  for (const [at, p] of primes.entries())
    for (const q of primes.slice(at + 1)) if (keys.length < count) keys.push(keyOf(p, q))
  return keys
}

function keyOf(p: bigint, q: bigint): KeyObject {
  const phi = (p - 1n) * (q - 1n)
  const numbers = {
    n: p * q,
    e: E,
    d: inverseOfE(phi),
    p,
    q,
    dp: inverseOfE(p - 1n),
    dq: inverseOfE(q - 1n),
    qi: inverse(q % p, p),
  }
  const members = Object.entries(numbers).map(([name, value]) => [name, base64url(value)])
  return createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(members) }, format: 'jwk' })
}

/** d with e · d = 1 modulo m: the division is by the small one of the two. */
const inverseOfE = (m: bigint): bigint => (1n + m * (E - inverse(m % E, E))) / E

/** Extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [r, next, s, following] = [modulus, value, 0n, 1n]
  while (next !== 0n) {
    const quotient = r / next
    ;[r, next] = [next, r - quotient * next]
    ;[s, following] = [following, s - quotient * following]
  }
  return ((s % modulus) + modulus) % modulus
}

function base64url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64url')
}
