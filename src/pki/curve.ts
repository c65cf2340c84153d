/** The curves that we serve. */
export type CurveName = 'P-256' | 'P-384' | 'P-521'

/** Domain parameters y² = x³ − 3x + b over p (SEC 2 version 2 sections 2.4.2, 2.5.1, 2.6.1); `octets` is the length of a coordinate. */
export interface Curve {
  size: 256 | 384 | 521
  octets: number
  p: bigint
  b: bigint
}

export const CURVES: Readonly<Record<CurveName, Curve>> = {
  'P-256': {
    size: 256,
    octets: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    size: 384,
    octets: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  'P-521': {
    size: 521,
    octets: 66,
    p: 2n ** 521n - 1n,
    b: 0x051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
}

/** Whether an uncompressed point (04 x y) has coordinates below p and lies on the curve. These curves have cofactor 1: no small subgroups. */
export function isOnCurve(point: Buffer, { p, b, octets }: Curve): boolean {
  if (point.length !== 1 + 2 * octets || point[0] !== 4) return false
  const x = BigInt(`0x${point.toString('hex', 1, 1 + octets)}`)
  const y = BigInt(`0x${point.toString('hex', 1 + octets)}`)
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n
}
