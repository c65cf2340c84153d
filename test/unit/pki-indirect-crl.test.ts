import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { type CrlEntry, encodeCrlEntry, RevokedCertificates, reasonCodes, writeCrl } from '../../src/pki/crl.ts'
import { type CrlFields, readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { nullValue, octets, seq } from '../../src/pki/der.ts'
import {
  decodeCrlDistributionPoints,
  decodeCrlIssuers,
  encodeCrlDistributionPoints,
  encodeDirectoryNames,
} from '../../src/pki/distribution.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { type Authority, authority, later, leafDraft, now, openssl, pem } from '../helpers/pkiSamples.ts'

const url = 'http://ca.test/crl/lists/3/indirect.crl'
const idp = { urls: [url], indirect: true }
const names = ['CN=One', 'CN=Two', 'CN=Three'].map((text) => encodeName(nameOf({ CN: text.slice(3) })))
const namesOf = (n: number) => encodeDirectoryNames(names[n] ?? Buffer.alloc(0))

const written = (ca: Authority, entries: Iterable<CrlEntry> | RevokedCertificates, more = {}) =>
  writeCrl({
    issuer: ca.fields.subjectDer,
    aki: ca.fields.ski ?? Buffer.alloc(0),
    number: 7,
    thisUpdate: now,
    nextUpdate: later(7),
    entries,
    idp,
    signer: ca.signer,
    ...more,
  })

/** Who issued what each entry revokes, as RFC 5280 section 5.3.3 has it. */
function issuersOf({ entries, issuerDer }: CrlFields): Buffer[] {
  let issuer = encodeDirectoryNames(issuerDer)
  return entries.map(({ certificateIssuer }) => {
    issuer = certificateIssuer ?? issuer
    return issuer
  })
}

describe('an indirect CRL', () => {
  test('openssl says that it is one and whose the entries are', async () => {
    const [lists, ca] = [await authority('P-256'), await authority('P-384')]
    const draft = { ...leafDraft(ca), crlUrls: [url], crlIssuer: lists.fields.subjectDer }
    const certificate = await issueCertificate(draft, ca.signer)
    const of = encodeDirectoryNames(ca.fields.subjectDer)
    const crl = await written(lists, [{ serial: draft.serial, revokedAt: now, reason: 4, certificateIssuer: of }])
    const files = {
      'lists.pem': pem(lists.certificate),
      'leaf.pem': pem(certificate),
      'crl.pem': pem(crl, 'X509 CRL'),
    }
    const text = openssl(files, ['crl', '-in', 'crl.pem', '-noout', '-text', '-verify', '-CAfile', 'lists.pem'])
    expect(text).toMatch(
      /Issuing Distribution Point: critical\n\s+Full Name:\n\s+URI:http:.*indirect\.crl\s+Indirect CRL/,
    )
    expect(text).toMatch(/Certificate Issuer: critical\n\s+DirName:\/C=DE\/O=Example\/CN=Test P-384/)
    expect(openssl(files, ['x509', '-in', 'leaf.pem', '-noout', '-text'])).toMatch(
      /CRL Issuer:\n\s+DirName:.*Test P-256/,
    )
  })

  test('the issuer is told at the first entry of each run, whether entries come encoded or not', async () => {
    const lists = await authority('P-256')
    const of = fc.record({
      issuer: fc.integer({ min: 0, max: 2 }),
      encoded: fc.boolean(),
      entries: fc.array(
        fc.record({
          serial: fc.bigInt({ min: 1n, max: 2n ** 159n - 1n }),
          reason: fc.constantFrom(undefined, reasonCodes.superseded, reasonCodes.certificateHold),
          invalid: fc.boolean(),
        }),
        { maxLength: 4 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(of, { maxLength: 6 }), async (runs) => {
        const revoked = new RevokedCertificates({ delta: false })
        const expected: [string, string][] = []
        for (const { issuer, encoded, entries } of runs) {
          revoked.from(namesOf(issuer))
          const drafts = entries.map(({ serial, reason, invalid }): CrlEntry => {
            const hex = serial.toString(16)
            const text = hex.length % 2 ? `0${hex}` : hex
            expected.push([text, namesOf(issuer).toString('hex')])
            return {
              serial: text,
              revokedAt: now,
              ...(reason === undefined ? {} : { reason }),
              ...(invalid ? { invalidityDate: later(-1) } : {}),
            }
          })
          if (encoded) revoked.addEncoded(Buffer.concat(drafts.map(encodeCrlEntry)), drafts.length)
          else for (const draft of drafts) revoked.add(draft)
        }
        const crl = readCrl(await written(lists, revoked))
        const issuers = issuersOf(crl)
        expect(crl.entries.map(({ serial }, at) => [serial, issuers[at]?.toString('hex')])).toEqual(expected)
        const told = crl.entries.filter(({ certificateIssuer }) => certificateIssuer)
        const changes = expected.filter(([, issuer], at) => issuer !== expected[at - 1]?.[1])
        expect(told).toHaveLength(changes.length)
        expect(verifyCrl(crl, lists.fields.publicKey)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('a long run of encoded entries is a part of its own, and the first of them still says whose it is', async () => {
    const lists = await authority('P-256')
    const many = Array.from({ length: 3_000 }, (_, n) =>
      encodeCrlEntry({ serial: (0x1000 + n).toString(16), revokedAt: now }),
    )
    const revoked = new RevokedCertificates({ delta: false })
    revoked.from(namesOf(0))
    revoked.addEncoded(Buffer.concat(many), many.length)
    revoked.from(namesOf(1))
    revoked.addEncoded(Buffer.concat(many), many.length)
    expect(revoked.count).toBe(6_000)
    const crl = readCrl(await written(lists, revoked))
    const issuers = issuersOf(crl)
    expect([issuers[0], issuers[2_999], issuers[3_000], issuers[5_999]]).toEqual([0, 0, 1, 1].map(namesOf))
    expect(verifyCrl(crl, lists.fields.publicKey)).toBe(true)
  })

  test('removeFromCRL of another issuer, in a delta', async () => {
    const lists = await authority('P-256')
    const revoked = new RevokedCertificates({ delta: true })
    revoked.from(namesOf(2))
    revoked.add({ serial: '05', revokedAt: now, reason: reasonCodes.removeFromCRL })
    const crl = readCrl(await written(lists, revoked, { deltaBase: 3 }))
    expect(crl).toMatchObject({ idp, deltaBase: 3n })
    expect(crl.entries).toEqual([
      { serial: '05', revokedAt: now, reason: reasonCodes.removeFromCRL, certificateIssuer: namesOf(2) },
    ])
  })

  test.each([
    ['certificateIssuer where the CRL is not indirect', { idp: { urls: [url] } }, namesOf(0)],
    ['certificateIssuer in a CRL without an IDP', { idp: undefined }, namesOf(0)],
    ['certificateIssuer without a name', {}, seq()],
    ['certificateIssuer that is no list of names', {}, nullValue()],
    ['certificateIssuer with something left over', {}, Buffer.concat([namesOf(0), octets(Buffer.alloc(1))])],
  ])('%s is malformed', async (_, more, certificateIssuer) => {
    const lists = await authority('P-256')
    const crl = await written(lists, [{ serial: '05', revokedAt: now, certificateIssuer }], more)
    expect(() => readCrl(crl)).toThrow(PkiError)
  })

  test('mutated: PkiError or fields', async () => {
    const lists = await authority('P-256')
    const crl = await written(lists, [{ serial: '05', revokedAt: now, certificateIssuer: namesOf(1) }])
    fc.assert(
      fc.property(fc.nat(crl.length - 1), fc.integer({ min: 0, max: 255 }), (at, octet) => {
        const bytes = Buffer.from(crl)
        bytes[at] = octet
        try {
          readCrl(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError)
        }
      }),
    )
  })
})

describe('a distribution point with cRLIssuer', () => {
  test('names the URL and who issues the CRL', async () => {
    const ca = await authority('P-256')
    const draft = {
      ...leafDraft(ca),
      crlUrls: [url],
      freshestUrls: [`${url}2`],
      crlIssuer: names[0] ?? Buffer.alloc(0),
    }
    const { extensions, crlUrls } = readCertificate(await issueCertificate(draft, ca.signer))
    const extension = (id: string) => extensions.find(({ oid }) => oid === id)?.value ?? Buffer.alloc(0)
    expect(crlUrls).toEqual([url])
    expect(decodeCrlIssuers(extension(OID.cRLDistributionPoints))).toEqual([names[0]])
    expect(decodeCrlIssuers(extension(OID.freshestCRL))).toEqual([names[0]])
    // What is repeated is kept, by the CRL issuer too.
    const { crlIssuer: _, ...own } = draft
    const without = readCertificate(await issueCertificate(own, ca.signer)).extensions
    expect(
      decodeCrlIssuers(without.find(({ oid }) => oid === OID.cRLDistributionPoints)?.value ?? Buffer.alloc(0)),
    ).toEqual([])
  })

  test('random bytes: PkiError or names', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), fc.nat(255), (bytes, at, octet) => {
        const good = encodeCrlDistributionPoints([url], names[1])
        good[at % good.length] = octet
        for (const value of [Buffer.from(bytes), good]) {
          for (const decode of [decodeCrlIssuers, decodeCrlDistributionPoints]) {
            try {
              decode(value)
            } catch (error) {
              expect(error).toBeInstanceOf(PkiError)
            }
          }
        }
      }),
    )
  })
})
