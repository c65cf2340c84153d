import { createSign, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { unsupported } from './error.ts'
import { type PublicKeyInfo, publicKeyFrom } from './publicKey.ts'
import { type Scheme, schemeOf, schemes } from './signatureAlgorithm.ts'

/** Something that signs: a key of this process, a token, a service. */
export interface Signer {
  /** DER AlgorithmIdentifier of every signature that it makes. */
  algorithm: Buffer
  publicKey: PublicKeyInfo
  /** The contents of the BIT STRING: for ECDSA the DER of r and s, for RSA and Ed25519 the raw bytes. */
  sign(tbs: Buffer): Promise<Buffer> | Buffer
  /** As sign, over parts that follow each other: for what is too long to be copied together. Absent where the scheme needs it in one piece. */
  stream?(): { update(part: Buffer): void; end(): Buffer }
}

const signInPool = promisify(sign)
const EC_SCHEMES = {
  prime256v1: 'ecdsa-with-SHA256',
  secp384r1: 'ecdsa-with-SHA384',
  secp521r1: 'ecdsa-with-SHA512',
} as const
const RSA_SCHEMES = {
  sha256: 'sha256WithRSAEncryption',
  sha384: 'sha384WithRSAEncryption',
  sha512: 'sha512WithRSAEncryption',
} as const

/**
 * A signer over a private key held in this process. The algorithm follows the key: P-256, P-384, P-521 with the hash of their size
 * (RFC 5758 section 3.2), Ed25519 (RFC 8410), RSA by PKCS #1 v1.5 with `rsaHash` (RFC 4055 section 5). Cheap keys sign in the calling thread;
 * P-384, P-521 and RSA above 2048 bits take 0.6 ms and more and sign in the thread pool.
 * Throws PkiError('unsupported') for any other key.
 */
export function signerFor(key: KeyObject, rsaHash: keyof typeof RSA_SCHEMES = 'sha256'): Signer {
  if (key.type !== 'private') throw unsupported('signing needs a private key')
  const publicKey = publicKeyFrom(key)
  const { hash, algorithm } = schemeForKey(key, rsaHash)
  const slow = isSlow(key)
  return {
    algorithm,
    publicKey,
    sign: slow ? (tbs) => signInPool(hash, tbs, key) : (tbs) => sign(hash, tbs, key),
    ...(hash ? { stream: () => streaming(hash, key) } : {}),
  }
}

function streaming(hash: string, key: KeyObject) {
  const signing = createSign(hash)
  return { update: (part: Buffer) => void signing.update(part), end: () => signing.sign(key) }
}

function schemeForKey(key: KeyObject, rsaHash: keyof typeof RSA_SCHEMES): Scheme {
  if (key.asymmetricKeyType === 'ed25519') return schemes.Ed25519
  if (key.asymmetricKeyType === 'rsa') return schemes[RSA_SCHEMES[rsaHash]]
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (key.asymmetricKeyType === 'ec' && curve && curve in EC_SCHEMES)
    return schemes[EC_SCHEMES[curve as keyof typeof EC_SCHEMES]]
  throw unsupported(`no signature algorithm for a key of type ${curve ?? key.asymmetricKeyType}`)
}

function isSlow(key: KeyObject): boolean {
  const { modulusLength = 0, namedCurve = 'prime256v1' } = key.asymmetricKeyDetails ?? {}
  return modulusLength > 2048 || namedCurve !== 'prime256v1'
}

/**
 * Whether `signature` (contents of the BIT STRING) over `tbs` was made with this key by this algorithm (DER AlgorithmIdentifier).
 * False also when the algorithm does not fit the type of the key. Throws PkiError('malformed') for bytes that are no
 * AlgorithmIdentifier and PkiError('unsupported') for an algorithm outside ECDSA and RSA with SHA-2, RSASSA-PSS with SHA-2 and Ed25519.
 */
export function verifySignature(algorithm: Buffer, publicKey: PublicKeyInfo, tbs: Buffer, signature: Buffer): boolean {
  const { keyType, hash, padding, saltLength } = schemeOf(algorithm)
  const { key } = publicKey
  if (key.asymmetricKeyType !== keyType) return false
  try {
    return verify(
      hash,
      tbs,
      padding === undefined ? key : { key, padding, ...(saltLength === undefined ? {} : { saltLength }) },
      signature,
    )
  } catch {
    // OpenSSL refuses some impossible signatures by an exception instead of an answer.
    return false
  }
}
