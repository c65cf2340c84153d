import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { children, expect, readInteger, readOctets, readOid, readSmallInteger, readTlv, TAG, type Tlv } from './der.ts'
import { readDigest } from './digest.ts'
import { malformed, unsupported } from './error.ts'
import { OID } from './oid.ts'

// Protection of CMP messages by a shared secret (RFC 9481 section 6.1): PasswordBasedMac (RFC 4211 section 4.4, RFC 9045) and PBMAC1 (RFC 8018).

/** Of HMAC. That of SHA-1 is what openssl sends unless told otherwise; nothing else of a message may go by SHA-1. */
export type MacHash = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** How a key is made of a shared secret, and what it is used for. */
export interface PasswordMac {
  hash: MacHash
  /** Makes the key of the octets of the secret; the answer gives the MAC of octets under it. */
  derive(secret: Buffer): Promise<(input: Buffer) => Buffer>
}

/** RFC 9045 section 4.1. */
const LEAST_ITERATIONS = 100
/** In this thread, a few microseconds each; others have their turn after so many. */
const MOST_ITERATIONS = 10_000
const BREATH = 1000
/** In the thread pool. */
const MOST_PBKDF2_ITERATIONS = 200_000
const MAX_SALT = 1024
const [LEAST_KEY, MOST_KEY] = [16, 128]

const MACS = new Map<string, MacHash>([
  [OID.hmacWithSHA1, 'sha1'],
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  [OID.hmacWithSHA256, 'sha256'],
  [OID.hmacWithSHA384, 'sha384'],
  [OID.hmacWithSHA512, 'sha512'],
])
const MAC_OCTETS = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 } satisfies Record<MacHash, number>

const deriveInPool = promisify(pbkdf2)
const breathe = promisify(setImmediate)

/**
 * Reads a DER AlgorithmIdentifier of a MAC by a shared secret; undefined where it is of another kind. Throws PkiError: `unsupported` for hashes and
 * iteration counts that are not served (SHA-1 and fewer than 100 among them), `malformed`.
 */
export function readPasswordMac(algorithm: Buffer): PasswordMac | undefined {
  const [id, parameters, ...rest] = children(expect(readTlv(algorithm), TAG.seq, 'AlgorithmIdentifier'), 3)
  const oid = readOid(expect(id, TAG.oid, 'protection algorithm'))
  if (oid !== OID.passwordBasedMac && oid !== OID.pbmac1) return undefined
  if (rest.length > 0) throw malformed('an AlgorithmIdentifier with something left over')
  const fields = expect(parameters, TAG.seq, 'parameters of the MAC')
  return oid === OID.passwordBasedMac ? passwordBased(fields) : pbmac1(fields)
}

/** PBMParameter: the secret and the salt, hashed again and again (RFC 9810 section 5.1.3.1). HMAC takes a key of any length. */
function passwordBased(parameters: Tlv): PasswordMac {
  const [salt, owf, count, mac, ...rest] = children(parameters, 5)
  if (rest.length > 0) throw malformed('a PBMParameter with something left over')
  const octets = readSalt(salt)
  const digest = readDigest(owf)
  if (digest === 'sha1') throw unsupported('a key is made of a shared secret by SHA-256 or better')
  const iterations = readCount(count, MOST_ITERATIONS)
  const hash = readMac(mac)
  return {
    hash,
    async derive(secret) {
      let key = createHash(digest).update(secret).update(octets).digest()
      for (let done = 1; done < iterations; done++) {
        key = createHash(digest).update(key).digest()
        if (done % BREATH === 0) await breathe()
      }
      return (input) => createHmac(hash, key).update(input).digest()
    },
  }
}

/** PBMAC1-params with PBKDF2 (RFC 8018 appendices A.2, A.5). */
function pbmac1(parameters: Tlv): PasswordMac {
  const [derivation, mac, ...rest] = children(parameters, 3)
  if (rest.length > 0) throw malformed('PBMAC1 parameters with something left over')
  const hash = readMac(mac)
  const [id, fields] = children(expect(derivation, TAG.seq, 'keyDerivationFunc'), 2)
  if (readOid(expect(id, TAG.oid, 'keyDerivationFunc')) !== OID.pbkdf2) throw unsupported('PBMAC1 without PBKDF2')
  const [salt, count, ...optional] = children(expect(fields, TAG.seq, 'PBKDF2 parameters'), 4)
  const length = optional[0]?.tag === TAG.integer ? optional.shift() : undefined
  const prf = optional[0]?.tag === TAG.seq ? optional.shift() : undefined
  if (optional.length > 0) throw malformed('PBKDF2 parameters with something left over')
  const octets = readSalt(salt)
  const iterations = readCount(count, MOST_PBKDF2_ITERATIONS)
  const keyLength = length ? readSmallInteger(length) : MAC_OCTETS[hash]
  if (keyLength < LEAST_KEY || keyLength > MOST_KEY) throw unsupported(`a key of ${keyLength} octets`)
  const by = prf ? readMac(prf) : 'sha1'
  if (by === 'sha1') throw unsupported('a key is made of a shared secret by SHA-256 or better')
  return {
    hash,
    async derive(secret) {
      const key = await deriveInPool(secret, octets, iterations, keyLength, by)
      return (input) => createHmac(hash, key).update(input).digest()
    },
  }
}

function readSalt(salt: Tlv | undefined): Buffer {
  const octets = readOctets(expect(salt, TAG.octets, 'salt'))
  if (octets.length > MAX_SALT) throw unsupported(`a salt of more than ${MAX_SALT} octets`)
  return octets
}

function readCount(count: Tlv | undefined, most: number): number {
  const iterations = readInteger(expect(count, TAG.integer, 'iteration count'))
  if (iterations < LEAST_ITERATIONS || iterations > most)
    throw unsupported(`an iteration count outside ${LEAST_ITERATIONS} to ${most}`)
  return Number(iterations)
}

function readMac(algorithm: Tlv | undefined): MacHash {
  const [id] = children(expect(algorithm, TAG.seq, 'MAC algorithm'), 2)
  const hash = MACS.get(readOid(expect(id, TAG.oid, 'MAC algorithm')))
  if (!hash) throw unsupported('a MAC that is no HMAC with SHA-2')
  return hash
}
