import { createHash, randomBytes } from 'node:crypto'
import type { Digest } from './digest.ts'
import { malformed } from './error.ts'
import { choose, nonZero } from './unpad.ts'

// RSAES-OAEP, RFC 8017 section 7.1, without a label. node:crypto takes one hash for both of its places; Java's default has two.

export interface OaepHashes {
  hash: Digest
  /** Of the mask generation function, MGF1. */
  mgf1: Digest
}

const lengths = new Map<Digest, number>()

/** Octets of a digest. */
function lengthOf(digest: Digest): number {
  const known = lengths.get(digest)
  if (known !== undefined) return known
  const { length } = createHash(digest).digest()
  lengths.set(digest, length)
  return length
}

/**
 * EME-OAEP (section 7.1.1): a block as long as the modulus, of `size` octets, which holds the message. Throws PkiError('malformed') where it is too long for
 * that. `seed` is random, as long as the hash.
 */
export function padOaep(
  message: Uint8Array,
  size: number,
  { hash, mgf1 }: OaepHashes,
  seed: Uint8Array = randomBytes(lengthOf(hash)),
): Buffer {
  const zeros = size - message.length - 2 * lengthOf(hash) - 2
  if (zeros < 0) throw malformed('an RSA key that is too short for RSAES-OAEP with this hash')
  const label = createHash(hash).digest()
  const db = Buffer.concat([label, Buffer.alloc(zeros), Buffer.of(1), message])
  const maskedDb = masked(db, seed, mgf1)
  return Buffer.concat([Buffer.of(0), masked(seed, maskedDb, mgf1), maskedDb])
}

/**
 * The message of `length` octets in a block of EME-OAEP (section 7.1.2); `instead`, of that length, when the block is no such thing or its message has another
 * length. Does the same steps whatever the block holds: not even whether its first octet is 0 can be told by the time (Manger 2001).
 */
export function unpadOaep(block: Uint8Array, length: number, { hash, mgf1 }: OaepHashes, instead: Uint8Array): Buffer {
  const hashed = lengthOf(hash)
  // What everybody knows: the sizes of the key, of the hash and of what should be there.
  if (block.length < 2 * hashed + 2 + length) return Buffer.from(instead)
  const maskedDb = block.subarray(1 + hashed)
  const seed = masked(block.subarray(1, 1 + hashed), maskedDb, mgf1)
  const db = masked(maskedDb, seed, mgf1)
  return messageOf(db, { first: block[0] ?? 0, label: createHash(hash).digest(), length, instead })
}

/** The end of it: DB is the hash of the label, zeros, 01 and the message. */
export function messageOf(
  db: Uint8Array,
  { first, label, length, instead }: { first: number; label: Uint8Array; length: number; instead: Uint8Array },
): Buffer {
  const separator = db.length - length - 1
  let bad = first | ((db[separator] ?? 0) ^ 1)
  for (let i = 0; i < label.length; i++) bad |= (db[i] ?? 0) ^ (label[i] ?? 0)
  for (let i = label.length; i < separator; i++) bad |= db[i] ?? 0
  return choose(nonZero(bad), instead, db.subarray(separator + 1))
}

/** These octets under the mask that MGF1 makes of `seed` (appendix B.2.1). */
function masked(octets: Uint8Array, seed: Uint8Array, digest: Digest): Buffer {
  const out = Buffer.alloc(octets.length)
  const counter = Buffer.alloc(4)
  for (let at = 0, block = 0; at < out.length; block++) {
    counter.writeUInt32BE(block)
    const mask = createHash(digest).update(seed).update(counter).digest()
    for (let i = 0; i < mask.length && at < out.length; i++, at++) out[at] = (octets[at] ?? 0) ^ (mask[i] ?? 0)
  }
  return out
}
