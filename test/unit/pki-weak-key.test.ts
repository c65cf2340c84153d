import { createPublicKey, generateKeyPairSync, generatePrimeSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closePrimes, squareRoot } from '../../src/pki/closePrimes.ts'
import { bits, integer, nullValue, oid, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom, readPublicKey } from '../../src/pki/publicKey.ts'
import { hasRocaFingerprint } from '../../src/pki/roca.ts'
import { smallestDivisor } from '../../src/pki/smallPrimes.ts'
import { weakKeyFindings } from '../../src/pki/weakKey.ts'
import { ecKey, openssl } from '../helpers/csrs.ts'

const prime = (size: number, options = {}) => generatePrimeSync(size, { bigint: true, ...options })
const checks = (n: bigint, e = 65537n) =>
  weakKeyFindings(readPublicKey(seq(seq(oid(OID.rsaEncryption), nullValue()), bits(seq(integer(n), integer(e)))))).map(
    ({ check }) => check,
  )
const sound = prime(1024) * prime(1024)

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let b = base % modulus, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus)
    if (e & 1n) result = (result * b) % modulus
  return result
}

/** Whether openssl takes it for a prime. */
const isPrime = (n: bigint) => openssl(['prime', n.toString()]).toString().includes('is prime')

/** A prime k·M + (65537^a mod M) as the broken library made them; M is the product of the first `count` primes. */
function rocaPrime(size: number, count: number): bigint {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p)) primes.push(n)
  const product = primes.reduce((all, p) => all * BigInt(p), 1n)
  const rest = power(65537n, prime(60), product)
  // Node looks for a prime with `rem` modulo `add`: that is the structure.
  return prime(size, { add: product, rem: rest })
}

describe('sound keys have no findings', () => {
  test.each([
    ['RSA-2048', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    [
      'RSA-3072 with a large exponent',
      () => generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 0xfffffffb }),
    ],
    ['Ed25519', () => generateKeyPairSync('ed25519')],
  ])('%s', (_, generate) => {
    expect(weakKeyFindings(publicKeyFrom(generate().privateKey))).toEqual([])
  })

  test.each(['P-256', 'P-384', 'P-521'])('%s', (curve) => {
    expect(weakKeyFindings(publicKeyFrom(createPublicKey(ecKey(curve))))).toEqual([])
  })
})

describe('RSA exponents', () => {
  test.each([
    [65537n, []],
    [65539n, []],
    [3n, ['rsa-exponent-small']],
    [1n, ['rsa-exponent-small']],
    [65536n, ['rsa-exponent-even', 'rsa-exponent-small']],
    [65538n, ['rsa-exponent-even']],
  ])('%s', (e, found) => {
    expect(checks(sound, e)).toEqual(found)
  })
})

describe('small factors', () => {
  test.each([2, 3, 5, 97, 1009, 5693, 5701])('%i', (factor) => {
    const n = prime(1024) * prime(1000) * BigInt(factor)
    expect(smallestDivisor(n)).toBe(factor)
    expect(checks(n)).toContain('rsa-small-factor')
  })

  test('a prime beyond the first 751 is not looked for', () => {
    expect(smallestDivisor(5711n * prime(1024))).toBeUndefined()
  })

  test('the smallest is named', () => {
    expect(smallestDivisor(3n * 7n * 5701n)).toBe(3)
  })
})

describe('ROCA, CVE-2017-15361', () => {
  test.each([
    [512, 39],
    [1024, 71],
    [2048, 126],
  ])('a modulus of %i bits, M of %i primes', (size, count) => {
    const [p, q] = [rocaPrime(size / 2, count), rocaPrime(size / 2, count)]
    expect(isPrime(p)).toBe(true)
    expect(hasRocaFingerprint(p * q)).toBe(true)
    expect(checks(p * q)).toEqual(['rsa-roca'])
  })

  test('one such prime and one other is not that form', () => {
    expect(hasRocaFingerprint(rocaPrime(512, 71) * prime(512))).toBe(false)
  })

  test('no random product has it', () => {
    const products = Array.from({ length: 300 }, () => prime(128) * prime(128))
    expect(products.filter(hasRocaFingerprint)).toEqual([])
  })
})

describe('close primes, CVE-2022-26320', () => {
  /** The next prime after n. */
  function next(n: bigint): bigint {
    let candidate = n + 2n
    while (smallestDivisor(candidate) !== undefined || !isPrime(candidate)) candidate += 2n
    return candidate
  }

  test('two neighbours', () => {
    const p = prime(512)
    expect(checks(p * next(p))).toEqual(['rsa-close-primes'])
  })

  test('primes that differ only in their lower half', () => {
    const p = prime(512)
    expect(closePrimes(p * next(p + 2n ** 257n))).toBe(true)
  })

  test('the square of a prime', () => {
    expect(closePrimes(prime(512) ** 2n)).toBe(true)
  })

  test('the last round counts, the one after it does not', () => {
    const p = 1_000_003n
    // With a = (p + q) / 2 the start is ceil(sqrt(pq)); this q needs several rounds.
    const q = 1_100_009n
    const rounds = Number((p + q) / 2n - (squareRoot(p * q) + 1n)) + 1
    expect(rounds).toBeGreaterThan(100)
    expect(closePrimes(p * q, rounds)).toBe(true)
    expect(closePrimes(p * q, rounds - 1)).toBe(false)
  })

  test('random primes', () => {
    expect(closePrimes(sound)).toBe(false)
  })

  test('any two numbers close enough are found, by plain arithmetic', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 2n ** 40n, max: 2n ** 300n }),
        fc.bigInt({ min: 0n, max: 2n ** 20n }),
        (half, step) => {
          const [p, q] = [2n * half + 1n, 2n * (half + step) + 1n]
          const rounds = (p + q) / 2n - squareRoot(p * q) + 1n
          fc.pre(rounds <= 100n)
          expect(closePrimes(p * q)).toBe(true)
        },
      ),
    )
  })

  test('the square root is rounded down', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 4100n }), (n) => {
        const root = squareRoot(n)
        expect(root * root <= n && (root + 1n) * (root + 1n) > n).toBe(true)
      }),
    )
    for (const n of [0n, 1n, 2n, 3n, 4n, 15n, 16n, 17n, 2n ** 104n - 1n, 2n ** 104n, (2n ** 1024n - 1n) ** 2n]) {
      const root = squareRoot(n)
      expect(root * root <= n && (root + 1n) ** 2n > n, `${n}`).toBe(true)
    }
  })
})

describe('Ed25519 points of small order', () => {
  const ed = (text: string) =>
    weakKeyFindings(readPublicKey(seq(seq(oid(OID.ed25519)), bits(Buffer.from(text, 'hex'))))).map(({ check }) => check)

  // RFC 8032 section 5.1 gives order 1 and 2 (y = 1, −1) and 4 (y = 0); those of order 8 were computed by multiplying a point by the group order.
  test.each([
    ['order 1', `01${'00'.repeat(31)}`],
    ['order 1, sign bit set', `01${'00'.repeat(30)}80`],
    ['order 2', `ec${'ff'.repeat(30)}7f`],
    ['order 4', '00'.repeat(32)],
    ['order 4, y written as p', `ed${'ff'.repeat(30)}7f`],
    ['order 8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['order 8, the other one', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
  ])('%s', (_, text) => {
    expect(ed(text)).toEqual(['ed25519-small-order'])
  })

  test('the base point is none', () => {
    expect(ed(`58${'66'.repeat(31)}`)).toEqual([])
  })
})
