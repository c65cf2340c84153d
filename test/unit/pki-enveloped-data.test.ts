import { describe, expect, test } from 'vitest'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { implicit, integer, octets, seq, utf8 } from '../../src/pki/der.ts'
import { openEnvelopedData, readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import { decryptionKey, type KeyTransport, transportedKey } from '../../src/pki/keyTransport.ts'
import { asBer } from '../helpers/ber.ts'
import { ciphers, envelopeOf, keyPem, open, party, rsaRecipient } from '../helpers/cms.ts'
import { keyPair, openssl, pem } from '../helpers/pkiSamples.ts'

const content = seq(integer(5), utf8('what is in the envelope'))
const password = Buffer.from('a password, schön')

const refused = (kind: string) => expect.objectContaining({ name: 'PkiError', kind })

/** An envelope that openssl closes. */
function theirs(certificate: Buffer, ...options: string[]): Buffer {
  const files = { content, 'to.pem': pem(certificate) }
  const args = ['cms', '-encrypt', '-binary', '-in', 'content', '-outform', 'PEM', ...options]
  return Buffer.from(openssl(files, args).replace(/-----[^-]+-----/g, ''), 'base64')
}

describe('envelopes that openssl closes', () => {
  test.each([
    ['-aes128', 'aes-128-cbc'],
    ['-aes192', 'aes-192-cbc'],
    ['-aes256', 'aes-256-cbc'],
    ['-des3', 'des-ede3-cbc'],
  ] as const)('%s', async (option, cipher) => {
    const { certificate, opener } = await rsaRecipient()
    const opened = await open(theirs(certificate, option, '-recip', 'to.pem'), opener)
    expect(opened).toEqual({ content, cipher, transport: 'rsaes-pkcs1', key: opener })
  })

  test.each([
    ['sha1', 'oaep-sha1'],
    ['sha256', 'oaep-sha256'],
    ['sha384', 'oaep-sha384'],
    ['sha512', 'oaep-sha512'],
  ] as const)('RSAES-OAEP with %s', async (hash, transport) => {
    const { certificate, opener } = await rsaRecipient('RSA-3072')
    const oaep = ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', `rsa_oaep_md:${hash}`]
    const opened = await open(theirs(certificate, '-aes128', '-recip', 'to.pem', ...oaep), opener)
    expect(opened).toMatchObject({ content, transport })
  })

  test.each([
    ['sha256', 'sha1', 'oaep-sha256-mgf1-sha1'],
    ['sha1', 'sha256', 'oaep-sha1-mgf1-sha256'],
    ['sha512', 'sha224', 'oaep-sha512-mgf1-sha224'],
    ['sha224', 'sha224', 'oaep-sha224'],
  ] as const)('RSAES-OAEP with %s, and MGF1 with %s', async (hash, mgf1, transport) => {
    const { certificate, opener } = await rsaRecipient()
    const oaep = ['rsa_padding_mode:oaep', `rsa_oaep_md:${hash}`, `rsa_mgf1_md:${mgf1}`]
    const options = oaep.flatMap((option) => ['-keyopt', option])
    const opened = await open(theirs(certificate, '-aes128', '-recip', 'to.pem', ...options), opener)
    expect(opened).toMatchObject({ content, transport })
  })

  test('RSAES-OAEP with a label is refused, and said', async () => {
    const { certificate, opener } = await rsaRecipient()
    const oaep = ['-aes128', '-recip', 'to.pem', '-keyopt', 'rsa_padding_mode:oaep']
    const label = theirs(certificate, ...oaep, '-keyopt', 'rsa_oaep_label:6162')
    await expect(open(label, opener)).rejects.toThrow(refused('unsupported'))
  })

  test('by key identifier, in BER of open lengths, to several', async () => {
    const { certificate, opener } = await rsaRecipient()
    const options = ['-aes128', '-recip', 'to.pem']
    expect((await open(theirs(certificate, ...options, '-keyid'), opener)).content).toEqual(content)
    const stream = theirs(certificate, ...options, '-stream')
    expect(stream.subarray(0, 2)).toEqual(Buffer.of(0x30, 0x80))
    expect((await open(stream, opener)).content).toEqual(content)
    const other = await rsaRecipient('RSA-3072')
    const files = { content, 'a.pem': pem(other.certificate), 'b.pem': pem(certificate) }
    const both = ['-recip', 'a.pem', '-recip', 'b.pem', '-outform', 'PEM']
    const text = openssl(files, ['cms', '-encrypt', '-binary', '-aes128', '-in', 'content', ...both])
    const message = Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
    expect(await open(message, opener)).toMatchObject({ content, key: opener })
    expect(await open(message, other.opener)).toMatchObject({ content, key: other.opener })
  })

  test('to a password', async () => {
    for (const cipher of ['-aes128', '-aes256', '-des3']) {
      const files = { content }
      const options = ['-in', 'content', '-pwri_password', password.toString(), '-outform', 'PEM', cipher]
      const text = openssl(files, ['cms', '-encrypt', '-binary', ...options])
      const envelope = readEnvelopedData(Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64'))
      expect(await openEnvelopedData(envelope, { keys: [], password, ciphers })).toMatchObject({
        content,
        transport: 'password',
      })
      const wrong = { keys: [], password: Buffer.from('wrong'), ciphers }
      await expect(openEnvelopedData(envelope, wrong)).rejects.toThrow('the envelope cannot be opened')
      await expect(openEnvelopedData(envelope, { keys: [], ciphers })).rejects.toThrow('for another key than ours')
    }
  })

  test('a cipher that is not taken, a recipient that is another, a key of another kind', async () => {
    const { certificate, opener } = await rsaRecipient()
    const other = await rsaRecipient('RSA-3072')
    const message = theirs(certificate, '-des3', '-recip', 'to.pem')
    await expect(open(message, opener, ['aes-128-cbc'])).rejects.toThrow(refused('unsupported'))
    await expect(open(message, other.opener)).rejects.toThrow('for another key than ours')
    expect(() => readEnvelopedData(theirs(certificate, '-aes-128-gcm', '-recip', 'to.pem'))).toThrow(PkiError)
    expect(() => decryptionKey(certificate, keyPair('P-256').privateKey)).toThrow(refused('unsupported'))
  })
})

describe('envelopes that we close', () => {
  const transports: KeyTransport[] = [
    'rsaes-pkcs1',
    'oaep-sha1',
    'oaep-sha256',
    'oaep-sha384',
    'oaep-sha512',
    'oaep-sha256-mgf1-sha1',
    'oaep-sha1-mgf1-sha512',
  ]

  test('openssl opens each transport with each cipher, and so do we', async () => {
    const { certificate, key, opener } = await rsaRecipient()
    for (const transport of transports)
      for (const cipher of ciphers) {
        const message = await writeEnvelopedData(content, { certificate, transport }, cipher)
        expect(await open(message, opener)).toEqual({ content, cipher, transport, key: opener })
        if (cipher === 'des-cbc') continue
        const files = { message, 'key.pem': keyPem(key), 'to.pem': pem(certificate) }
        const options = [
          '-inform',
          'DER',
          '-in',
          'message',
          '-inkey',
          'key.pem',
          '-recip',
          'to.pem',
          '-out',
          'out',
          '-binary',
        ]
        openssl(files, ['cms', '-decrypt', ...options])
      }
  })

  test('openssl reads out of it what we put in', async () => {
    const { certificate, key } = await rsaRecipient()
    const text = Buffer.from('text of any length, not only whole blocks')
    for (const cipher of ['aes-256-cbc', 'des-ede3-cbc'] as const) {
      const message = await writeEnvelopedData(text, { certificate, transport: 'rsaes-pkcs1' }, cipher)
      const files = { message, 'key.pem': keyPem(key), 'to.pem': pem(certificate) }
      const options = ['-inform', 'DER', '-in', 'message', '-inkey', 'key.pem', '-recip', 'to.pem', '-binary']
      expect(openssl(files, ['cms', '-decrypt', ...options])).toBe(text.toString())
    }
  })

  test('to a password: openssl opens it', async () => {
    for (const cipher of ciphers) {
      const message = await writeEnvelopedData(content, { password }, cipher)
      const opened = await openEnvelopedData(readEnvelopedData(message), { keys: [], password, ciphers })
      expect(opened).toEqual({ content, cipher, transport: 'password' })
      if (cipher === 'des-cbc') continue
      const files = { message: await writeEnvelopedData(Buffer.from('for a password'), { password }, cipher) }
      const options = ['-inform', 'DER', '-in', 'message', '-pwri_password', password.toString()]
      expect(openssl(files, ['cms', '-decrypt', ...options])).toBe('for a password')
    }
  })

  test('each envelope has its own key and initial vector; DES keys have odd parity', async () => {
    const { certificate, opener } = await rsaRecipient()
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const message = await writeEnvelopedData(content, { certificate, transport: 'oaep-sha1' }, 'des-ede3-cbc')
      const { keyRecipients, iv } = readEnvelopedData(message)
      const key = await transportedKey(opener, 'oaep-sha1', keyRecipients[0]?.encryptedKey ?? expect.fail(), 24)
      for (const octet of key) expect(octet.toString(2).replaceAll('0', '').length % 2).toBe(1)
      seen.add(iv.toString('hex')).add(key.toString('hex'))
    }
    expect(seen.size).toBe(40)
  })

  test('to a signer whose certificate was read already', async () => {
    const { certificate, opener } = await rsaRecipient()
    const to = { certificate: readBareCertificate(certificate), transport: 'oaep-sha256' } as const
    expect((await open(await writeEnvelopedData(content, to, 'aes-256-cbc'), opener)).content).toEqual(content)
  })

  test('not to a key that cannot encrypt', async () => {
    const { certificate } = party('P-256')
    const writing = writeEnvelopedData(content, { certificate, transport: 'rsaes-pkcs1' }, 'aes-128-cbc')
    await expect(writing).rejects.toThrow(refused('unsupported'))
  })

  test('every BER form opens alike, the encrypted content in pieces too', async () => {
    const { certificate, opener } = await rsaRecipient()
    const message = await writeEnvelopedData(content, { certificate, transport: 'rsaes-pkcs1' }, 'aes-128-cbc')
    for (const form of [
      { open: true, lengthOctets: 0, piece: 7 },
      { open: false, lengthOctets: 8, piece: 0 },
    ])
      expect((await open(asBer(message, form), opener)).content).toEqual(content)
    const { keyRecipients, iv, encryptedContent } = readEnvelopedData(message)
    const pieces = Array.from({ length: encryptedContent.length / 4 }, (_, n) =>
      octets(encryptedContent.subarray(4 * n, 4 * n + 4)),
    )
    const encryptedKey = keyRecipients[0]?.encryptedKey ?? expect.fail()
    const inPieces = envelopeOf({ certificate, encryptedKey, iv, encrypted: implicit(0, Buffer.concat(pieces), true) })
    expect((await open(inPieces, opener)).content).toEqual(content)
  })
})
