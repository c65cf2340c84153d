import fc from 'fast-check'
import { ContentInfo, SignedData as PkijsSignedData } from 'pkijs'
import { describe, expect, test } from 'vitest'
import { oid, printable, readString, TAG } from '../../src/pki/der.ts'
import type { Digest } from '../../src/pki/digest.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { readSignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { messageSigner, type SignedDataDraft, writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { asBer } from '../helpers/ber.ts'
import { brokenSki, criticalAki, keyPem, type Party, party, unknownCritical } from '../helpers/cms.ts'
import { authority, type KeyKind, keyPair, openssl, pem } from '../helpers/pkiSamples.ts'

const all: Digest[] = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512']
const digests: Digest[] = ['sha256', 'sha384', 'sha512']
const MESSAGE_TYPE = '2.16.840.1.113733.1.9.2'
const content = Buffer.from('what is signed')

async function trusted(kind: KeyKind): Promise<Party> {
  const { certificate } = await authority(kind)
  return { certificate, key: keyPair(kind, `ca Test ${kind}`).privateKey }
}

function ours({ certificate, key }: Party, more: Partial<SignedDataDraft> = {}): Promise<Buffer> {
  const attributes = [{ oid: MESSAGE_TYPE, value: printable('19') }]
  return writeSignedData({ content, digest: 'sha256', attributes, ...more }, messageSigner(certificate, key))
}

/** A message that openssl signs. */
function theirs({ certificate, key }: Party, ...options: string[]): Buffer {
  const files = { content, 'signer.pem': pem(certificate) + keyPem(key) }
  const message = ['-in', 'content', '-signer', 'signer.pem', '-outform', 'PEM']
  const text = openssl(files, ['cms', '-sign', '-binary', '-nodetach', ...message, ...options])
  return Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
}

const verify = (bytes: Buffer, more: Partial<Parameters<typeof verifySignedData>[1]> = {}) =>
  verifySignedData(readSignedData(bytes), { digests, ...more })
const refused = (kind: string) => expect.objectContaining({ name: 'PkiError', kind })

describe('messages that openssl signs', () => {
  test.each([
    ['RSA-2048', 'sha1'],
    ['RSA-2048', 'sha224'],
    ['RSA-2048', 'sha256'],
    ['RSA-3072', 'sha384'],
    ['RSA-2048', 'sha512'],
    ['P-256', 'sha1'],
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
  ] as const)('%s with %s', async (kind, digest) => {
    const signer = await trusted(kind)
    const read = verify(theirs(signer, '-md', digest), { digests: [digest] })
    expect(read.content).toEqual(content)
    expect(read.digest).toBe(digest)
    expect(read.signer.der.equals(signer.certificate)).toBe(true)
    expect(read.attributes.get(OID.signingTime)?.tag).toBe(TAG.utcTime)
  })

  test('the signer by key identifier, by RSASSA-PSS, in BER of open lengths', async () => {
    const signer = await trusted('RSA-2048')
    for (const options of [
      ['-keyid'],
      ['-keyopt', 'rsa_padding_mode:pss', '-md', 'sha256'],
      ['-stream'],
      ['-nosmimecap'],
    ])
      expect(verify(theirs(signer, ...options)).content).toEqual(content)
    expect(theirs(signer, '-stream').subarray(0, 2)).toEqual(Buffer.of(0x30, 0x80))
  })

  test('refuses no certificates, no attributes, no content, MD5, a digest that is not taken', async () => {
    const signer = await trusted('RSA-2048')
    expect(() => readSignedData(theirs(signer, '-nocerts'))).toThrow(refused('malformed'))
    expect(() => readSignedData(theirs(signer, '-noattr'))).toThrow('without signed attributes')
    expect(() => verify(theirs(signer, '-md', 'md5'), { digests: all })).toThrow(refused('unsupported'))
    expect(() => verify(theirs(signer, '-md', 'sha1'))).toThrow(refused('unsupported'))
    expect(() => verify(theirs(signer, '-md', 'sha224'))).toThrow(refused('unsupported'))
    expect(() => verify(theirs(signer, '-econtent_type', '1.2.3.4'))).toThrow(refused('malformed'))
  })

  test('refuses two signers', async () => {
    const [a, b] = [await trusted('RSA-2048'), await trusted('P-256')]
    const files = { content, 'a.pem': pem(a.certificate) + keyPem(a.key), 'b.pem': pem(b.certificate) + keyPem(b.key) }
    const signers = ['-signer', 'a.pem', '-signer', 'b.pem']
    const text = openssl(files, ['cms', '-sign', '-nodetach', '-in', 'content', '-outform', 'PEM', ...signers])
    const message = Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
    expect(() => readSignedData(message)).toThrow('more than one signer')
  })

  test('the certificate is the one that the identifier names, not the first', async () => {
    const [signer, other] = [await trusted('RSA-2048'), await trusted('P-256')]
    const files = {
      content,
      'signer.pem': pem(signer.certificate) + keyPem(signer.key),
      'other.pem': pem(other.certificate),
    }
    const options = ['-signer', 'signer.pem', '-certfile', 'other.pem', '-outform', 'PEM']
    const text = openssl(files, ['cms', '-sign', '-binary', '-nodetach', '-in', 'content', ...options])
    const read = verify(Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64'))
    expect(read.certificates).toHaveLength(2)
    expect(read.certificates[0]?.equals(other.certificate)).toBe(true)
    expect(read.signer.der.equals(signer.certificate)).toBe(true)
  })
})

describe('messages that we sign', () => {
  test.each(['RSA-2048', 'RSA-3072', 'P-256', 'P-384'] as const)('openssl and pkijs verify %s', async (kind) => {
    const signer = await trusted(kind)
    for (const digest of all) {
      const files = { message: await ours(signer, { digest }) }
      expect(openssl(files, ['cms', '-verify', '-noverify', '-inform', 'DER', '-in', 'message'])).toBe(
        content.toString(),
      )
    }
    const info = ContentInfo.fromBER(await ours(signer))
    const signedData = new PkijsSignedData({ schema: info.content })
    expect(await signedData.verify({ signer: 0 })).toBe(true)
  })

  test('an RSA signature is called rsaEncryption, attributes are in the order of DER', async () => {
    const read = readSignedData(await ours(await trusted('RSA-2048')))
    expect(read.signature.algorithm.value).toEqual(Buffer.concat([oid(OID.rsaEncryption), Buffer.of(5, 0)]))
    expect([...read.attributes.keys()]).toEqual([MESSAGE_TYPE, OID.contentType, OID.messageDigest])
    expect(readString(read.attributes.get(MESSAGE_TYPE) ?? expect.fail())).toBe('19')
  })

  test('without content: the digest of no octets, taken only where that is said', async () => {
    const signer = await trusted('RSA-2048')
    const attributes = [{ oid: MESSAGE_TYPE, value: printable('3') }]
    const message = await writeSignedData(
      { digest: 'sha256', attributes },
      messageSigner(signer.certificate, signer.key),
    )
    expect(verify(message, { contentMayBeAbsent: true }).content).toBeUndefined()
    expect(() => verify(message)).toThrow(refused('malformed'))
    const files = { message, empty: '' }
    const options = ['-noverify', '-inform', 'DER', '-in', 'message', '-content', 'empty', '-binary']
    expect(openssl(files, ['cms', '-verify', ...options])).toBe('')
  })

  test('a chain goes along after the signer’s certificate', async () => {
    const [signer, root] = [await trusted('RSA-2048'), await trusted('P-256')]
    const read = verify(await ours(signer, { chain: [root.certificate] }))
    expect(read.certificates.map((der) => pem(der))).toEqual([pem(signer.certificate), pem(root.certificate)])
  })

  test('every BER form of the outside verifies alike', async () => {
    const message = await ours(await trusted('P-256'))
    for (const form of [
      { open: true, lengthOctets: 0, piece: 4 },
      { open: false, lengthOctets: 4, piece: 0 },
      { open: true, lengthOctets: 8, piece: 1 },
    ])
      expect(verify(asBer(message, form)).content).toEqual(content)
  })
})

describe('odd certificates of signers', () => {
  test.each([
    ['a critical authorityKeyIdentifier, as Windows has it', { extensions: [criticalAki()] }],
    ['an unknown critical extension', { extensions: [unknownCritical()] }],
    ['a serial number in ASCII', { serial: Buffer.from('3132333435363738394142434445463031323334353637383930') }],
    ['a negative serial number', { serial: Buffer.of(0x80, 1) }],
    ['a serial number of 40 octets', { serial: Buffer.alloc(40, 0x41) }],
    ['a broken subjectKeyIdentifier', { extensions: [brokenSki()] }],
  ])('%s', async (_, oddities) => {
    const signer = party('RSA-2048', oddities)
    const read = verify(await ours(signer))
    expect(read.signer.der.equals(signer.certificate)).toBe(true)
    expect(read.signer.publicKey.size).toBe(2048)
  })

  test('two certificates that both may be meant are refused', async () => {
    const [a, b] = [party('RSA-2048', { cn: 'x' }), party('P-256', { cn: 'x' })]
    await expect(ours(a, { chain: [b.certificate] }).then(readSignedData)).rejects.toThrow('two certificates')
    expect(verify(await ours(a, { chain: [a.certificate] })).content).toEqual(content)
  })

  test('a broken certificate beside the signer’s does not matter', async () => {
    const signer = party('RSA-2048')
    expect(verify(await ours(signer, { chain: [Buffer.from('3003020101', 'hex')] })).content).toEqual(content)
  })

  test('an RSA key above 8192 bits is not used', async () => {
    const signer = party('RSA-2048')
    const read = readSignedData(await ours(signer))
    const publicKey = { ...read.signer.publicKey, size: 8193, key: read.signer.publicKey.key }
    const claimed = { ...read, signer: { ...read.signer, publicKey } }
    expect(() => verifySignedData(claimed, { digests })).toThrow(refused('unsupported'))
  })
})

describe('mutations', () => {
  test('no flipped octet changes what was signed', async () => {
    const good = await ours(await trusted('P-256'), { content: Buffer.from('x') })
    const kinds = new Set<string>()
    for (let at = 0; at < good.length; at++) {
      try {
        const read = verify(Buffer.from(good.with(at, (good[at] ?? 0) ^ 0x01)))
        // Only what is not signed may change: versions, algorithm parameters, the rest of the certificate.
        expect(read.content?.toString()).toBe('x')
        expect(read.attributes.size).toBe(3)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
        kinds.add((error as PkiError).kind)
      }
    }
    expect([...kinds].sort()).toEqual(['badSignature', 'malformed', 'unsupported'])
  })

  test('random bytes: PkiError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verify(Buffer.from(bytes))).toThrow(refused('malformed'))
      }),
    )
  })
})
