import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bits, integer, nullValue, oid, seq, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom, readPublicKey } from '../../src/pki/publicKey.ts'
import { ecKey } from '../helpers/csrs.ts'

const kind = (kind: PkiError['kind']) => expect.objectContaining({ name: 'PkiError', kind })
const spkiOf = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'der' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ed25519 = generateKeyPairSync('ed25519').privateKey
const keys = { rsa, ed25519, 'P-256': ecKey('P-256'), 'P-384': ecKey('P-384'), 'P-521': ecKey('P-521') }

describe('what is read', () => {
  test.each([
    ['rsa', { algorithm: 'RSA', size: 2048, exponent: 65537n }],
    ['ed25519', { algorithm: 'Ed25519', size: 256 }],
    ['P-256', { algorithm: 'EC', size: 256, curve: 'P-256' }],
    ['P-384', { algorithm: 'EC', size: 384, curve: 'P-384' }],
    ['P-521', { algorithm: 'EC', size: 521, curve: 'P-521' }],
  ] as const)('%s', (name, fields) => {
    const spki = spkiOf(keys[name])
    const info = readPublicKey(spki)
    expect(info).toMatchObject({ ...fields, spki, spkiHash: createHash('sha256').update(spki).digest('hex') })
    // Through JWK and back: the same key.
    expect(info.key.export({ type: 'spki', format: 'der' })).toEqual(spki)
    expect(info.key).toBe(info.key)
  })

  test.each([1023, 1024, 1025, 2047])('an RSA modulus of %i bits', (bits) => {
    const modulus = Buffer.from(
      (2n ** BigInt(bits - 1) + 1n).toString(16).padStart(Math.ceil(bits / 4) + (Math.ceil(bits / 4) % 2), '0'),
      'hex',
    )
    expect(readPublicKey(rsaSpki(integer(modulus), integer(3)))).toMatchObject({ size: bits, modulus, exponent: 3n })
  })

  test('from a KeyObject, public or private', () => {
    const publicKey = createPublicKey(rsa)
    expect(publicKeyFrom(rsa).spki).toEqual(spkiOf(rsa))
    expect(publicKeyFrom(publicKey).key).toBe(publicKey)
  })

  test('the key identifier is SHA-1 of the bits, RFC 5280 section 4.2.1.2 (1)', () => {
    const info = readPublicKey(spkiOf(keys['P-256']))
    expect(keyIdentifier(info)).toEqual(
      createHash('sha1')
        .update(info.point ?? '')
        .digest(),
    )
  })
})

function rsaSpki(n: Buffer, e: Buffer, parameters: Buffer[] = [nullValue()]): Buffer {
  return seq(seq(oid(OID.rsaEncryption), ...parameters), bits(seq(n, e)))
}
const ecSpki = (point: Buffer, curve: Buffer[] = [oid(OID.prime256v1)]) =>
  seq(seq(oid(OID.ecPublicKey), ...curve), bits(point))
const n = integer(2n ** 2047n + 1n)
const e = integer(65537)
const { point = Buffer.alloc(0) } = publicKeyFrom(keys['P-256'])
const moved = Buffer.from(point)
moved[64] = (moved[64] ?? 0) ^ 1
const compressed = Buffer.concat([Buffer.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33)])
const p256 = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n

describe('refusals: malformed', () => {
  test.each([
    ['RSA modulus zero', rsaSpki(integer(0), e)],
    ['RSA modulus negative', rsaSpki(integer(-5), e)],
    ['RSA modulus not minimal', rsaSpki(Buffer.from('0202007f', 'hex'), e)],
    ['RSA exponent zero', rsaSpki(n, integer(0))],
    ['RSA exponent negative', rsaSpki(n, integer(-3))],
    ['RSA without parameters', rsaSpki(n, e, [])],
    ['RSA with parameters', rsaSpki(n, e, [seq()])],
    ['RSA with a third number', seq(seq(oid(OID.rsaEncryption), nullValue()), bits(seq(n, e, e)))],
    [
      'RSA with bytes after the key',
      seq(seq(oid(OID.rsaEncryption), nullValue()), bits(Buffer.concat([seq(n, e), nullValue()]))),
    ],
    ['an EC point off the curve', ecSpki(moved)],
    ['an EC point cut off', ecSpki(point.subarray(0, 64))],
    ['the point at infinity', ecSpki(Buffer.of(0))],
    ['an EC point with x = p + 1', ecSpki(Buffer.from(`04${(p256 + 1n).toString(16)}${'00'.repeat(32)}`, 'hex'))],
    ['a hybrid EC point', ecSpki(Buffer.concat([Buffer.of(6), point.subarray(1)]))],
    ['a point of another curve', ecSpki(publicKeyFrom(keys['P-384']).point ?? Buffer.alloc(0))],
    ['EC without a curve', ecSpki(point, [])],
    ['Ed25519 with parameters', seq(seq(oid(OID.ed25519), nullValue()), bits(Buffer.alloc(32)))],
    ['Ed25519 of 31 octets', seq(seq(oid(OID.ed25519)), bits(Buffer.alloc(31)))],
    ['unused bits', seq(seq(oid(OID.ed25519)), bits(Buffer.alloc(32), 1))],
    ['a third member', seq(seq(oid(OID.ed25519)), bits(Buffer.alloc(32)), nullValue())],
    ['a string for an algorithm', seq(seq(utf8('RSA')), bits(Buffer.alloc(32)))],
    ['nothing', Buffer.alloc(0)],
  ])('%s', (_, spki) => {
    expect(() => readPublicKey(spki)).toThrow(kind('malformed'))
  })
})

describe('refusals: unsupported', () => {
  test.each([
    ['compressed points', ecSpki(compressed)],
    ['secp256k1', spkiOf(ecKey('secp256k1'))],
    ['explicit curve parameters', ecSpki(point, [seq(integer(1))])],
    ['Ed448', spkiOf(generateKeyPairSync('ed448').privateKey)],
    ['X25519', spkiOf(generateKeyPairSync('x25519').privateKey)],
    ['DSA', spkiOf(generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).privateKey)],
    ['keys for RSASSA-PSS only', spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey)],
    ['an RSA modulus of 16 392 bits', rsaSpki(integer(2n ** 16_391n + 1n), e)],
    ['an RSA exponent of 300 bits', rsaSpki(n, integer(2n ** 299n + 1n))],
  ])('%s', (_, spki) => {
    expect(() => readPublicKey(spki)).toThrow(kind('unsupported'))
  })
})

test('random and damaged bytes give a key or a PkiError', () => {
  const valid = Object.values(keys).map(spkiOf)
  const damaged = fc
    .tuple(fc.constantFrom(...valid), fc.nat({ max: 1000 }), fc.nat({ max: 255 }))
    .map(([spki, at, value]) => {
      const copy = Buffer.from(spki)
      copy[at % copy.length] = value
      return copy
    })
  const random = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array))
  fc.assert(
    fc.property(fc.oneof(random, damaged), (spki) => {
      try {
        expect(readPublicKey(spki).key.type).toBe('public')
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }),
    { numRuns: 1000 },
  )
})
