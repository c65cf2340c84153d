import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bool,
  context,
  explicit,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  readTlv,
  seq,
  tlv,
  utf8,
} from '../../src/pki/der.ts'
import {
  decodeAuthorityInfoAccess,
  decodeCrlDistributionPoints,
  decodeIssuingDistributionPoint,
  encodeAuthorityInfoAccess,
  encodeCrlDistributionPoints,
  encodeIssuingDistributionPoint,
} from '../../src/pki/distribution.ts'
import { PkiError } from '../../src/pki/error.ts'
import * as ext from '../../src/pki/extensions.ts'
import { OID } from '../../src/pki/oid.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('KeyUsage', () => {
  test.each([
    [['digitalSignature'], '03 02 07 80'],
    [['keyCertSign', 'cRLSign'], '03 02 01 06'],
    [['digitalSignature', 'keyEncipherment'], '03 02 05 a0'],
    [['encipherOnly'], '03 02 00 01'],
    [['keyAgreement', 'decipherOnly'], '03 03 07 08 80'],
    [[], '03 01 00'],
  ] satisfies [ext.KeyUsage[], string][])('%j is the named BIT STRING %s', (usages, der) => {
    expect(ext.encodeKeyUsage(usages)).toEqual(hex(der))
    expect(ext.decodeKeyUsage(hex(der))).toEqual(usages)
  })

  test('any set comes back', () => {
    fc.assert(
      fc.property(fc.subarray([...ext.keyUsages]), (usages) => {
        expect(ext.decodeKeyUsage(ext.encodeKeyUsage(usages))).toEqual(usages)
      }),
    )
  })
})

test('lists and values come back', () => {
  const purposes = [OID.serverAuth, OID.clientAuth, '1.3.6.1.4.1.311.20.2.2']
  expect(ext.decodeExtendedKeyUsage(ext.encodeExtendedKeyUsage(purposes))).toEqual(purposes)
  expect(ext.decodePolicies(ext.encodePolicies(['2.5.29.32.0', '1.2.3']))).toEqual(['2.5.29.32.0', '1.2.3'])
  expect(ext.decodePolicies(seq(seq(oid('1.2.3'), seq(seq(oid(OID.cpsQualifier), utf8('x'))))))).toEqual(['1.2.3'])
  expect(ext.decodeTlsFeature(ext.encodeTlsFeature([ext.STATUS_REQUEST, 17]))).toEqual([5, 17])
  expect(ext.encodeTlsFeature([5])).toEqual(hex('30 03 02 01 05'))
  expect(ext.decodeOcspNoCheck(ext.encodeOcspNoCheck())).toBe(true)
  const id = Buffer.from('0102', 'hex')
  expect(ext.decodeSubjectKeyIdentifier(ext.encodeSubjectKeyIdentifier(id))).toEqual(id)
  expect(ext.decodeAuthorityKeyIdentifier(ext.encodeAuthorityKeyIdentifier(id))).toEqual(id)
  expect(ext.decodeAuthorityKeyIdentifier(seq(tlv(context(2, false), id)))).toBeUndefined()
  for (const value of [{ ca: false }, { ca: true }, { ca: true, pathLength: 0 }, { ca: true, pathLength: 300 }])
    expect(ext.decodeBasicConstraints(ext.encodeBasicConstraints(value))).toEqual(value)
  expect(ext.decodeBasicConstraints(hex('30 03 01 01 00'))).toEqual({ ca: false })
})

test('an extension carries its critical flag only when it is set (DER leaves a default out)', () => {
  const list = seq(ext.encodeExtension('1.2.3', nullValue(), true), ext.encodeExtension('1.2.4', nullValue()))
  expect(list).toEqual(hex('30 17 300b 06022a03 0101ff 04020500 3008 06022a04 04020500'))
  expect(ext.readExtensions(readTlv(list))).toEqual([
    { oid: '1.2.3', critical: true, value: nullValue() },
    { oid: '1.2.4', critical: false, value: nullValue() },
  ])
})

describe('distribution', () => {
  test('URLs come back, one distribution point each', () => {
    const urls = ['http://a.example/1.crl', 'http://b.example/1.crl']
    expect(decodeCrlDistributionPoints(encodeCrlDistributionPoints(urls))).toEqual(urls)
    const access = { ocsp: ['http://a.example/ocsp'], caIssuers: ['http://a.example/ca', 'ldap://b.example/ca'] }
    expect(decodeAuthorityInfoAccess(encodeAuthorityInfoAccess(access))).toEqual(access)
  })

  test('several names of one point, and points of other forms', () => {
    const uri = (text: string) => tlv(context(6, false), Buffer.from(text))
    const full = explicit(
      0,
      implicit(0, Buffer.concat([tlv(context(4), seq()), uri('ldap://x'), uri('http://x')]), true),
    )
    const relative = explicit(0, implicit(1, Buffer.alloc(0), true))
    expect(decodeCrlDistributionPoints(seq(seq(full), seq(relative)))).toEqual(['ldap://x', 'http://x'])
  })

  test('other access methods are left aside', () => {
    expect(
      decodeAuthorityInfoAccess(seq(seq(oid(OID.caRepository), tlv(context(6, false), Buffer.from('http://x'))))),
    ).toEqual({ ocsp: [], caIssuers: [] })
  })

  test.each([
    { urls: ['http://a.example/1'] },
    { urls: ['http://a.example/1'], onlyUserCertificates: true },
    { onlyCaCertificates: true, indirect: true },
    { onlySomeReasons: [1, 2, 8] },
  ])('IssuingDistributionPoint %j comes back', (idp) => {
    expect(decodeIssuingDistributionPoint(encodeIssuingDistributionPoint(idp))).toEqual(idp)
  })

  test.each([{}, { urls: [] }, { onlyUserCertificates: true, onlyCaCertificates: true }])(
    'an IssuingDistributionPoint %j is refused',
    (idp) => {
      expect(() => encodeIssuingDistributionPoint(idp)).toThrow(PkiError)
    },
  )
})

const decoders = {
  decodeKeyUsage: ext.decodeKeyUsage,
  decodeExtendedKeyUsage: ext.decodeExtendedKeyUsage,
  decodeBasicConstraints: ext.decodeBasicConstraints,
  decodeSubjectKeyIdentifier: ext.decodeSubjectKeyIdentifier,
  decodeAuthorityKeyIdentifier: ext.decodeAuthorityKeyIdentifier,
  decodePolicies: ext.decodePolicies,
  decodeTlsFeature: ext.decodeTlsFeature,
  decodeOcspNoCheck: ext.decodeOcspNoCheck,
  decodeCrlNumber: ext.decodeCrlNumber,
  readExtensions: (value: Buffer) => ext.readExtensions(readTlv(value)),
  decodeCrlDistributionPoints,
  decodeAuthorityInfoAccess,
  decodeIssuingDistributionPoint,
}

test.each([
  ['decodeKeyUsage', '03 04 00 80 80 80'],
  ['decodeKeyUsage', '04 02 07 80'],
  ['decodeExtendedKeyUsage', '30 00'],
  ['decodePolicies', '30 00'],
  ['decodePolicies', '30 02 30 00'],
  ['decodeBasicConstraints', '30 03 02 01 ff'],
  ['decodeBasicConstraints', '30 06 02 01 01 02 01 01'],
  ['decodeBasicConstraints', '30 03 01 01 01'],
  ['decodeOcspNoCheck', '05 01 00'],
  ['decodeCrlNumber', '02 01 ff'],
  ['readExtensions', '30 04 30 02 06 00'],
  ['readExtensions', '30 06 30 04 06 02 2a 03'],
  ['decodeCrlDistributionPoints', '30 00'],
  ['decodeCrlDistributionPoints', '30 02 30 00'],
  ['decodeAuthorityInfoAccess', '30 02 30 00'],
  ['decodeIssuingDistributionPoint', '30 02 89 00'],
] satisfies [keyof typeof decoders, string][])('%s refuses %s', (name, der) => {
  expect(() => decoders[name](hex(der))).toThrow(PkiError)
})

test('decodeCrlNumber refuses more than 20 octets (RFC 5280 section 5.2.3)', () => {
  expect(ext.decodeCrlNumber(integer(2n ** 159n - 1n))).toBe(2n ** 159n - 1n)
  expect(() => ext.decodeCrlNumber(integer(2n ** 159n))).toThrow(PkiError)
})

const samples = [
  ext.encodeKeyUsage(['keyAgreement', 'decipherOnly']),
  ext.encodeExtendedKeyUsage([OID.serverAuth]),
  ext.encodeBasicConstraints({ ca: true, pathLength: 3 }),
  seq(ext.encodeExtension('1.2.3', octets(bool(true)), true)),
  ext.encodePolicies(['1.2.3']),
  encodeCrlDistributionPoints(['http://x/']),
  encodeAuthorityInfoAccess({ ocsp: ['http://x/'], caIssuers: ['http://y/'] }),
  encodeIssuingDistributionPoint({ urls: ['http://x/'], onlyUserCertificates: true, onlySomeReasons: [1] }),
]

test.each(Object.entries(decoders))('%s: random and mutated bytes give PkiError or a value', (_, decode) => {
  const attempt = (bytes: Buffer) => {
    try {
      decode(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(PkiError)
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => attempt(Buffer.from(bytes))),
    { numRuns: 200 },
  )
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(255), (sample, at, octet) =>
      attempt(Buffer.from(sample.with(at % sample.length, octet))),
    ),
    { numRuns: 500 },
  )
})
