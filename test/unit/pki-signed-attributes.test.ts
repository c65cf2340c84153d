import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { nullValue, octets, oid, printable, seq } from '../../src/pki/der.ts'
import type { Digest } from '../../src/pki/digest.ts'
import { OID } from '../../src/pki/oid.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { messageOf, party, signedAttribute } from '../helpers/cms.ts'

const MESSAGE_TYPE = '2.16.840.1.113733.1.9.2'
const content = Buffer.from('what is signed')
const verify = (bytes: Buffer, digests: readonly Digest[] = ['sha256', 'sha512']) =>
  verifySignedData(readSignedData(bytes), { digests })
const refused = (kind: string) => expect.objectContaining({ name: 'PkiError', kind })

describe('signed attributes', () => {
  const signer = party('P-256')
  const contentType = signedAttribute(OID.contentType, oid(OID.data))
  const digestOf = (bytes: Buffer) => octets(createHash('sha256').update(bytes).digest())
  const messageDigest = signedAttribute(OID.messageDigest, digestOf(content))
  const type = signedAttribute(MESSAGE_TYPE, printable('19'))
  const sorted = [type, contentType, messageDigest]
  const unsorted = [messageDigest, contentType, type]

  test('verify in the order received, and in the order of DER', () => {
    expect(verify(messageOf(signer, { content, attributes: sorted })).content).toEqual(content)
    expect(verify(messageOf(signer, { content, attributes: unsorted })).content).toEqual(content)
    expect(verify(messageOf(signer, { content, attributes: unsorted, signed: sorted })).content).toEqual(content)
    const neither = messageOf(signer, { content, attributes: sorted, signed: unsorted })
    expect(() => verify(neither)).toThrow(refused('badSignature'))
  })

  test.each([
    ['none at all', [], 'malformed'],
    ['no contentType', [messageDigest, type], 'malformed'],
    ['no messageDigest', [contentType, type], 'malformed'],
    ['another contentType', [signedAttribute(OID.contentType, oid(OID.envelopedData)), messageDigest], 'malformed'],
    [
      'a contentType that is no identifier',
      [signedAttribute(OID.contentType, octets(content)), messageDigest],
      'malformed',
    ],
    [
      'a digest of something else',
      [contentType, signedAttribute(OID.messageDigest, digestOf(Buffer.of(1)))],
      'badSignature',
    ],
    [
      'a digest of another length',
      [contentType, signedAttribute(OID.messageDigest, octets(Buffer.alloc(20)))],
      'badSignature',
    ],
    ['a digest that is no octets', [contentType, signedAttribute(OID.messageDigest, printable('19'))], 'malformed'],
    ['one twice', [...sorted, type], 'malformed'],
    [
      'one with two values',
      [contentType, messageDigest, signedAttribute(MESSAGE_TYPE, printable('19'), printable('20'))],
      'malformed',
    ],
    ['one without a value', [contentType, messageDigest, signedAttribute(MESSAGE_TYPE)], 'malformed'],
    ['more than 64', Array.from({ length: 65 }, (_, n) => signedAttribute(`1.2.${n}`, printable('1'))), 'malformed'],
  ])('refuses %s', (_, attributes, kind) => {
    expect(() => verify(messageOf(signer, { content, attributes }))).toThrow(refused(kind))
  })

  test('RSA signatures by either name: rsaEncryption, or with their digest', () => {
    const rsa = party('RSA-2048')
    for (const name of [OID.rsaEncryption, OID.sha256WithRSAEncryption]) {
      const message = messageOf(rsa, { content, attributes: sorted, signatureAlgorithm: seq(oid(name), nullValue()) })
      expect(verify(message).content).toEqual(content)
    }
    const sha1 = seq(oid(OID.sha1WithRSAEncryption), nullValue())
    const other = messageOf(rsa, { content, attributes: sorted, signatureAlgorithm: sha1 })
    expect(() => verify(other, ['sha1', 'sha256'])).toThrow(refused('unsupported'))
  })

  test('Ed25519 goes with SHA-512 (RFC 8419 section 3)', () => {
    const ed25519 = party('Ed25519')
    const message = messageOf(ed25519, { content, attributes: sorted, signatureAlgorithm: seq(oid(OID.ed25519)) })
    expect(() => verify(message)).toThrow(refused('unsupported'))
    const digest = signedAttribute(OID.messageDigest, octets(createHash('sha512').update(content).digest()))
    const long = { content, attributes: [type, contentType, digest], signatureAlgorithm: seq(oid(OID.ed25519)) }
    expect(verify(messageOf(ed25519, { ...long, digest: 'sha512' })).content).toEqual(content)
  })

  test('refuses a signature over another digest than the message says, and one of another kind of key', () => {
    const ecdsa384 = seq(oid(OID.ecdsaWithSHA384))
    const mixed = messageOf(signer, { content, attributes: sorted, signatureAlgorithm: ecdsa384 })
    expect(() => verify(mixed)).toThrow(refused('unsupported'))
    const rsa = messageOf(signer, { content, attributes: sorted, signatureAlgorithm: seq(oid(OID.rsaEncryption)) })
    expect(() => verify(rsa)).toThrow(refused('badSignature'))
    const unknown = messageOf(signer, { content, attributes: sorted, signatureAlgorithm: seq(oid('1.2.3')) })
    expect(() => verify(unknown)).toThrow(refused('unsupported'))
    const plain = messageOf(signer, { content, attributes: sorted, signatureAlgorithm: seq(oid(OID.ecPublicKey)) })
    expect(verify(plain).content).toEqual(content)
  })
})
