import { closePrimes } from './closePrimes.ts'
import type { PublicKeyInfo } from './publicKey.ts'
import { hasRocaFingerprint } from './roca.ts'
import { smallestDivisor } from './smallPrimes.ts'

/** One reason not to certify a key. `check` is a stable name, `detail` a sentence for people. */
export interface WeakKeyFinding {
  check: WeakKeyCheck
  detail: string
}

export type WeakKeyCheck =
  | 'rsa-exponent-even'
  | 'rsa-exponent-small'
  | 'rsa-small-factor'
  | 'rsa-roca'
  | 'rsa-close-primes'
  | 'ed25519-small-order'

interface Rsa {
  n: bigint
  e: bigint
}

const RSA_CHECKS: readonly [WeakKeyCheck, (key: Rsa) => string | undefined][] = [
  ['rsa-exponent-even', ({ e }) => (e % 2n === 0n ? 'the public exponent is even' : undefined)],
  // CA/Browser Forum Baseline Requirements section 6.1.6; NIST SP 800-56B section 6.2.
  ['rsa-exponent-small', ({ e }) => (e < 65537n ? `the public exponent ${e} is below 65537` : undefined)],
  ['rsa-small-factor', smallFactor],
  [
    'rsa-roca',
    ({ n }) => (hasRocaFingerprint(n) ? 'the key was made by a broken chip (ROCA, CVE-2017-15361)' : undefined),
  ],
  [
    'rsa-close-primes',
    ({ n }) => (closePrimes(n) ? 'the primes of the modulus are too close (CVE-2022-26320)' : undefined),
  ],
]

function smallFactor({ n }: Rsa): string | undefined {
  const divisor = smallestDivisor(n)
  return divisor === undefined ? undefined : `the modulus is divisible by ${divisor}`
}

// y coordinates of the points of order 1, 2, 4 and 8 (RFC 8032 section 5.1), with the encodings that are not canonical; the sign bit is cleared.
const P = 2n ** 255n - 19n
const ORDER_EIGHT = 0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
const SMALL_ORDER: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, P, P + 1n, ORDER_EIGHT, P - ORDER_EIGHT])

/**
 * Every reason not to certify this key that can be seen in the key alone; empty for a sound one. Sizes and curves are for the policy. An EC
 * key needs no check here: readPublicKey has refused points off the curve, and the curves have no small subgroups.
 */
export function weakKeyFindings({
  algorithm,
  modulus,
  exponent,
  point,
}: Pick<PublicKeyInfo, 'algorithm' | 'modulus' | 'exponent' | 'point'>): WeakKeyFinding[] {
  if (algorithm === 'Ed25519' && point)
    return smallOrder(point) ? [{ check: 'ed25519-small-order', detail: 'the key is a point of small order' }] : []
  if (!modulus || exponent === undefined) return []
  const key = { n: BigInt(`0x${modulus.toString('hex')}`), e: exponent }
  return RSA_CHECKS.flatMap(([check, find]) => {
    const detail = find(key)
    return detail === undefined ? [] : [{ check, detail }]
  })
}

function smallOrder(point: Buffer): boolean {
  const y = BigInt(`0x${Buffer.from(point).reverse().toString('hex')}`) & (2n ** 255n - 1n)
  return SMALL_ORDER.has(y)
}
