import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  readBodyParts,
  readCertIdControl,
  readModifyControl,
  readOctetControl,
  readPopWitnessControl,
  readProcessedControl,
  readRevokeControl,
  readTextControl,
  readTransactionId,
  readWitness,
} from '../../src/pki/cmcControl.ts'
import { isWitness } from '../../src/pki/cmcWitness.ts'
import {
  bool,
  enumerated,
  generalizedTime,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  printable,
  readTlv,
  seq,
  utf8,
} from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { readPkiData, type TaggedAttribute } from '../../src/pki/pkiData.ts'
import { readSignedParts } from '../../src/pki/signedData.ts'
import { buildCrmf, buildPkiData, content, control, crm, signedRequest, tcr, witness } from '../helpers/cmc.ts'
import { buildCsr, ecKey, openssl } from '../helpers/csrs.ts'
import { mutations } from '../helpers/mutate.ts'

const key = ecKey()
const csr = buildCsr({ key })
const crmf = buildCrmf({ key, id: 4_294_967_295 })
const issuer = encodeName(nameOf({ O: 'Example', CN: 'CA' }))

const taggedControl = (value: Buffer, ...more: Buffer[]): TaggedAttribute => ({
  bodyPartId: 1,
  oid: '1.2.3',
  values: [value, ...more].map((der) => readTlv(der)),
})

describe('RFC 10002 section 3.2.1: PKIData', () => {
  test('controls, requests of each kind, messages within, and others', () => {
    const nested = signedRequest(buildPkiData({}), [])
    const requests = [tcr(2, csr), crm(crmf), implicit(2, Buffer.concat([integer(3), oid('1.2.3'), nullValue()]), true)]
    const data = readPkiData(
      buildPkiData({
        controls: [control(1, OID.cmcTransactionId, integer(7))],
        requests,
        contents: [content(4, nested)],
        others: [seq(integer(5), oid('1.2.3'), nullValue())],
      }),
    )
    expect(data.controls).toMatchObject([{ bodyPartId: 1, oid: OID.cmcTransactionId, values: [{ tag: 2 }] }])
    expect(data.requests).toEqual([
      { kind: 'tcr', bodyPartId: 2, der: csr },
      { kind: 'crm', bodyPartId: 4_294_967_295, der: crmf },
      { kind: 'orm', bodyPartId: 3, oid: '1.2.3' },
    ])
    expect(data.requestSequence).toEqual(seq(...requests))
    expect(data.contents).toEqual([{ bodyPartId: 4, der: nested }])
    expect(data.others).toEqual([5])
  })

  const many = (count: number) => Array.from({ length: count }, (_, i) => control(i + 1, '1.2.3', nullValue()))
  test.each<[string, Buffer, RegExp]>([
    ['the identifier 0', buildPkiData({ requests: [tcr(0, csr)] }), /bodyPartID 0/],
    ['an identifier beyond 4 octets', buildPkiData({ requests: [tcr(4_294_967_296, csr)] }), /out of range/],
    ['a negative identifier', buildPkiData({ requests: [tcr(-1, csr)] }), /out of range/],
    ['the same identifier twice', buildPkiData({ requests: [tcr(1, csr), tcr(1, csr)] }), /same bodyPartID/],
    ['over two lists', buildPkiData({ controls: many(1), requests: [tcr(1, csr)] }), /same bodyPartID/],
    ['a CRMF with the identifier 0', buildPkiData({ requests: [crm(buildCrmf({ key, id: 0 }))] }), /bodyPartID 0/],
    ['an unknown kind of request', buildPkiData({ requests: [implicit(3, integer(1), true)] }), /unknown kind/],
    ['65 controls', buildPkiData({ controls: many(65) }), /more than 64/],
    ['65 requests', buildPkiData({ requests: Array.from({ length: 65 }, (_, i) => tcr(i + 1, csr)) }), /more than 64/],
    [
      '33 messages',
      buildPkiData({ contents: Array.from({ length: 33 }, (_, i) => content(i + 1, seq())) }),
      /more than 32/,
    ],
    ['17 values', buildPkiData({ controls: [control(1, '1.2.3', ...Array(17).fill(nullValue()))] }), /more than 16/],
    ['three lists', seq(seq(), seq(), seq()), /otherMsgSequence is missing/],
    ['five lists', seq(seq(), seq(), seq(), seq(), seq()), /left over/],
    ['bytes after it', Buffer.concat([buildPkiData({}), Buffer.of(0)]), /after the end/],
  ])('%s is refused', (_, der, message) => {
    expect(() => readPkiData(der)).toThrow(message)
    expect(() => readPkiData(der)).toThrow(PkiError)
  })

  test('changes and random bytes give a PkiError or a PKIData', () => {
    const good = buildPkiData({ controls: many(2), requests: [tcr(5, csr)], contents: [content(6, seq())] })
    const attempt = (bytes: Buffer) => {
      try {
        readPkiData(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(fc.property(mutations(good), attempt), { numRuns: 1000 })
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => attempt(Buffer.from(bytes))))
  })

  test('a nesting of ten thousand levels costs nothing', () => {
    let deep: Buffer = Buffer.alloc(0)
    for (let i = 0; i < 5000; i++) deep = seq(deep)
    expect(() => readPkiData(deep)).toThrow(PkiError)
    expect(() => readSignedParts(deep)).toThrow(PkiError)
    expect(() => readSignedParts(signedRequest(buildPkiData({ contents: [content(1, deep)] }), []))).not.toThrow()
  })
})

describe('RFC 10002 section 6: values of controls', () => {
  test('section 6.11: a RevokeRequest, with all of its fields and with none that may be absent', () => {
    const since = new Date('2026-01-02T03:04:05Z')
    const full = seq(
      issuer,
      integer(0x8001),
      enumerated(1),
      generalizedTime(since),
      octets(Buffer.from('s')),
      utf8('lost'),
    )
    expect(readRevokeControl(taggedControl(full))).toMatchObject({
      serial: '8001',
      reason: 'keyCompromise',
      invalidityDate: since,
      sharedSecret: Buffer.from('s'),
      comment: 'lost',
    })
    const plain = readRevokeControl(taggedControl(seq(issuer, integer(5), enumerated(0))))
    expect(plain).toMatchObject({ serial: '05', reason: 'unspecified' })
    expect(Object.keys(plain)).toEqual(['issuer', 'serial', 'reason'])
    expect(nameText(plain.issuer)).toBe('CN=CA,O=Example')
  })

  test('sections 6.5.1, 6.8, 6.14, 6.17, 6.19: references', () => {
    expect(readBodyParts(readTlv(seq(integer(1), integer(0))))).toEqual([1, 0])
    expect(readPopWitnessControl(taggedControl(seq(integer(0), seq(integer(3)))))).toEqual({
      message: 0,
      bodyParts: [3],
    })
    const processed = taggedControl(seq(seq(integer(1), seq(integer(2), integer(3)))))
    expect(readProcessedControl(processed)).toEqual([[1], [2, 3]])
    expect(readCertIdControl(taggedControl(seq(issuer, integer(9))))).toMatchObject({ serial: '09' })
    const modify = (...replace: Buffer[]) => taggedControl(seq(seq(integer(0)), seq(integer(2)), ...replace, seq()))
    expect(readModifyControl(modify())).toMatchObject({ path: [0], requests: [2], replace: true })
    expect(readModifyControl(modify(bool(false)))).toMatchObject({ replace: false })
  })

  test('section 6.6: a transactionId comes back as it came', () => {
    const id = integer(Buffer.alloc(60, 0x7f))
    expect(readTransactionId(taggedControl(id))).toEqual(id)
  })

  test.each<[string, () => unknown]>([
    ['two values', () => readTextControl(taggedControl(utf8('a'), utf8('b')))],
    ['no value', () => readTextControl({ bodyPartId: 1, oid: '1.2.3', values: [] })],
    ['another string type', () => readTextControl(taggedControl(printable('a')))],
    ['an empty text', () => readTextControl(taggedControl(utf8('')))],
    ['a long text', () => readTextControl(taggedControl(utf8('x'.repeat(1025))))],
    ['no octets', () => readOctetControl(taggedControl(octets(Buffer.alloc(0))), 64)],
    ['too many octets', () => readOctetControl(taggedControl(octets(Buffer.alloc(65))), 64)],
    ['a long transactionId', () => readTransactionId(taggedControl(integer(Buffer.alloc(65, 1))))],
    ['an empty list', () => readBodyParts(readTlv(seq()))],
    ['an unknown reason', () => readRevokeControl(taggedControl(seq(issuer, integer(1), enumerated(7))))],
    ['a reason as INTEGER', () => readRevokeControl(taggedControl(seq(issuer, integer(1), integer(1))))],
    [
      'more in a RevokeRequest',
      () => readRevokeControl(taggedControl(seq(issuer, integer(1), enumerated(1), nullValue()))),
    ],
    [
      'fields of a RevokeRequest in another order',
      () => readRevokeControl(taggedControl(seq(issuer, integer(1), enumerated(1), utf8('c'), octets(Buffer.of(1))))),
    ],
  ])('%s is malformed', (_, read) => {
    expect(read).toThrow(expect.objectContaining({ kind: 'malformed' }))
  })
})

describe('RFC 10002 sections 6.2.1 and 6.2.3: identity by a shared secret', () => {
  const input = seq(tcr(1, csr))
  const secret = 'a shared secret of some length'
  const read = (value: Buffer) => readWitness(readTlv(value))

  test('right, and made by openssl', () => {
    const hash = openssl(['dgst', '-sha256', '-binary'], `${secret}me`).toString('hex')
    const mac = openssl(['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${hash}`, '-binary'], input)
    const value = seq(seq(oid(OID.sha256), nullValue()), seq(oid(OID.hmacWithSHA256)), octets(mac))
    expect(isWitness(read(value), { secret, identification: 'me', input })).toBe(true)
    expect(isWitness(read(value), { secret, input })).toBe(false)
    expect(value.subarray(-32)).toEqual(witness({ secret, identification: 'me', input }).subarray(-32))
  })

  test.each(['sha256', 'sha384', 'sha512'] as const)('with %s', (name) => {
    const value = read(witness({ secret, input }, { digest: name, mac: name }))
    expect(isWitness(value, { secret, input })).toBe(true)
    expect(isWitness(value, { secret: `${secret}.`, input })).toBe(false)
    expect(isWitness(value, { secret, input: seq() })).toBe(false)
  })

  test('SHA-1 is not taken, for the key or for the MAC', () => {
    for (const odd of [{ digest: 'sha1' }, { mac: 'sha1' }] as const)
      expect(() => read(witness({ secret, input }, odd))).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })
})
