import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assemble, issueCertificate } from '../../src/pki/certificate.ts'
import { type CrlDraft, type CrlEntry, reasonCodes, reasonName, writeCrl, writeCrlParts } from '../../src/pki/crl.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { enumerated, explicit, integer, nullValue, readTlv, seq, time } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import { OID } from '../../src/pki/oid.ts'
import { type Authority, authority, KEY_KINDS, later, leafDraft, now, openssl, pem } from '../helpers/pkiSamples.ts'

const draftOf = (ca: Authority, more: Partial<CrlDraft> = {}): CrlDraft => ({
  issuer: ca.fields.subjectDer,
  aki: ca.fields.ski ?? Buffer.alloc(0),
  number: 7,
  thisUpdate: now,
  nextUpdate: later(7),
  entries: [],
  signer: ca.signer,
  ...more,
})

const entries: CrlEntry[] = [
  { serial: '01', revokedAt: later(-3) },
  { serial: 'ff', revokedAt: later(-2), reason: reasonCodes.keyCompromise },
  { serial: '7f'.repeat(20), revokedAt: later(-1), reason: reasonCodes.certificateHold },
  { serial: 'ff'.repeat(20), revokedAt: new Date('2050-01-01T00:00:00Z'), reason: reasonCodes.aACompromise },
  { serial: '00', revokedAt: new Date('1950-01-01T00:00:00Z'), reason: 0 },
]

describe.each(KEY_KINDS)('a CRL of a %s authority', (kind) => {
  test('openssl verifies and reads it, and refuses a certificate on it', async () => {
    const ca = await authority(kind)
    const draft = leafDraft(ca)
    const leaf = await issueCertificate(draft, ca.signer)
    const crl = await writeCrl(
      draftOf(ca, { entries: [...entries, { serial: draft.serial, revokedAt: now, reason: 4 }] }),
    )
    const clean = await writeCrl(draftOf(ca, { entries }))
    const files = {
      'ca.pem': pem(ca.certificate),
      'leaf.pem': pem(leaf),
      'crl.pem': pem(crl, 'X509 CRL'),
      'clean.pem': pem(clean, 'X509 CRL'),
    }
    const text = openssl(files, ['crl', '-in', 'crl.pem', '-noout', '-text', '-verify', '-CAfile', 'ca.pem'])
    for (const line of [
      'Version 2 (0x1)',
      `Issuer: C = DE, O = Example, CN = Test ${kind}`,
      'Last Update: Jun  1 12:00:00 2026 GMT',
      'Next Update: Jun  8 12:00:00 2026 GMT',
      'X509v3 CRL Number: \n                7',
      'Serial Number: 01\n        Revocation Date: May 29 12:00:00 2026 GMT\n    Serial Number: FF\n',
      'Key Compromise',
      'Certificate Hold',
      'Jan  1 00:00:00 2050 GMT',
      'Superseded',
    ])
      expect(text).toContain(line)
    const verify = (name: string) =>
      openssl(files, [
        'verify',
        '-attime',
        String(now.getTime() / 1000 + 60),
        '-crl_check',
        '-CRLfile',
        name,
        '-CAfile',
        'ca.pem',
        'leaf.pem',
      ])
    expect(verify('clean.pem')).toBe('leaf.pem: OK\n')
    expect(() => verify('crl.pem')).toThrow(/certificate revoked/)
  })

  test('one of many parts has a good signature', async () => {
    const ca = await authority(kind)
    const many = Array.from({ length: 5_000 }, (_, n) => ({
      serial: (n + 0x10000).toString(16).padStart(40, '5a'),
      revokedAt: now,
    }))
    const parts = await writeCrlParts(draftOf(ca, { entries: many }))
    expect(parts.length).toBeGreaterThan(3)
    const read = readCrl(Buffer.concat(parts))
    expect(read.entries).toHaveLength(many.length)
    expect(verifyCrl(read, ca.fields.publicKey)).toBe(true)
  })

  test('we and @peculiar/x509 read back what we wrote', async () => {
    const ca = await authority(kind)
    const der = await writeCrl(draftOf(ca, { entries }))
    const read = readCrl(der)
    expect(read).toMatchObject({
      number: 7n,
      thisUpdate: now,
      nextUpdate: later(7),
      issuerDer: ca.fields.subjectDer,
      aki: ca.fields.ski,
    })
    // unspecified is absent, RFC 5280 section 5.3.1.
    expect(read.entries).toEqual(entries.map(({ reason, ...entry }) => (reason ? { ...entry, reason } : entry)))
    expect(verifyCrl(read, ca.fields.publicKey)).toBe(true)
    expect(
      verifyCrl(readCrl(await writeCrl(draftOf(ca))), (await authority(kind, { cn: 'Other' })).fields.publicKey),
    ).toBe(false)
    const other = new x509.X509Crl(new Uint8Array(der))
    expect(
      other.entries.map(({ serialNumber, revocationDate, reason = 0 }) => ({
        serial: serialNumber.replace(/^00(?=.)/, ''),
        revokedAt: revocationDate,
        reason,
      })),
    ).toEqual(entries.map(({ reason = 0, ...entry }) => ({ ...entry, reason })))
  })
})

describe('writeCrl', async () => {
  const ca = await authority('P-256')
  const write = (more: Partial<CrlDraft>) => writeCrl(draftOf(ca, more))

  test('without entries there is no list (RFC 5280 section 5.1.2.6)', async () => {
    const crl = readCrl(await write({}))
    expect(crl.entries).toEqual([])
    const text = openssl({ 'crl.pem': pem(crl.der, 'X509 CRL') }, ['crl', '-in', 'crl.pem', '-noout', '-text'])
    expect(text).toContain('No Revoked Certificates.')
  })

  test('a shard, and a delta', async () => {
    const idp = { urls: ['http://pki.example.com/crl/1'], onlyUserCertificates: true }
    const crl = readCrl(
      await write({
        idp,
        number: 2n ** 100n,
        deltaBase: 9,
        entries: [{ serial: '05', revokedAt: now, reason: reasonCodes.removeFromCRL }],
      }),
    )
    expect(crl).toMatchObject({ idp, number: 2n ** 100n, deltaBase: 9n, entries: [{ serial: '05', reason: 8 }] })
    const text = openssl({ 'crl.pem': pem(crl.der, 'X509 CRL') }, ['crl', '-in', 'crl.pem', '-noout', '-text'])
    expect(text).toMatch(/X509v3 Delta CRL Indicator: critical\n\s+9/)
    expect(text).toMatch(
      /X509v3 Issuing Distribution Point: critical\n\s+Full Name:\n\s+URI:http:\/\/pki.example.com\/crl\/1\s+Only User Certificates/,
    )
  })

  test('invalidityDate, alone and beside a reason (RFC 5280 section 5.3.2)', async () => {
    const invalidityDate = later(-30)
    const list: CrlEntry[] = [
      { serial: '05', revokedAt: now, reason: reasonCodes.keyCompromise, invalidityDate },
      { serial: '06', revokedAt: now, invalidityDate },
    ]
    const crl = readCrl(await write({ entries: list }))
    expect(crl.entries).toEqual(list)
    const text = openssl({ 'crl.pem': pem(crl.der, 'X509 CRL') }, ['crl', '-in', 'crl.pem', '-noout', '-text'])
    expect(text.match(/Invalidity Date: \n\s+May {2}2 12:00:00 2026 GMT/g)).toHaveLength(2)
    const [first] = new x509.X509Crl(new Uint8Array(crl.der)).entries
    expect(first?.invalidity).toEqual(invalidityDate)
  })

  test('a complete CRL says where its deltas are (RFC 5280 section 5.2.6)', async () => {
    const crl = readCrl(await write({ freshest: ['http://pki.example.com/0-delta.crl'] }))
    expect(crl.freshest).toEqual(['http://pki.example.com/0-delta.crl'])
    const text = openssl({ 'crl.pem': pem(crl.der, 'X509 CRL') }, ['crl', '-in', 'crl.pem', '-noout', '-text'])
    expect(text).toMatch(/X509v3 Freshest CRL: \n\s+Full Name:\n\s+URI:http:\/\/pki.example.com\/0-delta.crl/)
  })

  test('a number of 20 octets at most (RFC 5280 section 5.2.3)', async () => {
    expect(readCrl(await write({ number: 2n ** 159n - 1n })).number).toBe(2n ** 159n - 1n)
    await expect(write({ number: 2n ** 159n })).rejects.toThrow(PkiError)
  })

  test.each([
    ['freshestCRL in a delta', { deltaBase: 3, freshest: ['http://x/'] }],
    ['a serial that is not hex', { entries: [{ serial: 'zz', revokedAt: now }] }],
    ['a serial of 21 octets', { entries: [{ serial: '11'.repeat(21), revokedAt: now }] }],
    ['reason 7', { entries: [{ serial: '01', revokedAt: now, reason: 7 }] }],
    ['removeFromCRL in a complete CRL', { entries: [{ serial: '01', revokedAt: now, reason: 8 }] }],
    ['a negative number', { number: -1 }],
    ['an empty issuingDistributionPoint', { idp: {} }],
  ])('refuses %s', async (_, more) => {
    await expect(write(more)).rejects.toThrow(PkiError)
  })

  test('any entries come back', async () => {
    const entry = fc.record({
      serial: fc.uint8Array({ minLength: 1, maxLength: 20 }).map((octets) => {
        octets[0] ||= 1
        return Buffer.from(octets).toString('hex')
      }),
      revokedAt: fc.integer({ min: -2_000_000_000, max: 10_000_000_000 }).map((seconds) => new Date(seconds * 1000)),
      reason: fc.constantFrom(1, 2, 3, 4, 5, 6, 9, 10),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 300 }), async (list) => {
        expect(readCrl(await write({ entries: list })).entries).toEqual(list)
      }),
      { numRuns: 40 },
    )
  })

  test('a hundred thousand entries, from a generator', async () => {
    const list = function* () {
      for (let n = 0; n < 100_000; n++)
        yield { serial: (n + 0x1000000).toString(16).padStart(32, '01'), revokedAt: now, reason: n % 2 ? 4 : 0 }
    }
    const der = await write({ entries: list() })
    expect(readTlv(der).der.length).toBe(der.length)
    const { entries: read } = readCrl(der)
    expect(read).toHaveLength(100_000)
    expect(read[99_999]).toEqual({
      serial: (99_999 + 0x1000000).toString(16).padStart(32, '01'),
      revokedAt: now,
      reason: 4,
    })
  })
})

describe('readCrl refuses', async () => {
  const ca = await authority('P-256')
  const good = await writeCrl(draftOf(ca, { entries, idp: { urls: ['http://x/'] }, deltaBase: 3 }))
  const { algorithm } = ca.signer
  const crl = (...tail: Buffer[]) =>
    assemble(
      seq(integer(1), algorithm, ca.fields.subjectDer, time(now), time(now), ...tail),
      algorithm,
      Buffer.alloc(8),
    )
  const entry = (...extensions: Buffer[]) => seq(seq(integer(1), time(now), seq(...extensions)))

  test.each([
    ['bytes after the end', Buffer.concat([good, Buffer.of(0)]), 'malformed'],
    [
      'an unknown critical extension',
      crl(explicit(0, seq(encodeExtension('1.2.3', nullValue(), true)))),
      'unsupported',
    ],
    [
      'an extension twice',
      crl(explicit(0, seq(...[1, 2].map(() => encodeExtension(OID.cRLNumber, integer(1)))))),
      'malformed',
    ],
    ['an unknown critical entry extension', crl(entry(encodeExtension('1.2.3', nullValue(), true))), 'unsupported'],
    ['reason 7', crl(entry(encodeExtension(OID.reasonCode, enumerated(7)))), 'malformed'],
    ['two signature algorithms', assemble(readCrl(good).tbs, seq(), Buffer.alloc(8)), 'malformed'],
    ['a certificate', ca.certificate, 'malformed'],
  ])('%s', (_, der, kind) => {
    expect(() => readCrl(der)).toThrow(expect.objectContaining({ name: 'PkiError', kind }))
  })

  test('random bytes and mutations: PkiError or fields', () => {
    const attempt = (der: Buffer) => {
      try {
        readCrl(der)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => attempt(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, octet) => attempt(Buffer.from(good.with(at, octet)))),
      { numRuns: 3000 },
    )
  })
})

test('every reason has its number and its name back', () => {
  for (const [name, code] of Object.entries(reasonCodes)) expect(reasonName(code)).toBe(name)
  expect(reasonName(7)).toBeUndefined()
})
