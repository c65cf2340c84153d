import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCsr } from '../../src/pki/csr.ts'
import { bits, bool, explicit, integer, nullValue, octets, oid, readTlv, seq, set, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { readKeyEncryption, readKeyRequest, writeCsrLike } from '../../src/pki/keyRequest.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { signerFor } from '../../src/pki/signer.ts'
import {
  canUnwrap,
  chooseAgreement,
  chooseCipher,
  chooseTransport,
  readSmimeCapabilities,
} from '../../src/pki/smimeCapabilities.ts'
import { keyPair } from '../helpers/pkiSamples.ts'

const attribute = (type: string, ...values: Buffer[]) => seq(oid(type), set(...values))
const extensions = (...list: Buffer[]) => attribute(OID.extensionRequest, seq(...list))
const san = seq(oid(OID.subjectAltName), octets(encodeGeneralNames([{ type: 'dns', value: 'a.test' }])))
const capability = (id: string, ...parameters: Buffer[]) => seq(oid(id), ...parameters)
const capabilities = (...list: Buffer[]) => attribute(OID.smimeCapabilities, seq(...list))

interface Wishes {
  spki?: Buffer
  attributes?: Buffer[]
  signature?: Buffer
}

/** A request whose signature is nonsense, and whose key may be. */
function requestOf({
  spki = publicKeyFrom(keyPair('P-256').publicKey).spki,
  attributes = [],
  signature = Buffer.of(1),
}: Wishes): Buffer {
  const info = seq(integer(0), encodeName(nameOf({ CN: 'device' })), spki, explicit(0, Buffer.concat(attributes)))
  return seq(info, seq(oid('1.2.3.4')), bits(signature))
}

const strangeKey = (algorithm: string, ...parameters: Buffer[]) =>
  seq(seq(oid(algorithm), ...parameters), bits(Buffer.of(1, 2, 3)))

describe('RFC 7030 section 4.4.1: key and signature of the request are ignored', () => {
  test('no signature holds, no algorithm is known', () => {
    const { kind, subject } = readKeyRequest(requestOf({}))
    expect(kind).toEqual({ algorithm: 'EC', curve: 'P-256' })
    expect(subject).toEqual(nameOf({ CN: 'device' }))
    expect(() => parseCsr(requestOf({}))).toThrow(PkiError)
  })

  test.each([
    ['RSA', publicKeyFrom(keyPair('RSA-3072').publicKey).spki, { algorithm: 'RSA', size: 3072 }],
    ['Ed25519', publicKeyFrom(keyPair('Ed25519').publicKey).spki, { algorithm: 'Ed25519' }],
    ['P-521', publicKeyFrom(keyPair('P-521').publicKey).spki, { algorithm: 'EC', curve: 'P-521' }],
    ['DSA', strangeKey('1.2.840.10040.4.1', seq()), undefined],
    ['secp256k1', strangeKey(OID.ecPublicKey, oid('1.3.132.0.10')), undefined],
    ['a point that is on no curve', strangeKey(OID.ecPublicKey, oid(OID.prime256v1)), undefined],
    ['an RSA key that is none', strangeKey(OID.rsaEncryption, nullValue()), undefined],
    ['no key at all', seq(), undefined],
  ] as const)('%s tells the kind, or nothing', (_, spki, kind) => {
    expect(readKeyRequest(requestOf({ spki })).kind).toEqual(kind)
  })

  test('names and attributes count as ever: twice the same is refused', () => {
    const malformed = expect.objectContaining({ kind: 'malformed' })
    expect(() => readKeyRequest(requestOf({ attributes: [extensions(san), extensions(san)] }))).toThrow(malformed)
    expect(() => readKeyRequest(requestOf({ attributes: [extensions(san, san)] }))).toThrow(malformed)
    expect(() => readKeyRequest(Buffer.concat([requestOf({}), Buffer.of(0)]))).toThrow(malformed)
  })

  test('any octets are a request or refused, and so is what it says of encryption', () => {
    const scheme = capability(OID.stdDHSha256Kdf, seq(oid(OID.aes256Wrap)))
    const known = capabilities(scheme, capability(OID.rsaesOaep, seq()), capability(OID.rsaEncryption))
    const sample = requestOf({
      attributes: [extensions(san), attribute(OID.decryptKeyID, octets(Buffer.from('k'))), known],
    })
    const read = (bytes: Buffer) => {
      try {
        const encryption = readKeyEncryption(readKeyRequest(bytes).attributes)
        if (!encryption) return
        chooseAgreement(encryption.capabilities)
        chooseTransport(encryption.capabilities)
        chooseCipher(encryption.capabilities, 'aes-128-cbc')
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => read(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.nat(255), (at, octet) => {
        const changed = Buffer.from(sample)
        changed[at] = octet
        read(changed)
      }),
      { numRuns: 2000 },
    )
  })
})

test('the request for the key that the server made: same subject, same extensions, nothing else', async () => {
  const attributes = [
    attribute(OID.challengePassword, utf8('secret')),
    extensions(san, seq(oid(OID.keyUsage), bool(true), octets(bits(Buffer.of(0x80), 7)))),
    attribute(OID.decryptKeyID, octets(Buffer.from('k'))),
  ]
  const request = readKeyRequest(requestOf({ attributes }))
  expect(request.challengePassword).toBe('secret')
  const signer = signerFor(keyPair('P-384').privateKey)
  const csr = parseCsr(await writeCsrLike(request, signer))
  expect(csr.subject).toEqual(request.subject)
  expect(csr.extensions).toEqual(request.extensions)
  expect(csr.identifiers).toEqual([{ type: 'dns', value: 'a.test' }])
  expect(csr.attributes.map((each) => each.oid)).toEqual([OID.extensionRequest])
  expect(csr.publicKey.spkiHash).toBe(signer.publicKey.spkiHash)
})

describe('RFC 7030 section 4.4.1: to which key the private key is encrypted', () => {
  const encryption = (...attributes: Buffer[]) =>
    readKeyEncryption(readKeyRequest(requestOf({ attributes })).attributes)
  const named = (type: string, name = 'key 7') => attribute(type, octets(Buffer.from(name)))
  const some = capabilities(capability(OID.aes128Wrap))

  test('a symmetric one by DecryptKeyIdentifier, id-aa 37; one with a certificate by id-aa 54', () => {
    expect(encryption(named('1.2.840.113549.1.9.16.2.37'), some)).toMatchObject({
      symmetric: true,
      identifier: Buffer.from('key 7'),
      capabilities: [{ oid: OID.aes128Wrap }],
    })
    expect(encryption(named('1.2.840.113549.1.9.16.2.54'), some)).toMatchObject({ symmetric: false })
    expect(encryption()).toBeUndefined()
    expect(encryption(some)).toBeUndefined()
  })

  test.each([
    ['an identifier without SMIMECapabilities', [named(OID.decryptKeyID)], 'SMIMECapabilities'],
    ['both identifiers', [named(OID.decryptKeyID), named(OID.asymmDecryptKeyID), some], 'two keys'],
    ['an identifier without octets', [named(OID.decryptKeyID, ''), some], '1 to 128 octets'],
    ['an identifier beyond reason', [named(OID.asymmDecryptKeyID, 'x'.repeat(129)), some], '1 to 128 octets'],
    ['two values', [attribute(OID.decryptKeyID, octets(Buffer.of(1)), octets(Buffer.of(2))), some], 'one value'],
    ['another type', [attribute(OID.decryptKeyID, utf8('x')), some], 'OCTET STRING'],
    [
      'capabilities that are none',
      [named(OID.decryptKeyID), attribute(OID.smimeCapabilities, utf8('x'))],
      'SMIMECapabilities',
    ],
  ])('%s is refused', (_, attributes, why) => {
    expect(() => encryption(...attributes)).toThrow(why)
  })
})

describe('RFC 8551 section 2.5.2: what the client can open', () => {
  const read = (...list: Buffer[]) => readSmimeCapabilities(readTlv(seq(...list)))
  const oaep = (hash: string) =>
    capability(
      OID.rsaesOaep,
      seq(explicit(0, seq(oid(hash), nullValue())), explicit(1, seq(oid(OID.mgf1), seq(oid(hash), nullValue())))),
    )
  const unsupported = expect.objectContaining({ kind: 'unsupported' })

  test('to an RSA key by OAEP where it can, else by PKCS #1 v1.5', () => {
    expect(chooseTransport(read(capability(OID.rsaEncryption), oaep(OID.sha256)))).toBe('oaep-sha256')
    expect(chooseTransport(read(capability(OID.rsaesOaep)))).toBe('oaep-sha1')
    expect(chooseTransport(read(oaep(OID.md5), capability(OID.rsaEncryption, nullValue())))).toBe('rsaes-pkcs1')
    expect(() => chooseTransport(read(capability(OID.aes128Wrap)))).toThrow(unsupported)
    expect(() => chooseTransport(read())).toThrow(unsupported)
  })

  test('with an EC key by the first scheme that we know, or by a key wrap alone', () => {
    const scheme = (id: string, wrap: string) => capability(id, seq(oid(wrap)))
    const sha1Kdf = scheme('1.3.133.16.840.63.0.2', OID.aes256Wrap)
    expect(chooseAgreement(read(sha1Kdf, scheme(OID.stdDHSha384Kdf, OID.aes192Wrap)))).toEqual({
      derivation: 'sha384',
      wrap: 'aes-192-wrap',
    })
    expect(chooseAgreement(read(capability(OID.aes128Wrap), capability(OID.aes256Wrap)))).toEqual({
      derivation: 'sha256',
      wrap: 'aes-256-wrap',
    })
    expect(() => chooseAgreement(read(sha1Kdf))).toThrow(unsupported)
    expect(() => chooseAgreement(read(capability(OID.stdDHSha256Kdf)))).toThrow(unsupported)
    expect(() => chooseAgreement(read(capability(OID.stdDHSha256Kdf, utf8('x'))))).toThrow(unsupported)
  })

  test('the content by the strongest AES that it names', () => {
    expect(chooseCipher(read(capability(OID.aes128Cbc), capability(OID.aes192Cbc)), 'aes-256-cbc')).toBe('aes-192-cbc')
    expect(chooseCipher(read(capability(OID.aes128Wrap)), 'aes-128-cbc')).toBe('aes-128-cbc')
    expect(canUnwrap(read(capability(OID.aes128Wrap)), 'aes-128-wrap')).toBe(true)
    expect(canUnwrap(read(capability(OID.aes128Wrap)), 'aes-256-wrap')).toBe(false)
  })
})
