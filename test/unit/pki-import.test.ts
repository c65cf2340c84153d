import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { integer, octets, oid, readTlv, seq } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { readPemBundle, readPkcs12 } from '../../src/pki/import.ts'
import { decryptWithPassphrase, formThatFits, passphraseForms } from '../../src/pki/pbe.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { openssl } from '../helpers/csrs.ts'

const kind = (kind: PkiError['kind']) => expect.objectContaining({ name: 'PkiError', kind })
const PASSPHRASE = 'pass wörd'
let folder = ''
let keyPem = ''
let certificates = ''
let key: KeyObject
let der: Buffer[] = []
const path = (name: string) => join(folder, name)
const samePrivateKey = (other: KeyObject | undefined) => other?.equals(key)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'import-'))
  const make = (name: string, extra: string[]) =>
    openssl([
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      path(`${name}.key`),
      '-out',
      path(`${name}.pem`),
      '-subj',
      `/CN=${name}`,
      ...extra,
    ])
  make('root', [])
  make('sub', ['-CA', path('root.pem'), '-CAkey', path('root.key')])
  keyPem = readFileSync(path('sub.key'), 'utf8')
  certificates = readFileSync(path('sub.pem'), 'utf8') + readFileSync(path('root.pem'), 'utf8')
  key = createPrivateKey(keyPem)
  der = pemDecode(certificates).map((block) => block.der)
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('PEM', () => {
  test('certificates in order and a key, in any order, with text around', () => {
    for (const text of [keyPem + certificates, `Bag Attributes\n${certificates}\nKey:\n${keyPem}`]) {
      const bundle = readPemBundle(text)
      expect(bundle.certificates).toEqual(der)
      expect(samePrivateKey(bundle.privateKey)).toBe(true)
    }
  })

  test('certificates alone', () => {
    expect(readPemBundle(certificates.replaceAll('\n', '\r\n'))).toEqual({ certificates: der })
  })

  test.each([
    ['PKCS #8', ['pkey']],
    ['SEC 1, with its parameters', ['ec']],
  ])('a key as %s', (_, args) => {
    expect(samePrivateKey(readPemBundle(openssl(args, keyPem).toString()).privateKey)).toBe(true)
  })

  test.each([
    ['PKCS #8', ['pkcs8', '-topk8', '-v2', 'aes-256-cbc']],
    ['RFC 1421 headers', ['ec', '-aes256']],
  ])('an encrypted key as %s opens with its passphrase only', (_, args) => {
    const encrypted = openssl([...args, '-passout', `pass:${PASSPHRASE}`], keyPem).toString()
    expect(encrypted).toMatch(/ENCRYPTED/)
    expect(samePrivateKey(readPemBundle(encrypted, PASSPHRASE).privateKey)).toBe(true)
    for (const wrong of [undefined, '', 'wrong'])
      expect(() => readPemBundle(encrypted, wrong)).toThrow(kind('malformed'))
  })

  test('refuses two keys', () => {
    expect(() => readPemBundle(keyPem + keyPem)).toThrow(kind('malformed'))
  })

  test('refuses blocks of another kind', () => {
    expect(() => readPemBundle(certificates.replaceAll('CERTIFICATE', 'PKCS7'))).toThrow(kind('unsupported'))
  })

  test('refuses a key that is none, and a certificate that is no DER', () => {
    const block = (label: string) => `-----BEGIN ${label}-----\nYWJj\n-----END ${label}-----\n`
    for (const label of ['PRIVATE KEY', 'CERTIFICATE'])
      expect(() => readPemBundle(block(label))).toThrow(kind('malformed'))
  })

  test('a key block that does not end is quickly refused', () => {
    expect(() => readPemBundle(`${'-----BEGIN PRIVATE KEY-----\n'.repeat(2000)}`)).toThrow(kind('malformed'))
  })
})

describe('PKCS #12', () => {
  const make = (extra: string[], passphrase = PASSPHRASE) => {
    writeFileSync(path('chain.pem'), readFileSync(path('root.pem')))
    return openssl([
      'pkcs12',
      '-export',
      '-inkey',
      path('sub.key'),
      '-in',
      path('sub.pem'),
      '-certfile',
      path('chain.pem'),
      '-name',
      'x',
      '-passout',
      `pass:${passphrase}`,
      ...extra,
    ])
  }
  const tripleDes = ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES']

  test.each([
    ['PBES2 with AES-256 and SHA-256, the default of openssl 3', []],
    ['AES-128', ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC']],
    ['many iterations and a MAC with SHA-512', ['-iter', '20000', '-macalg', 'sha512']],
    ['MAC with SHA-384', ['-macalg', 'sha384']],
    ['3DES with SHA-1', [...tripleDes, '-macalg', 'sha1']],
    ['certificates in the clear', ['-certpbe', 'NONE']],
    ['all in the clear but the MAC', ['-certpbe', 'NONE', '-keypbe', 'NONE']],
    ['without a MAC', ['-nomac']],
  ])('%s', async (_, extra) => {
    const bundle = await readPkcs12(make(extra), PASSPHRASE)
    expect(bundle.certificates).toEqual(der)
    expect(samePrivateKey(bundle.privateKey)).toBe(true)
    expect(bundle.certificates.map((certificate) => new X509Certificate(certificate).subject)).toEqual([
      'CN=sub',
      'CN=root',
    ])
  })

  test.each([[[]], [tripleDes]])('an empty passphrase (%j)', async (extra) => {
    expect(samePrivateKey((await readPkcs12(make(extra, ''), '')).privateKey)).toBe(true)
  })

  test('certificates without a key', async () => {
    const bundle = await readPkcs12(make(['-nokeys']), PASSPHRASE)
    expect(bundle).toEqual({ certificates: expect.arrayContaining(der) })
  })

  test('a wrong passphrase is a bad signature', async () => {
    await expect(readPkcs12(make([]), 'wrong')).rejects.toThrow(kind('badSignature'))
  })

  test('a wrong passphrase without a MAC is malformed', async () => {
    await expect(readPkcs12(make(['-nomac']), 'wrong')).rejects.toThrow(kind('malformed'))
  })

  test('RC2 is unsupported, and the message says what to do', async () => {
    const legacy = make(['-legacy'])
    await expect(readPkcs12(legacy, PASSPHRASE)).rejects.toThrow(
      expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining('openssl pkcs12 -legacy') }),
    )
  })

  test('a file that would keep the processor busy is unsupported', async () => {
    const [form] = passphraseForms(PASSPHRASE)
    if (!form) throw new Error('no form')
    const salt = octets(Buffer.alloc(8))
    const pbkdf2 = seq(oid('1.2.840.113549.1.5.12'), seq(salt, integer(10_000_001)))
    const aes = seq(oid('2.16.840.1.101.3.4.1.42'), octets(Buffer.alloc(16)))
    for (const algorithm of [
      seq(oid('1.2.840.113549.1.5.13'), seq(pbkdf2, aes)),
      seq(oid('1.2.840.113549.1.12.1.3'), seq(salt, integer(1_000_001))),
    ])
      await expect(decryptWithPassphrase(readTlv(algorithm), Buffer.alloc(16), form)).rejects.toThrow(
        kind('unsupported'),
      )
    const mac = { hashOid: '1.3.14.3.2.26', digest: Buffer.alloc(20), salt: Buffer.alloc(8), iterations: 1_000_001 }
    expect(() => formThatFits([form], mac, Buffer.alloc(0))).toThrow(kind('unsupported'))
  })

  test('random and damaged bytes give a bundle or a PkiError', async () => {
    const valid = make(['-iter', '1'])
    const damaged = fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })).map(([at, value]) => {
      const copy = Buffer.from(valid)
      copy[at] = value
      return copy
    })
    const random = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array))
    await fc.assert(
      fc.asyncProperty(fc.oneof(random, damaged), async (bytes) => {
        await readPkcs12(bytes, PASSPHRASE).catch((error) => expect(error).toBeInstanceOf(PkiError))
      }),
      { numRuns: 300 },
    )
  })
})
