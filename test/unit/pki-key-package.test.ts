import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import type { ContentCipher } from '../../src/pki/contentCipher.ts'
import { children, readOid, readSmallInteger, readTlv } from '../../src/pki/der.ts'
import type { EnvelopeRecipient } from '../../src/pki/envelopedData.ts'
import type { KeyAgreement } from '../../src/pki/keyAgreement.ts'
import { writeKeyPackage } from '../../src/pki/keyPackage.ts'
import type { KeyTransport } from '../../src/pki/keyTransport.ts'
import { type KeyWrap, wrapFor, wrapKey } from '../../src/pki/keyWrap.ts'
import { OID } from '../../src/pki/oid.ts'
import { messageSigner } from '../../src/pki/signedDataWriter.ts'
import { keyPem, party } from '../helpers/cms.ts'
import { decryptByOpenssl, keyInPackage, type OpenWith, verifyByOpenssl } from '../helpers/keyPackage.ts'
import { authority, keyPair } from '../helpers/pkiSamples.ts'

const pkcs8 = keyPair('P-256', 'made by the server').privateKey.export({ type: 'pkcs8', format: 'der' })

async function packed(recipient: EnvelopeRecipient, cipher: ContentCipher = 'aes-256-cbc') {
  const root = await authority('P-256')
  const signer = messageSigner(root.certificate, keyPair('P-256', 'ca Test P-256').privateKey)
  return { envelope: await writeKeyPackage(pkcs8, { signer, chain: [], recipient, cipher }), root: root.certificate }
}

/** openssl opens the envelope, verifies the signature within, and finds the key. */
async function arrives(recipient: EnvelopeRecipient, by: OpenWith, cipher?: ContentCipher): Promise<Buffer> {
  const { envelope, root } = await packed(recipient, cipher)
  const signedData = decryptByOpenssl(envelope, by)
  expect(keyInPackage(verifyByOpenssl(signedData, root))).toEqual(pkcs8)
  return envelope
}

function fieldsOf(envelope: Buffer) {
  const [, content] = children(readTlv(envelope))
  const [version, recipients, encrypted] = children(readTlv(content?.value ?? Buffer.alloc(0)))
  if (!version || !recipients || !encrypted) throw new Error('no EnvelopedData')
  const [info] = children(recipients)
  const [type] = children(encrypted)
  if (!info || !type) throw new Error('no recipient')
  const [first, second] = children(info)
  if (!first || !second) throw new Error('no recipient')
  return {
    version: readSmallInteger(version),
    tag: info.tag,
    recipientVersion: readSmallInteger(first),
    identifier: second,
    contentType: readOid(type),
  }
}

/** A certificate of our own bytes with a subjectKeyIdentifier. */
async function recipientOf(kind: 'RSA-2048' | 'P-256' | 'P-384' | 'P-521') {
  const { certificate } = await authority(kind, { cn: `recipient ${kind}` })
  return { certificate, keyPem: keyPem(keyPair(kind, `ca recipient ${kind}`).privateKey) }
}

describe('RFC 7030 section 4.4.2: a key that the server made, signed and enveloped', () => {
  test.each<KeyTransport>(['rsaes-pkcs1', 'oaep-sha1', 'oaep-sha256', 'oaep-sha512', 'oaep-sha256-mgf1-sha1'])(
    'ktri with %s, by issuer and serial number and by key identifier',
    async (transport) => {
      const by = await recipientOf('RSA-2048')
      const plain = fieldsOf(await arrives({ certificate: by.certificate, transport }, by))
      expect(plain).toMatchObject({ version: 0, tag: 0x30, recipientVersion: 0, contentType: OID.signedData })
      const named = fieldsOf(await arrives({ certificate: by.certificate, transport, byKeyIdentifier: true }, by))
      expect(named).toMatchObject({ version: 2, tag: 0x30, recipientVersion: 2 })
      expect(named.identifier.value).toEqual(readBareCertificate(by.certificate).keyIdentifier)
    },
  )

  const agreements: [kind: 'P-256' | 'P-384' | 'P-521', KeyAgreement][] = [
    ['P-256', { derivation: 'sha256', wrap: 'aes-128-wrap' }],
    ['P-256', { derivation: 'sha256', wrap: 'aes-256-wrap' }],
    ['P-384', { derivation: 'sha384', wrap: 'aes-192-wrap' }],
    ['P-521', { derivation: 'sha512', wrap: 'aes-256-wrap' }],
  ]
  test.each(agreements)('kari on %s with %o (RFC 5753)', async (kind, agreement) => {
    const by = await recipientOf(kind)
    const plain = fieldsOf(await arrives({ certificate: by.certificate, agreement }, by))
    expect(plain).toMatchObject({ version: 2, tag: 0xa1, recipientVersion: 3 })
    await arrives({ certificate: by.certificate, agreement, byKeyIdentifier: true }, by, 'aes-128-cbc')
  })

  test.each<[KeyWrap, number]>([
    ['aes-128-wrap', 16],
    ['aes-192-wrap', 24],
    ['aes-256-wrap', 32],
  ])('kekri with %s', async (wrap, length) => {
    const secret = randomBytes(length)
    const keyIdentifier = Buffer.from('device-7')
    expect(wrapFor(secret)).toBe(wrap)
    const kek = { keyIdentifier, wrap, wrapKey: (key: Buffer) => wrapKey(wrap, secret, key) }
    const envelope = await arrives({ kek }, { secret, identifier: keyIdentifier })
    expect(fieldsOf(envelope)).toMatchObject({ version: 2, tag: 0xa2, recipientVersion: 4 })
    const wrong = { secret: randomBytes(length), identifier: keyIdentifier }
    expect(() => decryptByOpenssl(envelope, wrong)).toThrow()
  })

  test('the key is nowhere to be seen, and each envelope is another', async () => {
    const { certificate } = await recipientOf('RSA-2048')
    const [one, two] = [
      await packed({ certificate, transport: 'oaep-sha256' }),
      await packed({ certificate, transport: 'oaep-sha256' }),
    ]
    expect(one.envelope.includes(pkcs8.subarray(-32))).toBe(false)
    expect(createHash('sha256').update(one.envelope).digest()).not.toEqual(
      createHash('sha256').update(two.envelope).digest(),
    )
  })

  test('a key that does not do what is asked is refused', async () => {
    const rsa = await recipientOf('RSA-2048')
    const ec = await recipientOf('P-256')
    const unsupported = expect.objectContaining({ kind: 'unsupported' })
    await expect(packed({ certificate: ec.certificate, transport: 'oaep-sha256' })).rejects.toThrow(unsupported)
    const agreement: KeyAgreement = { derivation: 'sha256', wrap: 'aes-128-wrap' }
    await expect(packed({ certificate: rsa.certificate, agreement })).rejects.toThrow(unsupported)
  })

  test('a certificate without a key identifier is named by issuer and serial number', async () => {
    const { certificate, key } = party('RSA-2048')
    const by = { certificate, keyPem: keyPem(key) }
    const envelope = await arrives({ certificate, transport: 'rsaes-pkcs1', byKeyIdentifier: true }, by)
    expect(fieldsOf(envelope)).toMatchObject({ version: 0, recipientVersion: 0 })
  })
})

test('RFC 3394 section 4: the test vectors', () => {
  const hex = (text: string) => Buffer.from(text, 'hex')
  const kek = hex('000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F')
  const key = hex('00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F')
  expect(wrapKey('aes-128-wrap', kek.subarray(0, 16), key.subarray(0, 16))).toEqual(
    hex('1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5'),
  )
  expect(wrapKey('aes-192-wrap', kek.subarray(0, 24), key.subarray(0, 24))).toEqual(
    hex('031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2'),
  )
  expect(wrapKey('aes-256-wrap', kek, key)).toEqual(
    hex('28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21'),
  )
  expect(wrapFor(Buffer.alloc(20))).toBeUndefined()
})
