import { constants, createHash, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/pki/digest.ts'
import { PkiError } from '../../src/pki/error.ts'
import { messageOf, type OaepHashes, padOaep, unpadOaep } from '../../src/pki/oaep.ts'
import { openssl } from '../helpers/pkiSamples.ts'

const digests: Digest[] = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512']
const pairs: OaepHashes[] = digests.flatMap((hash) => digests.map((mgf1) => ({ hash, mgf1 })))
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const size = 256
const message = Buffer.from('0123456789abcdef')
const instead = Buffer.alloc(16, 0xee)

const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const options = ({ hash, mgf1 }: OaepHashes) =>
  ['rsa_padding_mode:oaep', `rsa_oaep_md:${hash}`, `rsa_mgf1_md:${mgf1}`].flatMap((each) => ['-pkeyopt', each])
const raw = { padding: constants.RSA_NO_PADDING }

/** openssl prints octets as they are; base64 survives a string. */
function theirs(operation: '-encrypt' | '-decrypt', input: Buffer, hashes: OaepHashes): Buffer {
  const args = ['pkeyutl', operation, '-inkey', 'key.pem', '-in', 'in', ...options(hashes), '-hexdump']
  const shown = openssl({ 'key.pem': pem, in: input }, args)
  const hex = shown.split('\n').map((line) => line.slice(7, 54).replace(/[^0-9a-f]/g, ''))
  return Buffer.from(hex.join(''), 'hex')
}

describe.each(pairs)('RSAES-OAEP with $hash, MGF1 with $mgf1', (hashes) => {
  test('opens what openssl closes', () => {
    const block = privateDecrypt({ key: privateKey, ...raw }, theirs('-encrypt', message, hashes))
    expect(unpadOaep(block, 16, hashes, instead)).toEqual(message)
  })

  test('openssl opens what it closes', () => {
    const closed = publicEncrypt({ key: publicKey, ...raw }, padOaep(message, size, hashes))
    expect(theirs('-decrypt', closed, hashes)).toEqual(message)
  })
})

test('node opens what it closes with one hash, and the other way round, whatever the message', () => {
  const octets = fc.uint8Array({ minLength: 0, maxLength: 62 })
  fc.assert(
    fc.property(octets, fc.constantFrom(...digests), (content, hash) => {
      const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }
      const ours = publicEncrypt({ key: publicKey, ...raw }, padOaep(content, size, { hash, mgf1: hash }))
      expect(privateDecrypt({ key: privateKey, ...padding }, ours)).toEqual(Buffer.from(content))
      const block = privateDecrypt({ key: privateKey, ...raw }, publicEncrypt({ key: publicKey, ...padding }, content))
      const other = Buffer.alloc(content.length, 1)
      expect(unpadOaep(block, content.length, { hash, mgf1: hash }, other)).toEqual(Buffer.from(content))
    }),
    { numRuns: 60 },
  )
})

describe('the other key comes out of', () => {
  const hashes: OaepHashes = { hash: 'sha256', mgf1: 'sha1' }
  const good = padOaep(message, size, hashes)

  test('a block with any bit changed', () => {
    fc.assert(
      fc.property(fc.nat(size * 8 - 1), (bit) => {
        const block = Buffer.from(good)
        block.writeUInt8(block.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        expect(unpadOaep(block, 16, hashes, instead)).toEqual(instead)
      }),
      { numRuns: 500 },
    )
  })

  test('random octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: size }), (block) => {
        expect(unpadOaep(block, 16, hashes, instead)).toEqual(instead)
      }),
    )
  })

  test.each([15, 17, 0, 24])('a message of 16 octets where %i are wanted', (length) => {
    const other = Buffer.alloc(length, 0xee)
    expect(unpadOaep(good, length, hashes, other)).toEqual(other)
  })

  test('other hashes than it was made with', () => {
    for (const other of pairs.filter(({ hash, mgf1 }) => hash !== 'sha256' || mgf1 !== 'sha1'))
      expect(unpadOaep(good, 16, other, instead), JSON.stringify(other)).toEqual(instead)
  })

  test('a label', () => {
    const { hash } = hashes
    const labelled = publicEncrypt(
      { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel: Buffer.from('ab') },
      message,
    )
    const block = privateDecrypt({ key: privateKey, ...raw }, labelled)
    expect(unpadOaep(block, 16, { hash, mgf1: hash }, instead)).toEqual(instead)
  })
})

test('what is in the block decides on no step: the same octets are read in the same order, good or bad', () => {
  const label = createHash('sha256').digest()
  const db = Buffer.concat([label, Buffer.alloc(100), Buffer.of(1), message])
  const readsOf = (bytes: Buffer, first = 0) => {
    const reads: string[] = []
    const watched = (of: Uint8Array, offset: number): Uint8Array =>
      new Proxy(of, {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) reads.push(String(Number(key) + offset))
          if (key === 'subarray') return (start: number) => watched(target.subarray(start), start)
          return Reflect.get(target, key) as unknown
        },
      })
    messageOf(watched(bytes, 0), { first, label, length: 16, instead })
    return reads
  }
  const good = readsOf(db)
  expect(new Set(good).size).toBe(db.length)
  const changed = (at: number) => Buffer.concat([db.subarray(0, at), Buffer.of(7), db.subarray(at + 1)])
  for (const bad of [changed(0), changed(40), changed(132), Buffer.alloc(db.length)]) expect(readsOf(bad)).toEqual(good)
  expect(readsOf(db, 1)).toEqual(good)
})

test('a key too short for the hash is refused', () => {
  expect(() => padOaep(message, 128, { hash: 'sha512', mgf1: 'sha512' })).toThrow(PkiError)
})
