import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assemble, encodeTbs, issueCertificate } from '../../src/pki/certificate.ts'
import { fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { explicit, integer, octets, seq } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { schemes } from '../../src/pki/signatureAlgorithm.ts'
import { authority, KEY_KINDS, keyPair, later, leafDraft, now, openssl, pem } from '../helpers/pkiSamples.ts'

const identifiers: Identifier[] = [
  { type: 'dns', value: 'www.example.com' },
  { type: 'dns', value: '*.example.com' },
  { type: 'ip', value: '192.0.2.7' },
  { type: 'ip', value: '2001:db8::7' },
  { type: 'email', value: 'ops@example.com' },
  { type: 'uri', value: 'spiffe://example.com/ops' },
]

describe.each(KEY_KINDS)('a certificate of a %s authority', (kind) => {
  test('openssl verifies it strictly and reads every field', async () => {
    const ca = await authority(kind)
    const leaf = await issueCertificate(
      leafDraft(ca, {
        serial: 'f00000000000000000000000000000000000000a',
        identifiers,
        type: 'dual_purpose',
        extendedKeyUsage: [OID.serverAuth, OID.clientAuth],
        mustStaple: true,
        policies: ['2.23.140.1.2.1', '1.3.6.1.4.1.99999.1'],
      }),
      ca.signer,
    )
    const files = { 'ca.pem': pem(ca.certificate), 'leaf.pem': pem(leaf) }
    const at = String(now.getTime() / 1000)
    expect(
      openssl(files, [
        'verify',
        '-x509_strict',
        '-attime',
        at,
        '-purpose',
        'sslserver',
        '-CAfile',
        'ca.pem',
        'leaf.pem',
      ]),
    ).toBe('leaf.pem: OK\n')
    const text = openssl(files, ['x509', '-in', 'leaf.pem', '-noout', '-text', '-nameopt', 'RFC2253'])
    for (const line of [
      'Version: 3 (0x2)',
      'f0:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:0a',
      `Issuer: CN=Test ${kind},O=Example,C=DE`,
      'Not Before: May 31 12:00:00 2026 GMT',
      'Not After : Aug 29 12:00:00 2026 GMT',
      'X509v3 Basic Constraints: critical\n                CA:FALSE',
      'X509v3 Key Usage: critical\n                Digital Signature\n',
      'TLS Web Server Authentication, TLS Web Client Authentication',
      'OCSP - URI:http://pki.example.com/ocsp',
      'CA Issuers - URI:http://pki.example.com/ca.cer',
      'URI:http://pki.example.com/crl/1',
      'Policy: 2.23.140.1.2.1',
      'Policy: 1.3.6.1.4.1.99999.1',
      'TLS Feature: \n                status_request',
      'X509v3 Subject Alternative Name: \n                DNS:www.example.com, DNS:*.example.com, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, email:ops@example.com, URI:spiffe://example.com/ops',
    ])
      expect(text).toContain(line)
  })

  test('@peculiar/x509 reads the same and verifies the signature', async () => {
    const ca = await authority(kind)
    const draft = leafDraft(ca, { identifiers })
    const der = await issueCertificate(draft, ca.signer)
    const read = new x509.X509Certificate(new Uint8Array(der))
    // Node 20's WebCrypto is the verifier here.
    expect(
      await read.verify({ publicKey: new x509.PublicKey(new Uint8Array(ca.fields.spki)), signatureOnly: true }),
    ).toBe(true)
    expect(read.serialNumber).toBe(draft.serial)
    expect(read.notBefore).toEqual(draft.notBefore)
    expect(read.notAfter).toEqual(draft.notAfter)
    expect(read.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId).toBe(
      keyIdentifier({ spki: publicKeyFrom(keyPair('P-256', 'leaf').publicKey).spki }).toString('hex'),
    )
    expect(read.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(ca.fields.ski?.toString('hex'))
    expect(read.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON()).toEqual(
      identifiers.map(({ type, value }) => ({ type: type === 'uri' ? 'url' : type, value })),
    )
  })

  test('we read back what we wrote', async () => {
    const ca = await authority(kind)
    const draft = leafDraft(ca, { identifiers, policies: ['1.2.3'] })
    const fields = readCertificate(await issueCertificate(draft, ca.signer))
    expect(fields).toMatchObject({
      serial: draft.serial,
      issuer: ca.name,
      subject: draft.subject,
      notBefore: draft.notBefore,
      notAfter: draft.notAfter,
      identifiers,
      isCa: false,
      keyUsage: draft.keyUsage,
      extendedKeyUsage: draft.extendedKeyUsage,
      crlUrls: draft.crlUrls,
      ocspUrls: draft.ocspUrls,
      issuerUrls: draft.issuerUrls,
      signatureAlgorithm: ca.signer.algorithm,
    })
    expect(fields.aki).toEqual(ca.fields.ski)
    expect(fields.publicKey.algorithm).toBe('EC')
  })
})

describe('encodeTbs', () => {
  const draft = leafDraft(undefined, { issuer: nameOf({ CN: 'CA' }) })
  const algorithm = schemes['ecdsa-with-SHA256'].algorithm
  const read = (more: Partial<typeof draft>) =>
    readCertificate(assemble(encodeTbs({ ...draft, ...more }, algorithm), algorithm, Buffer.alloc(1)))
  const extension = (fields: ReturnType<typeof read>, oid: string) => fields.extensions.find((one) => one.oid === oid)

  test('subjectAltName is critical exactly when the subject is empty (RFC 5280 section 4.2.1.6)', () => {
    expect(extension(read({}), OID.subjectAltName)?.critical).toBe(false)
    expect(extension(read({ subject: [] }), OID.subjectAltName)?.critical).toBe(true)
  })

  test('basicConstraints is critical and empty in a leaf, with the path length in a CA', () => {
    expect(extension(read({}), OID.basicConstraints)).toMatchObject({
      critical: true,
      value: Buffer.from('3000', 'hex'),
    })
    expect(read({ type: 'ca', pathLength: 0 })).toMatchObject({ isCa: true, pathLength: 0 })
    expect(read({ type: 'ca' })).not.toHaveProperty('pathLength')
  })

  test('years to 2049 are UTCTime, later ones GeneralizedTime (RFC 5280 section 4.1.2.5)', () => {
    const tbs = encodeTbs(
      { ...draft, notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('9999-12-31T23:59:59Z') },
      algorithm,
    )
    expect(tbs.includes(Buffer.from('\x17\x0d491231235959Z\x18\x0f99991231235959Z', 'latin1'))).toBe(true)
  })

  test('two drafts that differ in one repeated part do not share its encoding', () => {
    expect(read({ crlUrls: ['http://a/1'] }).crlUrls).toEqual(['http://a/1'])
    expect(read({ crlUrls: ['http://a/2'] }).crlUrls).toEqual(['http://a/2'])
    expect(read({ crlUrls: [], ocspUrls: ['http://a/2'] })).toMatchObject({ crlUrls: [], ocspUrls: ['http://a/2'] })
    expect(read({ type: 'ca' }).isCa).toBe(true)
    expect(read({}).isCa).toBe(false)
    expect(extension(read({ ocspNoCheck: true }), OID.ocspNoCheck)).toBeDefined()
    expect(extension(read({ mustStaple: true }), OID.ocspNoCheck)).toBeUndefined()
  })

  test('empty lists leave no empty extensions', () => {
    const fields = read({
      crlUrls: [],
      ocspUrls: [],
      issuerUrls: [],
      policies: [],
      extendedKeyUsage: [],
      keyUsage: [],
      identifiers: [],
    })
    expect(fields.extensions.map(({ oid }) => oid)).toEqual([OID.basicConstraints, OID.subjectKeyIdentifier])
  })

  test.each(['', '0', 'xyz', '00ff', 'f'.repeat(42), '-1', '0x12'])('refuses the serial %j', (serial) => {
    expect(() => encodeTbs({ ...draft, serial }, algorithm)).toThrow(PkiError)
  })

  test.each([
    ['a URL outside ASCII', { crlUrls: ['http://exämple/'] }],
    ['an OID that is none', { policies: ['1.2.x'] }],
    ['an address that is none', { identifiers: [{ type: 'ip' as const, value: '1.2.3' }] }],
  ])('refuses %s', (_, more) => {
    expect(() => encodeTbs({ ...draft, ...more }, algorithm)).toThrow(PkiError)
  })

  test('any serial of up to 20 octets comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (octets) => {
        octets[0] ||= 1
        const serial = Buffer.from(octets).toString('hex')
        expect(read({ serial }).serial).toBe(serial)
      }),
    )
  })
})

describe('readCertificate refuses', () => {
  const algorithm = schemes['ecdsa-with-SHA256'].algorithm
  const draft = leafDraft(undefined, { issuer: nameOf({ CN: 'CA' }) })
  const tbs = encodeTbs(draft, algorithm)
  const good = assemble(tbs, algorithm, Buffer.alloc(64))
  const spki = publicKeyFrom(keyPair('P-256', 'leaf').publicKey).spki
  const name = encodeName(nameOf({ CN: 'x' }))
  const times = seq(Buffer.from('\x17\x0d260101000000Z', 'latin1'), Buffer.from('\x17\x0d270101000000Z', 'latin1'))
  const certificate = (...tail: Buffer[]) =>
    assemble(
      seq(explicit(0, integer(2)), integer(5), algorithm, name, times, name, spki, ...tail),
      algorithm,
      Buffer.alloc(8),
    )

  test('nothing of a good one', () => {
    expect(readCertificate(good).tbs).toEqual(tbs)
    expect(readCertificate(certificate()).extensions).toEqual([])
    expect(fingerprint(good)).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each([
    ['bytes after the end', Buffer.concat([good, Buffer.of(0)])],
    ['a cut certificate', good.subarray(0, -1)],
    ['two different signature algorithms', assemble(tbs, schemes['ecdsa-with-SHA384'].algorithm, Buffer.alloc(8))],
    [
      'an extension twice',
      certificate(explicit(3, seq(...[1, 2].map(() => encodeExtension(OID.keyUsage, Buffer.from('03020780', 'hex')))))),
    ],
    [
      'a broken extension',
      certificate(explicit(3, seq(encodeExtension(OID.basicConstraints, octets(Buffer.alloc(1)))))),
    ],
    ['fields out of order', certificate(explicit(3, seq()), explicit(3, seq()))],
    [
      'extensions in version 1',
      assemble(seq(integer(5), algorithm, name, times, name, spki, explicit(3, seq())), algorithm, Buffer.alloc(8)),
    ],
    [
      'a version 4',
      assemble(
        seq(explicit(0, integer(3)), integer(5), algorithm, name, times, name, spki),
        algorithm,
        Buffer.alloc(8),
      ),
    ],
    [
      'a negative serial',
      assemble(
        seq(explicit(0, integer(2)), integer(-5), algorithm, name, times, name, spki),
        algorithm,
        Buffer.alloc(8),
      ),
    ],
    ['nothing', Buffer.alloc(0)],
  ])('%s', (_, der) => {
    expect(() => readCertificate(der)).toThrow(PkiError)
  })

  test('random bytes and mutations: PkiError or fields, never another exception', () => {
    const attempt = (der: Buffer) => {
      try {
        void readCertificate(der).publicKey
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const mutant = Buffer.from(good)
          for (const [at, octet] of changes) mutant[at] = octet
          attempt(mutant)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('every octet counts: each single change is refused or read differently', async () => {
    const ca = await authority('P-256')
    const der = await issueCertificate(leafDraft(ca, { notBefore: later(0) }), ca.signer)
    for (let at = 0; at < der.length; at++) {
      const mutant = Buffer.from(der)
      mutant[at] = (mutant[at] ?? 0) ^ 1
      expect(fingerprint(mutant)).not.toBe(fingerprint(der))
      try {
        expect(readCertificate(mutant).der).toEqual(mutant)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
  })
})
