import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { CURVES, type CurveName, isOnCurve } from './curve.ts'
import { children, expect, readBits, readInteger, readOid, readTlv, TAG, type Tlv } from './der.ts'
import { malformed, PkiError, unsupported } from './error.ts'
import { OID } from './oid.ts'

export type KeyAlgorithm = 'RSA' | 'EC' | 'Ed25519'

/** A public key: what its SubjectPublicKeyInfo says. */
export interface PublicKeyInfo {
  algorithm: KeyAlgorithm
  /** Bits: of the RSA modulus, of the field of the curve, 256 for Ed25519. */
  size: number
  curve?: CurveName
  /** DER of SubjectPublicKeyInfo. */
  spki: Buffer
  /** SHA-256 of `spki`, lower-case hex. */
  spkiHash: string
  /** RSA: unsigned big-endian, without leading zeros. */
  modulus?: Buffer
  /** RSA. */
  exponent?: bigint
  /** EC: uncompressed, 04 x y. Ed25519: the 32 octets of the key. */
  point?: Buffer
  /** For node:crypto; imported when first asked for. Throws PkiError('malformed') when OpenSSL refuses the key. */
  readonly key: KeyObject
}

/** OpenSSL refuses larger ones, and verifying with them costs too much. */
const MAX_RSA_BITS = 16_384
const MAX_EXPONENT_OCTETS = 32

/**
 * Reads a SubjectPublicKeyInfo (RFC 3279 section 2.3.1, RFC 5480, RFC 8410). Throws PkiError: `unsupported` for another algorithm or curve,
 * a compressed point, an RSA key of a size beyond reason; `malformed` for everything else, also for a point off the curve.
 */
export function readPublicKey(spki: Buffer | Tlv): PublicKeyInfo {
  const outer = expect(Buffer.isBuffer(spki) ? readTlv(spki) : spki, TAG.seq, 'SubjectPublicKeyInfo')
  const [algorithm, subjectPublicKey, ...rest] = children(outer, 3)
  const [oid, parameters, ...more] = children(expect(algorithm, TAG.seq, 'AlgorithmIdentifier'), 3)
  const { bytes, unused } = readBits(expect(subjectPublicKey, TAG.bits, 'subjectPublicKey'))
  if (rest.length > 0 || more.length > 0 || unused > 0) throw malformed('a public key with something left over')
  const fields = readKey(readOid(expect(oid, TAG.oid, 'algorithm of the public key')), parameters, bytes)
  return withKey({ ...fields, spki: outer.der, spkiHash: createHash('sha256').update(outer.der).digest('hex') })
}

type Fields = Omit<PublicKeyInfo, 'spki' | 'spkiHash' | 'key'>

function readKey(oid: string, parameters: Tlv | undefined, bytes: Buffer): Fields {
  switch (oid) {
    case OID.rsaEncryption:
      return readRsa(parameters, bytes)
    case OID.ecPublicKey:
      return readEc(parameters, bytes)
    case OID.ed25519:
      if (parameters) throw malformed('an Ed25519 key with parameters')
      if (bytes.length !== 32) throw malformed('an Ed25519 key that has not 32 octets')
      return { algorithm: 'Ed25519', size: 256, point: bytes }
    default:
      throw unsupported(`public keys of algorithm ${oid} are not supported`)
  }
}

function readRsa(parameters: Tlv | undefined, bytes: Buffer): Fields {
  if (parameters?.tag !== TAG.null || parameters.value.length > 0)
    throw malformed('an RSA key whose parameters are not NULL')
  const [n, e, ...rest] = children(expect(readTlv(bytes), TAG.seq, 'RSAPublicKey'), 3)
  const modulus = positive(expect(n, TAG.integer, 'RSA modulus'), MAX_RSA_BITS / 8)
  const exponent = expect(e, TAG.integer, 'RSA public exponent')
  positive(exponent, MAX_EXPONENT_OCTETS)
  if (rest.length > 0) throw malformed('an RSA key with more than two numbers')
  const size = modulus.length * 8 - (Math.clz32(modulus[0] ?? 0) - 24)
  return { algorithm: 'RSA', size, modulus, exponent: readInteger(exponent) }
}

function positive(tlv: Tlv, maxOctets: number): Buffer {
  const { value } = tlv
  if (value.length > maxOctets + 1) throw unsupported('an RSA key with numbers that are too large')
  const [first, second] = value
  if (first === undefined || first >= 0x80) throw malformed('an RSA key with a number that is not positive')
  if (first > 0) return value
  if (second === undefined || second < 0x80) throw malformed('an RSA key with a number that is zero or not minimal')
  return value.subarray(1)
}

const CURVE_BY_OID = new Map<string, CurveName>([
  [OID.prime256v1, 'P-256'],
  [OID.secp384r1, 'P-384'],
  [OID.secp521r1, 'P-521'],
])

function readEc(parameters: Tlv | undefined, point: Buffer): Fields {
  if (parameters && parameters.tag !== TAG.oid)
    throw unsupported('EC keys with parameters other than a named curve are not supported')
  const oid = readOid(expect(parameters, TAG.oid, 'named curve'))
  const curve = CURVE_BY_OID.get(oid)
  if (!curve) throw unsupported(`EC keys on curve ${oid} are not supported`)
  if (point[0] === 2 || point[0] === 3) throw unsupported('compressed EC points are not supported')
  if (!isOnCurve(point, CURVES[curve])) throw malformed(`an EC key whose point is not on ${curve}`)
  return { algorithm: 'EC', size: CURVES[curve].size, curve, point }
}

function withKey(info: Omit<PublicKeyInfo, 'key'>, ready?: KeyObject): PublicKeyInfo {
  let key = ready
  return Object.defineProperty(info as PublicKeyInfo, 'key', {
    enumerable: false,
    get() {
      key ??= importKey(info)
      return key
    },
  })
}

// By JWK, because OpenSSL 3 takes twice as long to decode the same key from DER.
function importKey(info: Omit<PublicKeyInfo, 'key'>): KeyObject {
  try {
    return createPublicKey({ key: toJwk(info), format: 'jwk' })
  } catch (cause) {
    throw new PkiError('malformed', 'a public key that cannot be used', { cause })
  }
}

function toJwk({ curve, point = Buffer.alloc(0), modulus, exponent = 0n }: Omit<PublicKeyInfo, 'key'>): JsonWebKey {
  if (modulus) return { kty: 'RSA', n: modulus.toString('base64url'), e: magnitude(exponent).toString('base64url') }
  if (!curve) return { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
  const { octets } = CURVES[curve]
  return {
    kty: 'EC',
    crv: curve,
    x: point.toString('base64url', 1, 1 + octets),
    y: point.toString('base64url', 1 + octets),
  }
}

function magnitude(value: bigint): Buffer {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')
}

/** The public key of a KeyObject, public or private. Throws PkiError('unsupported') for a kind of key that we do not serve. */
export function publicKeyFrom(key: KeyObject): PublicKeyInfo {
  if (key.type === 'secret') throw unsupported('a secret key has no public key')
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  // The spread leaves the lazy key behind: it is not enumerable.
  return withKey({ ...readPublicKey(publicKey.export({ type: 'spki', format: 'der' })) }, publicKey)
}

/**
 * Key identifier: SHA-1 of the bits of subjectPublicKey, RFC 5280 section 4.2.1.2 method (1), 20 octets. It names a key and protects
 * nothing; every other program computes this one by default, so chains with imported authorities match.
 */
export function keyIdentifier(info: Pick<PublicKeyInfo, 'spki'>): Buffer {
  const [, subjectPublicKey] = children(readTlv(info.spki), 3)
  return createHash('sha1')
    .update(readBits(expect(subjectPublicKey, TAG.bits, 'subjectPublicKey')).bytes)
    .digest()
}
