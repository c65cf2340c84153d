import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCsr } from '../../src/pki/csr.ts'
import { bits, integer, nullValue, octets, oid, printable, seq, set, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest, pssAlgorithm } from '../helpers/csrs.ts'

const kind = (kind: PkiError['kind']) => expect.objectContaining({ name: 'PkiError', kind })
const key = ecKey()
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const san = extension(OID.subjectAltName, encodeGeneralNames([{ type: 'dns', value: 'a.example' }]))
const usage = extension(OID.keyUsage, bits(Buffer.of(0x80), 7))
const rsaAlgorithm = (id: string) => seq(oid(id), nullValue())

describe('malformed', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['bytes after the end', Buffer.concat([buildCsr({ key }), Buffer.of(0)])],
    ['a byte missing', buildCsr({ key }).subarray(0, -1)],
    ['version 1', buildCsr({ key, version: integer(1) })],
    ['a member after the attributes', buildCsr({ key, extra: nullValue() })],
    ['a subject that is no name', buildCsr({ key, subject: utf8('CN=a') })],
    ['an extension twice', buildCsr({ key, attributes: [extensionRequest(san, san)] })],
    [
      'an extension twice, over both attributes',
      buildCsr({ key, attributes: [extensionRequest(san), attribute(OID.microsoftExtensionRequest, seq(san))] }),
    ],
    ['an attribute twice', buildCsr({ key, attributes: [extensionRequest(san), extensionRequest(usage)] })],
    [
      'extensionRequest with two values',
      buildCsr({ key, attributes: [attribute(OID.extensionRequest, seq(san), seq(usage))] }),
    ],
    ['extensionRequest without a value', buildCsr({ key, attributes: [attribute(OID.extensionRequest)] })],
    [
      'challengePassword with two values',
      buildCsr({ key, attributes: [attribute(OID.challengePassword, utf8('a'), utf8('b'))] }),
    ],
    [
      'challengePassword that is no string',
      buildCsr({ key, attributes: [attribute(OID.challengePassword, octets(Buffer.of(1)))] }),
    ],
    ['an attribute without values', buildCsr({ key, attributes: [seq(oid(OID.challengePassword))] })],
    [
      'an attribute with a third member',
      buildCsr({ key, attributes: [seq(oid(OID.challengePassword), set(utf8('a')), nullValue())] }),
    ],
    [
      'an empty subjectAltName',
      buildCsr({ key, attributes: [extensionRequest(extension(OID.subjectAltName, seq()))] }),
    ],
    [
      'a subjectAltName that is no GeneralNames',
      buildCsr({ key, attributes: [extensionRequest(extension(OID.subjectAltName, utf8('a')))] }),
    ],
    ['an extension without a value', buildCsr({ key, attributes: [extensionRequest(seq(oid(OID.keyUsage)))] })],
    [
      'an extension whose value is no OCTET STRING',
      buildCsr({ key, attributes: [extensionRequest(seq(oid(OID.keyUsage), printable('a')))] }),
    ],
    [
      'more attributes than any client sends',
      buildCsr({ key, attributes: Array.from({ length: 65 }, (_, i) => attribute(`1.2.3.${i}`, nullValue())) }),
    ],
  ])('%s', (_, der) => {
    expect(() => parseCsr(der)).toThrow(kind('malformed'))
  })

  test('a signature that is not whole octets', () => {
    const [tbs, algorithm] = [
      seq(integer(0), seq(), createPublicKey(key).export({ type: 'spki', format: 'der' })),
      seq(oid(OID.ecdsaWithSHA256)),
    ]
    const signature = sign('sha256', tbs, key)
    signature[signature.length - 1] = 0
    expect(() => parseCsr(seq(tbs, algorithm, bits(signature, 1)))).toThrow(kind('malformed'))
  })
})

describe('bad signature', () => {
  const other = ecKey()
  test.each<[string, Buffer]>([
    ['by another key', buildCsr({ key, sign: (tbs) => sign('sha256', tbs, other) })],
    ['over other bytes', buildCsr({ key, sign: (tbs) => sign('sha256', Buffer.concat([tbs, Buffer.of(0)]), key) })],
    ['with another hash than it says', buildCsr({ key, sign: (tbs) => sign('sha384', tbs, key) })],
    [
      'r and s raw instead of DER',
      buildCsr({ key, sign: (tbs) => sign('sha256', tbs, { key, dsaEncoding: 'ieee-p1363' }) }),
    ],
    ['r and s zero', buildCsr({ key, sign: () => seq(integer(0), integer(0)) })],
    ['empty', buildCsr({ key, sign: () => Buffer.alloc(0) })],
    [
      'RSA under an EC key',
      buildCsr({ key, algorithm: rsaAlgorithm(OID.sha256WithRSAEncryption), sign: (tbs) => sign('sha256', tbs, rsa) }),
    ],
    ['ECDSA under an RSA key', buildCsr({ key: rsa, sign: (tbs) => sign('sha256', tbs, key) })],
    [
      'PKCS #1 v1.5 where it says PSS',
      buildCsr({ key: rsa, algorithm: pssAlgorithm(OID.sha256, 32), sign: (tbs) => sign('sha256', tbs, rsa) }),
    ],
  ])('%s', (_, der) => {
    expect(() => parseCsr(der)).toThrow(kind('badSignature'))
  })

  test('PSS with another salt length than it says', () => {
    const make = (saltLength: number) =>
      buildCsr({ key: rsa, algorithm: pssAlgorithm(OID.sha256, 32), sign: pssSigner(saltLength) })
    expect(parseCsr(make(32)).signatureAlgorithm).toBe('RSASSA-PSS')
    expect(() => parseCsr(make(20))).toThrow(kind('badSignature'))
  })

  test('any change of the signed part', () => {
    const der = buildCsr({ key, subject: nameOf({ CN: 'www.example.com' }) })
    const at = der.indexOf('www.example.com')
    der[at] = 0x78
    expect(() => parseCsr(der)).toThrow(kind('badSignature'))
  })
})

function pssSigner(saltLength: number): (tbs: Buffer) => Buffer {
  return (tbs) => sign('sha256', tbs, { key: rsa, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

describe('unsupported', () => {
  test.each<[string, Buffer]>([
    [
      'MD5',
      buildCsr({ key: rsa, algorithm: rsaAlgorithm('1.2.840.113549.1.1.4'), sign: (tbs) => sign('md5', tbs, rsa) }),
    ],
    ['PSS with SHA-1', buildCsr({ key: rsa, algorithm: pssAlgorithm(OID.sha1, 20) })],
    ['PSS with two hashes', buildCsr({ key: rsa, algorithm: pssAlgorithm(OID.sha256, 32, OID.sha384) })],
    ['a key of Ed448', buildCsr({ key: generateKeyPairSync('ed448').privateKey, sign: () => Buffer.alloc(114) })],
    ['a key on secp256k1', buildCsr({ key: ecKey('secp256k1') })],
  ])('%s', (_, der) => {
    expect(() => parseCsr(der)).toThrow(kind('unsupported'))
  })

  const sha1 = (signer: KeyObject, id: string) =>
    buildCsr({
      key: signer,
      algorithm: id === OID.ecdsaWithSHA1 ? seq(oid(id)) : rsaAlgorithm(id),
      sign: (tbs) => sign('sha1', tbs, signer),
    })
  test.each([
    ['sha1WithRSAEncryption', rsa, OID.sha1WithRSAEncryption],
    ['ecdsa-with-SHA1', key, OID.ecdsaWithSHA1],
  ] as const)('%s unless it is allowed', (name, signer, id) => {
    expect(() => parseCsr(sha1(signer, id))).toThrow(kind('unsupported'))
    expect(parseCsr(sha1(signer, id), { allowSha1: true }).signatureAlgorithm).toBe(name)
  })

  test('allowing SHA-1 does not allow a wrong signature', () => {
    expect(() =>
      parseCsr(
        buildCsr({ key: rsa, algorithm: rsaAlgorithm(OID.sha1WithRSAEncryption), sign: () => Buffer.alloc(256) }),
        { allowSha1: true },
      ),
    ).toThrow(kind('badSignature'))
    expect(() =>
      parseCsr(buildCsr({ key, algorithm: rsaAlgorithm(OID.sha1WithRSAEncryption) }), { allowSha1: true }),
    ).toThrow(kind('badSignature'))
  })
})

describe('any bytes', () => {
  const valid = buildCsr({
    key,
    subject: nameOf({ C: 'DE', CN: 'a' }),
    attributes: [extensionRequest(san, usage), attribute(OID.challengePassword, utf8('x'))],
  })
  const onlyPkiError = (der: Buffer) => {
    try {
      return parseCsr(der)
    } catch (error) {
      expect(error).toBeInstanceOf(PkiError)
      return undefined
    }
  }

  test('random bytes give a PkiError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (array) => {
        expect(onlyPkiError(Buffer.from(array))).toBeUndefined()
      }),
    )
  })

  test('each octet changed gives a PkiError, never a CSR', () => {
    for (let at = 0; at < valid.length; at++) {
      const damaged = Buffer.from(valid)
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
      expect(onlyPkiError(damaged), `octet ${at}`).toBeUndefined()
    }
  })

  test('damage under a fitting signature gives a CSR or a PkiError', () => {
    const body = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 }))
    const request = seq(san, usage)
    fc.assert(
      fc.property(body, ([at, value]) => {
        const damaged = Buffer.from(request)
        damaged[at % damaged.length] = value
        onlyPkiError(buildCsr({ key, attributes: [attribute(OID.extensionRequest, damaged)] }))
      }),
      { numRuns: 300 },
    )
  })
})
