import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { CURVES, type CurveName } from '../../src/pki/curve.ts'
import { PkiError } from '../../src/pki/error.ts'
import { type PublicKeyInfo, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { weakKeyFindings } from '../../src/pki/weakKey.ts'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'

export type JwsAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'EdDSA'

/** A public key that signs messages: an account's, or a certificate's in a revocation. */
export interface JwsKey {
  /** The required members only, in the order and without the white space of RFC 7638 section 3. */
  jwk: string
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string
  /** Those that this key signs with. */
  algorithms: readonly JwsAlgorithm[]
  key: KeyObject
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  spkiHash: string
}

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const
const EC_ALGORITHMS = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'] } as const satisfies Record<
  CurveName,
  unknown
>

/** Members of RFC 7518 section 6 that belong to private and symmetric keys. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const RSA_BITS = { min: 2048, max: 8192 }
/** OpenSSL takes no larger exponent with a large modulus, and none is in use. */
const MAX_EXPONENT_OCTETS = 8

/** Reads a JWK (RFC 7517, RFC 7518 section 6, RFC 8037). Throws AcmeError('badPublicKey') with the reason. */
export function readJwk(jwk: Record<string, unknown>): JwsKey {
  for (const member of SECRET_MEMBERS) {
    if (Object.hasOwn(jwk, member))
      throw bad(`the jwk holds "${member}" of a private key: send only the public one, and make a new key`)
  }
  switch (jwk.kty) {
    case 'EC':
      return readEc(jwk)
    case 'RSA':
      return readRsa(jwk)
    case 'OKP':
      return readOkp(jwk)
    default:
      throw bad('the kty of a jwk must be EC, RSA or OKP')
  }
}

/** A key that readJwk made, from its text. */
export function restoreKey(canonical: string): JwsKey {
  return readJwk(JSON.parse(canonical))
}

function readEc(jwk: Record<string, unknown>): JwsKey {
  const crv = jwk.crv
  if (crv !== 'P-256' && crv !== 'P-384' && crv !== 'P-521')
    throw bad('the crv of an EC key must be P-256, P-384 or P-521')
  const { octets } = CURVES[crv]
  // RFC 7518 section 6.2.1.2: the length of a coordinate is that of the field, leading zeros included.
  const [x, y] = (['x', 'y'] as const).map((member) => {
    const text = jwk[member]
    const bytes = typeof text === 'string' ? decodeBase64url(text) : undefined
    if (bytes?.length !== octets) throw bad(`"${member}" of a key on ${crv} must be ${octets} octets in base64url`)
    return bytes.toString('base64url')
  })
  return finish(`{"crv":"${crv}","kty":"EC","x":"${x}","y":"${y}"}`, EC_ALGORITHMS[crv])
}

function readRsa(jwk: Record<string, unknown>): JwsKey {
  const [n, e] = (['n', 'e'] as const).map((member) => {
    const text = jwk[member]
    const bytes = typeof text === 'string' ? decodeBase64url(text) : undefined
    // RFC 7518 section 6.3.1.1: no leading zero octets.
    if (!bytes?.length || bytes[0] === 0)
      throw bad(`"${member}" of an RSA key must be base64url without leading zero octets`)
    return bytes
  })
  if (!n || !e || e.length > MAX_EXPONENT_OCTETS) throw bad('the exponent of the RSA key is too large')
  const size = n.length * 8 - (Math.clz32(n[0] ?? 0) - 24)
  if (size < RSA_BITS.min || size > RSA_BITS.max)
    throw bad(`RSA keys of ${RSA_BITS.min} to ${RSA_BITS.max} bits are taken, this one has ${size}`)
  return finish(`{"e":"${e.toString('base64url')}","kty":"RSA","n":"${n.toString('base64url')}"}`, RSA_ALGORITHMS)
}

function readOkp(jwk: Record<string, unknown>): JwsKey {
  if (jwk.crv !== 'Ed25519') throw bad('of the OKP keys only Ed25519 is supported')
  const x = typeof jwk.x === 'string' ? decodeBase64url(jwk.x) : undefined
  if (x?.length !== 32) throw bad('"x" of an Ed25519 key must be 32 octets in base64url')
  return finish(`{"crv":"Ed25519","kty":"OKP","x":"${x.toString('base64url')}"}`, ['EdDSA'])
}

function finish(canonical: string, algorithms: readonly JwsAlgorithm[]): JwsKey {
  const { key, info } = importKey(canonical)
  const [weak] = weakKeyFindings(info)
  if (weak) throw bad(`${weak.detail}: make a new key`)
  const thumbprint = createHash('sha256').update(canonical).digest('base64url')
  return { jwk: canonical, thumbprint, algorithms, key, spkiHash: info.spkiHash }
}

function importKey(canonical: string): { key: KeyObject; info: PublicKeyInfo } {
  try {
    const key = createPublicKey({ key: JSON.parse(canonical) as JsonWebKey, format: 'jwk' })
    return { key, info: publicKeyFrom(key) }
  } catch (cause) {
    const detail = cause instanceof PkiError ? cause.message : 'the jwk is no public key that can be used'
    throw new AcmeError('badPublicKey', detail, { cause })
  }
}

function bad(detail: string): AcmeError {
  return new AcmeError('badPublicKey', detail)
}
