import { randomBytes } from 'node:crypto'
import { children, expect, octets, oid, readOctets, readOid, seq, TAG, type Tlv } from './der.ts'
import { malformed, unsupported } from './error.ts'
import { OID } from './oid.ts'

/** Ciphers of the content of an EnvelopedData. Single DES protects nothing; RFC 8894 section 2.9 forbids it. */
export type ContentCipher = 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc' | 'des-ede3-cbc' | 'des-cbc'

export interface CipherParameters {
  oid: string
  /** Of node:crypto. */
  algorithm: string
  /** Octets of the key as it is transported. */
  keyLength: number
  /** Octets of a block, and so of the initial vector. */
  blockLength: number
}

export const CONTENT_CIPHERS = {
  'aes-128-cbc': { oid: OID.aes128Cbc, algorithm: 'aes-128-cbc', keyLength: 16, blockLength: 16 },
  'aes-192-cbc': { oid: OID.aes192Cbc, algorithm: 'aes-192-cbc', keyLength: 24, blockLength: 16 },
  'aes-256-cbc': { oid: OID.aes256Cbc, algorithm: 'aes-256-cbc', keyLength: 32, blockLength: 16 },
  'des-ede3-cbc': { oid: OID.desEde3Cbc, algorithm: 'des-ede3-cbc', keyLength: 24, blockLength: 8 },
  // OpenSSL 3 has it no more; three times the same key make of 3DES what it was.
  'des-cbc': { oid: OID.desCbc, algorithm: 'des-ede3-cbc', keyLength: 8, blockLength: 8 },
} satisfies Record<ContentCipher, CipherParameters>

const byOid = new Map<string, ContentCipher>()
for (const [name, { oid }] of Object.entries(CONTENT_CIPHERS)) byOid.set(oid, name as ContentCipher)

/** Reads a contentEncryptionAlgorithm. Throws PkiError: `malformed`, `unsupported` for another cipher. */
export function readCipher(algorithm: Tlv | undefined): { cipher: ContentCipher; iv: Buffer } {
  const [id, parameters] = children(expect(algorithm, TAG.seq, 'contentEncryptionAlgorithm'), 2)
  const dotted = readOid(expect(id, TAG.oid, 'contentEncryptionAlgorithm'))
  const cipher = byOid.get(dotted)
  if (!cipher) throw unsupported(`the content cipher ${dotted} is not supported`)
  const iv = readOctets(expect(parameters, TAG.octets, 'initial vector'))
  if (iv.length !== CONTENT_CIPHERS[cipher].blockLength) throw malformed('an initial vector of the wrong length')
  return { cipher, iv }
}

/** AlgorithmIdentifier of a cipher with its initial vector: RFC 3370 section 5, RFC 3565 section 4.1. */
export const encodeCipher = (cipher: ContentCipher, iv: Buffer): Buffer =>
  seq(oid(CONTENT_CIPHERS[cipher].oid), octets(iv))

/** The key as node:crypto wants it. */
export const cipherKey = (cipher: ContentCipher, key: Buffer): Buffer =>
  cipher === 'des-cbc' ? Buffer.concat([key, key, key]) : key

/** A new content-encryption key; keys of DES get odd parity, which some tokens look at. */
export function newContentKey(cipher: ContentCipher): Buffer {
  const key = randomBytes(CONTENT_CIPHERS[cipher].keyLength)
  if (!cipher.startsWith('des')) return key
  for (const [i, octet] of key.entries()) key[i] = (octet & 0xfe) | (ones(octet >> 1) & 1 ? 0 : 1)
  return key
}

function ones(value: number): number {
  let count = 0
  for (let left = value; left > 0; left >>= 1) count += left & 1
  return count
}
