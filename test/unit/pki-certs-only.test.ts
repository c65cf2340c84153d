import fc from 'fast-check'
import { ContentInfo, SignedData } from 'pkijs'
import { beforeAll, describe, expect, test } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertsOnly, writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { explicit, implicit, integer, nullValue, octets, oid, seq, set } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { asBer } from '../helpers/ber.ts'
import { type Authority, authority, leafDraft, openssl, pem } from '../helpers/pkiSamples.ts'

let root: Authority
let leaf: Buffer
let crl: Buffer

beforeAll(async () => {
  root = await authority('P-256')
  leaf = await issueCertificate(leafDraft(root), root.signer)
  // Only its outside matters here.
  crl = seq(seq(integer(1)), seq(), octets(Buffer.alloc(200)))
})

const fingerprints = (text: string) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g)

describe('writeCertsOnly', () => {
  test('the bytes of RFC 8894 section 3.4: version 1, no digests, no content, an empty SET of signers', () => {
    const none = seq(oid(OID.signedData), explicit(0, seq(integer(1), set(), seq(oid(OID.data)), set())))
    expect(writeCertsOnly([])).toEqual(none)
    const full = seq(
      oid(OID.signedData),
      explicit(0, seq(integer(1), set(), seq(oid(OID.data)), implicit(0, leaf, true), implicit(1, crl, true), set())),
    )
    expect(writeCertsOnly([leaf], [crl])).toEqual(full)
  })

  test('openssl reads the certificates in our order, leaf first', () => {
    const files = { 'chain.p7c': writeCertsOnly([leaf, root.certificate]) }
    const text = openssl(files, ['pkcs7', '-inform', 'DER', '-in', 'chain.p7c', '-print_certs'])
    expect(fingerprints(text)).toEqual([pem(leaf), pem(root.certificate)])
    const other = { 'chain.p7c': writeCertsOnly([root.certificate, leaf]) }
    const reversed = openssl(other, ['pkcs7', '-inform', 'DER', '-in', 'chain.p7c', '-print_certs'])
    expect(fingerprints(reversed)).toEqual([pem(root.certificate), pem(leaf)])
  })

  test('pkijs reads it', () => {
    const info = ContentInfo.fromBER(writeCertsOnly([leaf, root.certificate]))
    const signedData = new SignedData({ schema: info.content })
    expect(signedData).toMatchObject({ version: 1, signerInfos: [] })
    expect(signedData.encapContentInfo.eContent).toBeUndefined()
    expect(signedData.certificates).toHaveLength(2)
  })

  test('refuses a member that is no DER SEQUENCE', () => {
    expect(() => writeCertsOnly([Buffer.from('garbage')])).toThrow(expect.objectContaining({ kind: 'malformed' }))
    expect(() => writeCertsOnly([leaf], [octets(leaf)])).toThrow(expect.objectContaining({ kind: 'malformed' }))
    expect(() => writeCertsOnly([Buffer.concat([leaf, leaf])])).toThrow(expect.objectContaining({ kind: 'malformed' }))
  })
})

describe('readCertsOnly', () => {
  test('gives back what was written, also from BER', () => {
    const message = writeCertsOnly([leaf, root.certificate], [crl])
    const members = { certificates: [leaf, root.certificate], crls: [crl] }
    expect(readCertsOnly(message)).toEqual(members)
    expect(readCertsOnly(writeCertsOnly([]))).toEqual({ certificates: [], crls: [] })
    expect(readCertsOnly(asBer(message, { open: true, lengthOctets: 4, piece: 0 }))).toEqual(members)
  })

  test('reads what openssl writes', () => {
    const files = { 'leaf.pem': pem(leaf), 'root.pem': pem(root.certificate) }
    const text = openssl(files, ['crl2pkcs7', '-nocrl', '-certfile', 'leaf.pem', '-certfile', 'root.pem'])
    const der = Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
    expect(readCertsOnly(der)).toEqual({ certificates: [leaf, root.certificate], crls: [] })
  })

  const signedData = (...parts: Buffer[]) => seq(oid(OID.signedData), explicit(0, seq(...parts)))
  const data = seq(oid(OID.data))
  test.each([
    ['no SignedData', seq(oid(OID.data), explicit(0, octets(Buffer.alloc(1)))), 'malformed'],
    ['a signature', signedData(integer(1), set(), data, set(seq(integer(1)))), 'malformed'],
    ['no SET of signers', signedData(integer(1), set(), data), 'malformed'],
    ['something after the signers', signedData(integer(1), set(), data, set(), set()), 'malformed'],
    ['something after the SignedData', seq(oid(OID.signedData), explicit(0, seq()), nullValue()), 'malformed'],
    [
      'content',
      signedData(integer(1), set(), seq(oid(OID.data), explicit(0, octets(Buffer.alloc(1)))), set()),
      'malformed',
    ],
    [
      'an attribute certificate',
      signedData(integer(3), set(), data, implicit(0, implicit(1, seq()), true), set()),
      'unsupported',
    ],
    [
      'a revocation list of another kind',
      signedData(integer(5), set(), data, implicit(1, implicit(1, seq(), true), true), set()),
      'unsupported',
    ],
    [
      'the fields in another order',
      signedData(integer(1), set(), data, implicit(1, seq(), true), implicit(0, seq(), true), set()),
      'malformed',
    ],
  ])('refuses %s', (_, der, kind) => {
    expect(() => readCertsOnly(der)).toThrow(expect.objectContaining({ name: 'PkiError', kind }))
  })

  test('an empty content is none', () => {
    const empty = seq(oid(OID.data), explicit(0, octets(Buffer.alloc(0))))
    expect(readCertsOnly(signedData(integer(1), set(), empty, set()))).toEqual({ certificates: [], crls: [] })
  })

  test('random bytes and mutations: PkiError or buffers', () => {
    const good = writeCertsOnly([leaf], [crl])
    const attempt = (der: Buffer) => {
      try {
        expect(readCertsOnly(der).certificates.length).toBeGreaterThanOrEqual(0)
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
