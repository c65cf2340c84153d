import { constants, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explicit, integer, nullValue, oid, seq } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { schemeOf, schemes } from '../../src/pki/signatureAlgorithm.ts'
import { signerFor, verifySignature } from '../../src/pki/signer.ts'
import { KEY_KINDS, keyPair } from '../helpers/pkiSamples.ts'

const message = Buffer.from('to be signed')
const pssAlgorithm = (hash: string, mgfHash = hash, salt = 32) =>
  seq(
    oid(OID.rsassaPss),
    seq(
      explicit(0, seq(oid(hash), nullValue())),
      explicit(1, seq(oid(OID.mgf1), seq(oid(mgfHash), nullValue()))),
      explicit(2, integer(salt)),
    ),
  )

describe.each(KEY_KINDS)('a signer over %s', (kind) => {
  const { privateKey } = keyPair(kind)
  const signer = signerFor(privateKey)

  test('makes signatures that its public key verifies, and nothing else', async () => {
    const signature = await signer.sign(message)
    expect(verifySignature(signer.algorithm, signer.publicKey, message, signature)).toBe(true)
    expect(verifySignature(signer.algorithm, signer.publicKey, Buffer.from('other'), signature)).toBe(false)
    expect(verifySignature(signer.algorithm, signer.publicKey, message, Buffer.alloc(signature.length))).toBe(false)
    expect(verifySignature(signer.algorithm, signer.publicKey, message, Buffer.alloc(0))).toBe(false)
    const other = publicKeyFrom(keyPair(kind, 'other').publicKey)
    expect(verifySignature(signer.algorithm, other, message, signature)).toBe(false)
  })

  test('signs in the thread pool exactly when that takes long', () => {
    const waits = signer.sign(message) instanceof Promise
    expect(waits).toBe(kind === 'P-384' || kind === 'P-521' || kind === 'RSA-3072')
  })

  test('an algorithm of another kind of key does not verify', async () => {
    const signature = await signer.sign(message)
    for (const { algorithm, keyType } of Object.values(schemes))
      if (keyType !== signer.publicKey.key.asymmetricKeyType)
        expect(verifySignature(algorithm, signer.publicKey, message, signature)).toBe(false)
  })
})

describe('algorithms', () => {
  test.each([
    ['P-256', 'ecdsa-with-SHA256'],
    ['P-384', 'ecdsa-with-SHA384'],
    ['P-521', 'ecdsa-with-SHA512'],
    ['Ed25519', 'Ed25519'],
    ['RSA-2048', 'sha256WithRSAEncryption'],
  ] as const)('%s signs with %s', (kind, name) => {
    expect(schemeOf(signerFor(keyPair(kind).privateKey).algorithm).name).toBe(name)
  })

  test('RSA takes the hash that it is told', async () => {
    const signer = signerFor(keyPair('RSA-2048').privateKey, 'sha512')
    expect(schemeOf(signer.algorithm).name).toBe('sha512WithRSAEncryption')
    expect(verifySignature(signer.algorithm, signer.publicKey, message, await signer.sign(message))).toBe(true)
  })

  test('RSASSA-PSS of others is verified, with its own hash and salt length (RFC 4055 section 3.1)', () => {
    const { privateKey, publicKey } = keyPair('RSA-2048')
    const signature = sign('sha384', message, {
      key: privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 48,
    })
    const key = publicKeyFrom(publicKey)
    expect(verifySignature(pssAlgorithm(OID.sha384, OID.sha384, 48), key, message, signature)).toBe(true)
    expect(verifySignature(pssAlgorithm(OID.sha384, OID.sha384, 20), key, message, signature)).toBe(false)
    expect(verifySignature(pssAlgorithm(OID.sha256), key, message, signature)).toBe(false)
  })

  test.each([
    ['SHA-1 with RSA', seq(oid(OID.sha1WithRSAEncryption), nullValue()), 'unsupported'],
    ['SHA-1 with ECDSA', seq(oid(OID.ecdsaWithSHA1)), 'unsupported'],
    ['PSS with SHA-1', pssAlgorithm(OID.sha1), 'unsupported'],
    ['PSS by default', seq(oid(OID.rsassaPss), seq()), 'unsupported'],
    ['PSS with two hashes', pssAlgorithm(OID.sha256, OID.sha512), 'unsupported'],
    ['PSS without parameters', seq(oid(OID.rsassaPss)), 'malformed'],
    ['PSS with an absurd salt', pssAlgorithm(OID.sha256, OID.sha256, 100_000), 'malformed'],
    ['ECDSA with NULL parameters', seq(oid(OID.ecdsaWithSHA256), nullValue()), 'unsupported'],
    ['no algorithm', Buffer.from('0500', 'hex'), 'malformed'],
    ['nothing', Buffer.alloc(0), 'malformed'],
  ])('refuses %s', (_, algorithm, kind) => {
    expect(() => schemeOf(algorithm)).toThrow(expect.objectContaining({ name: 'PkiError', kind }))
  })

  test('random and mutated bytes: PkiError or a scheme', () => {
    const attempt = (bytes: Buffer) => {
      try {
        expect(schemeOf(bytes).name).toMatch(/\w/)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    const pss = pssAlgorithm(OID.sha256)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => attempt(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(pss.length - 1), fc.nat(255), (at, octet) => {
        const mutant = Buffer.from(pss)
        mutant[at] = octet
        attempt(mutant)
      }),
      { numRuns: 2000 },
    )
  })

  test('keys that we do not sign with are refused', () => {
    expect(() => signerFor(keyPair('P-256').publicKey)).toThrow(PkiError)
    expect(() => signerFor(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)).toThrow(PkiError)
    expect(() => signerFor(generateKeyPairSync('x25519').privateKey)).toThrow(PkiError)
  })
})
