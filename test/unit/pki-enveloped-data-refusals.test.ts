import { constants, createCipheriv, createPublicKey, publicEncrypt } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explicit, implicit, integer, nullValue, octets, oid, seq, utf8 } from '../../src/pki/der.ts'
import { openEnvelopedData, readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { DecryptionKey } from '../../src/pki/keyTransport.ts'
import { OID } from '../../src/pki/oid.ts'
import { ciphers, envelopeOf, open, party, rsaRecipient } from '../helpers/cms.ts'

const content = seq(integer(5), utf8('what is in the envelope'))
const password = Buffer.from('a password, schön')
const refused = (kind: string) => expect.objectContaining({ name: 'PkiError', kind })
const CANNOT = 'the envelope cannot be opened'

describe('no oracle (RFC 3218)', () => {
  const aesKey = Buffer.alloc(16, 0x42)
  const iv = Buffer.alloc(16, 1)
  const encrypt = (plain: Buffer, padding = true) => {
    const cipher = createCipheriv('aes-128-cbc', aesKey, iv).setAutoPadding(padding)
    return Buffer.concat([cipher.update(plain), cipher.final()])
  }
  /** A key that counts what is asked of it. */
  const counting = (key: DecryptionKey) => {
    const asked: Buffer[] = []
    const counted: DecryptionKey = {
      certificate: key.certificate,
      decrypt: (ciphertext) => {
        asked.push(ciphertext)
        return key.decrypt(ciphertext)
      },
    }
    return { counted, asked }
  }

  test('bad key padding, wrong length of the key, bad content padding, garbage: one error, one decryption each', async () => {
    const { certificate, key, opener } = await rsaRecipient()
    const publicKey = createPublicKey(key)
    const raw = (block: Buffer) => publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block)
    const pkcs1 = (bytes: Buffer) => publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, bytes)
    const good = pkcs1(aesKey)
    const encrypted = encrypt(content)
    const flipped = Buffer.from(encrypted)
    flipped.writeUInt8(flipped.readUInt8(flipped.length - 17) ^ 1, flipped.length - 17)
    const cases: [Buffer, Buffer][] = [
      [raw(Buffer.concat([Buffer.of(0, 1), Buffer.alloc(237, 5), Buffer.of(0), aesKey])), encrypted],
      [raw(Buffer.concat([Buffer.of(0, 2), Buffer.alloc(236, 5), Buffer.of(0, 0), aesKey])), encrypted],
      [raw(Buffer.alloc(256)), encrypted],
      [pkcs1(Buffer.alloc(24, 0x42)), encrypted],
      [pkcs1(Buffer.alloc(0)), encrypted],
      [pkcs1(Buffer.alloc(16, 0x43)), encrypted],
      [Buffer.alloc(256, 0xff), encrypted],
      [good.subarray(1), encrypted],
      [Buffer.alloc(0), encrypted],
      [good, flipped],
      [good, encrypt(Buffer.alloc(32, 0), false)],
      [good, encrypt(Buffer.from('no DER at all'))],
      [good, encrypt(Buffer.concat([content, Buffer.of(0)]))],
      [good, encrypt(content.subarray(0, -1))],
      [good, encrypt(octets(content))],
      [good, encrypt(Buffer.alloc(0))],
    ]
    for (const [encryptedKey, encryptedContent] of cases) {
      const { counted, asked } = counting(opener)
      const message = envelopeOf({ certificate, encryptedKey, iv, encrypted: implicit(0, encryptedContent) })
      const error = await open(message, counted).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(PkiError)
      expect({ ...(error as PkiError), message: (error as PkiError).message }).toEqual({
        name: 'PkiError',
        kind: 'malformed',
        message: CANNOT,
      })
      expect((error as PkiError).cause).toBeUndefined()
      expect(asked).toEqual([encryptedKey])
    }
    const message = envelopeOf({ certificate, encryptedKey: good, iv, encrypted: implicit(0, encrypted) })
    expect((await open(message, opener)).content).toEqual(content)
  })

  test('what stands in for a key that cannot be had is the same each time, so that repeating a message tells nothing', async () => {
    const { certificate, key, opener } = await rsaRecipient()
    const encryptedKey = publicEncrypt(
      { key: createPublicKey(key), padding: constants.RSA_NO_PADDING },
      Buffer.alloc(256),
    )
    // Among many contents under the stand-in key some have good padding by chance: the same ones each time.
    const outcomes = async () => {
      const out: boolean[] = []
      for (let n = 0; n < 20; n++) {
        const message = envelopeOf({ certificate, encryptedKey, iv, encrypted: implicit(0, Buffer.alloc(16, n)) })
        out.push(
          await open(message, opener).then(
            () => true,
            () => false,
          ),
        )
      }
      return out
    }
    expect(await outcomes()).toEqual(await outcomes())
  })
})

describe('bad envelopes', () => {
  const certificate = party('RSA-2048').certificate
  const outside = {
    certificate,
    encryptedKey: Buffer.alloc(256),
    iv: Buffer.alloc(16),
    encrypted: implicit(0, Buffer.alloc(16)),
  }

  test.each([
    ['no EnvelopedData', seq(oid(OID.data), explicit(0, octets(Buffer.alloc(1)))), 'malformed'],
    ['something left over', seq(oid(OID.envelopedData), explicit(0, seq()), nullValue()), 'malformed'],
    ['no encrypted content', envelopeOf({ ...outside, encrypted: Buffer.alloc(0) }), 'malformed'],
    [
      'encrypted content of no octets',
      envelopeOf({ ...outside, encrypted: implicit(0, Buffer.alloc(0)) }),
      'malformed',
    ],
    [
      'encrypted content of half a block',
      envelopeOf({ ...outside, encrypted: implicit(0, Buffer.alloc(8)) }),
      'malformed',
    ],
    [
      'a piece of content that is no OCTET STRING',
      envelopeOf({ ...outside, encrypted: implicit(0, integer(1), true) }),
      'malformed',
    ],
    ['a short initial vector', envelopeOf({ ...outside, iv: Buffer.alloc(8) }), 'malformed'],
    ['content that is not id-data', envelopeOf({ ...outside, contentType: OID.signedData }), 'malformed'],
    ['RC2', envelopeOf({ ...outside, cipher: seq(oid('1.2.840.113549.3.2'), octets(Buffer.alloc(8))) }), 'unsupported'],
    ['a recipient of an unknown kind', envelopeOf({ ...outside, recipients: [octets(Buffer.alloc(1))] }), 'malformed'],
    [
      '17 recipients',
      envelopeOf({ ...outside, recipients: Array.from({ length: 17 }, () => explicit(4, seq())) }),
      'malformed',
    ],
  ])('refuses %s', (_, bytes, kind) => {
    expect(() => readEnvelopedData(bytes)).toThrow(refused(kind))
  })

  test('only recipients of kinds that we do not serve: for another key than ours', async () => {
    const { opener } = await rsaRecipient()
    const bytes = envelopeOf({ ...outside, recipients: [explicit(1, seq()), explicit(2, seq()), explicit(4, seq())] })
    await expect(open(bytes, opener)).rejects.toThrow('for another key than ours')
  })

  test('a password recipient that asks for hours of derivation', async () => {
    const derivation = implicit(
      0,
      Buffer.concat([oid(OID.pbkdf2), seq(octets(Buffer.alloc(8)), integer(10_000_000))]),
      true,
    )
    const wrap = seq(oid(OID.pwriKek), seq(oid(OID.aes128Cbc), octets(Buffer.alloc(16))))
    const info = implicit(3, Buffer.concat([integer(0), derivation, wrap, octets(Buffer.alloc(32))]), true)
    const envelope = readEnvelopedData(envelopeOf({ ...outside, recipients: [info] }))
    await expect(openEnvelopedData(envelope, { keys: [], password, ciphers })).rejects.toThrow(refused('unsupported'))
  })

  test('random bytes and mutations: PkiError, or the content', async () => {
    const { certificate: to, opener } = await rsaRecipient()
    const good = await writeEnvelopedData(content, { certificate: to, transport: 'rsaes-pkcs1' }, 'aes-128-cbc')
    const attempt = async (bytes: Buffer) => {
      try {
        // What is not protected may change: versions, the parameters of rsaEncryption, the first block, through the initial vector.
        const opened = await open(bytes, opener)
        expect(opened.content.subarray(16)).toEqual(content.subarray(16))
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => attempt(Buffer.from(bytes))))
    for (let at = 0; at < good.length; at++) await attempt(Buffer.from(good.with(at, (good[at] ?? 0) ^ 1)))
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), (at, octet) => attempt(Buffer.from(good.with(at, octet)))),
      { numRuns: 500 },
    )
  })
})
