import { createPublicKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { clientPathFinder, findClientPath } from '../../src/pki/path.ts'
import { readPublicKey } from '../../src/pki/publicKey.ts'
import { schemes } from '../../src/pki/signatureAlgorithm.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'

const now = new Date()
const day = 86_400_000

/** Of such a size, with an exponent as large as OpenSSL takes; nobody knows the private key. */
function rsaOf(bits: number) {
  const number = (octets: number) => {
    const value = randomBytes(octets)
    value.writeUInt8(0xff, 0)
    value.writeUInt8(0xff, octets - 1)
    return value.toString('base64url')
  }
  const key = createPublicKey({ key: { kty: 'RSA', n: number(bits / 8), e: number(8) }, format: 'jwk' })
  return readPublicKey(key.export({ format: 'der', type: 'spki' }))
}

describe('the path from a client certificate to a trust anchor (RFC 5280 section 6.1)', () => {
  let root: ForeignCa
  let stranger: ForeignCa

  beforeAll(async () => {
    root = await foreignCa(now, { name: 'Root' })
    stranger = await foreignCa(now, { name: 'Stranger' })
  })

  type Draft = Parameters<ForeignCa['issue']>[0]

  /** A CA below another one. */
  async function below(ca: ForeignCa, name: string, more: Draft = {}): Promise<{ ca: ForeignCa; der: Buffer }> {
    const own = await foreignCa(now, { name })
    const { der } = await ca.issue({
      subject: nameOf({ CN: name }),
      publicKey: own.signer.publicKey,
      type: 'ca',
      keyUsage: ['keyCertSign'],
      ...more,
    })
    return { ca: own, der }
  }
  const leafOf = async (ca: ForeignCa, draft: Draft = {}) => readCertificate((await ca.issue(draft)).der)
  const find = (leaf: CertificateFields, others: Buffer[] = [], at = now) =>
    findClientPath(leaf, { others, anchors: [root.fields], at })
  const names = (answer: ReturnType<typeof find>) =>
    'path' in answer ? answer.path.map(({ subject }) => subject[0]?.[0]?.value) : answer.problem

  it('goes straight to the anchor', async () => {
    expect(names(find(await leafOf(root)))).toEqual(['somebody', 'Root'])
  })

  it('goes through those between, in whatever order they came, and leaves rubbish aside', async () => {
    const one = await below(root, 'One')
    const two = await below(one.ca, 'Two')
    const leaf = await leafOf(two.ca)
    const others = [Buffer.from('rubbish'), two.der, stranger.fields.der, one.der]
    expect(names(find(leaf, others))).toEqual(['somebody', 'Two', 'One', 'Root'])
    expect(names(find(leaf, others.toReversed()))).toEqual(['somebody', 'Two', 'One', 'Root'])
    expect(names(find(leaf, [two.der]))).toMatch(/not issued by an authority that is trusted/)
  })

  it('an anchor may stand between, and is trusted for itself', async () => {
    const one = await below(root, 'One')
    const leaf = await leafOf(one.ca)
    expect(names(findClientPath(leaf, { others: [], anchors: [readCertificate(one.der)], at: now }))).toEqual([
      'somebody',
      'One',
    ])
  })

  const refused: [string, () => Promise<ReturnType<typeof find>>, RegExp][] = [
    ['a stranger', async () => find(await leafOf(stranger)), /not issued/],
    [
      'the name of the anchor under another key',
      async () => find(await leafOf(await foreignCa(now, { name: 'Root' }))),
      /not issued/,
    ],
    [
      'one that has expired',
      async () => find(await leafOf(root), [], new Date(now.getTime() + 91 * day)),
      /the certificate has expired/,
    ],
    [
      'one that is not valid yet',
      async () => find(await leafOf(root), [], new Date(now.getTime() - day)),
      /not valid yet/,
    ],
    [
      'an expired one between',
      async () => {
        const one = await below(root, 'One', { notAfter: new Date(now.getTime() - 1) })
        return find(await leafOf(one.ca), [one.der])
      },
      /a certificate above it has expired/,
    ],
    [
      'one that is no CA between',
      async () => {
        const one = await below(root, 'One', { type: 'client', keyUsage: ['digitalSignature'] })
        return find(await leafOf(one.ca), [one.der])
      },
      /not issued/,
    ],
    [
      'a CA that may not sign certificates between',
      async () => {
        const one = await below(root, 'One', { keyUsage: ['cRLSign'] })
        return find(await leafOf(one.ca), [one.der])
      },
      /not issued/,
    ],
    [
      'a path longer than allowed',
      async () => {
        const one = await below(root, 'One', { pathLength: 0 })
        const two = await below(one.ca, 'Two')
        return find(await leafOf(two.ca), [one.der, two.der])
      },
      /longer than/,
    ],
    [
      'a name outside the constraints',
      async () => {
        const permitted = [{ type: 'dns' as const, value: 'inside.example' }]
        const one = await below(root, 'One', { nameConstraints: { permitted, excluded: [] } })
        return find(await leafOf(one.ca, { identifiers: [{ type: 'dns', value: 'outside.example' }] }), [one.der])
      },
      /outside what a certificate above it allows/,
    ],
    [
      'one for servers only',
      async () => find(await leafOf(root, { extendedKeyUsage: [OID.serverAuth] })),
      /not for TLS clients/,
    ],
    [
      'a CA for servers only between',
      async () => {
        const one = await below(root, 'One', { extendedKeyUsage: [OID.serverAuth] })
        return find(await leafOf(one.ca), [one.der])
      },
      /a certificate above it is not for TLS clients/,
    ],
    [
      'one whose key may not sign',
      async () => find(await leafOf(root, { keyUsage: ['keyEncipherment'] })),
      /may not sign/,
    ],
  ]
  it.each(refused)('refuses %s', async (_, search, why) => {
    expect(names(await search())).toMatch(why)
  })

  it('a name inside the constraints passes', async () => {
    const permitted = [{ type: 'dns' as const, value: 'inside.example' }]
    const one = await below(root, 'One', { nameConstraints: { permitted, excluded: [] } })
    const leaf = await leafOf(one.ca, { identifiers: [{ type: 'dns', value: 'a.inside.example' }] })
    expect(names(find(leaf, [one.der]))).toEqual(['somebody', 'One', 'Root'])
  })

  it('certificates that name each other end, and many of one name do not cost many signatures', async () => {
    const [a, b] = [await foreignCa(now, { name: 'A' }), await foreignCa(now, { name: 'B' })]
    const cross = async (ca: ForeignCa, of: ForeignCa, name: string) =>
      (
        await ca.issue({
          subject: nameOf({ CN: name }),
          publicKey: of.signer.publicKey,
          type: 'ca',
          keyUsage: ['keyCertSign'],
        })
      ).der
    const circle = [await cross(a, b, 'B'), await cross(b, a, 'A')]
    expect(names(find(await leafOf(a), circle))).toMatch(/not issued/)
    const same = await Promise.all(Array.from({ length: 60 }, async () => (await below(stranger, 'Same')).der))
    const started = performance.now()
    expect(names(find(await leafOf(await foreignCa(now, { name: 'Same' })), same))).toMatch(/not issued/)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it.each([16_384, 8192])('RSA keys of %d bits between, of one name, take no seconds to refuse', async (bits) => {
    const publicKey = rsaOf(bits)
    const named = { subject: nameOf({ CN: 'Large' }), publicKey, type: 'ca', keyUsage: ['keyCertSign'] } as const
    const others = await Promise.all(Array.from({ length: 8 }, async () => (await stranger.issue(named)).der))
    const signature = Buffer.concat([Buffer.alloc(1), randomBytes(bits / 8 - 1)])
    const issuer = { publicKey, algorithm: schemes.sha256WithRSAEncryption.algorithm, sign: () => signature }
    const { fields } = stranger
    const draft = { serial: '77', issuer: nameOf({ CN: 'Large' }), subject: nameOf({ CN: 'somebody' }) }
    const period = { notBefore: fields.notBefore, notAfter: fields.notAfter }
    const rest = { identifiers: [], crlUrls: [], ocspUrls: [], issuerUrls: [], extendedKeyUsage: [] }
    const leaf = await issueCertificate(
      { ...rest, ...draft, ...period, publicKey: fields.publicKey, type: 'client', keyUsage: ['digitalSignature'] },
      issuer,
    )
    const started = process.cpuUsage()
    const search = clientPathFinder(readCertificate(leaf), { others, at: now })
    for (let anchor = 0; anchor < 50; anchor++)
      expect(search([root.fields])).toMatchObject({ problem: expect.stringContaining('not issued') })
    expect(process.cpuUsage(started).user).toBeLessThan(300_000)
  })

  it('one set of anchors after the other has an answer of its own', async () => {
    const one = await below(root, 'One')
    const search = clientPathFinder(await leafOf(one.ca), { others: [one.der], at: now })
    expect(names(search([stranger.fields]))).toMatch(/not issued/)
    expect(names(search([root.fields]))).toEqual(['somebody', 'One', 'Root'])
    expect(names(search([one.ca.fields]))).toEqual(['somebody', 'One'])
  })

  it('never throws for what a peer sends between', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (others) => {
        expect(find(stranger.fields, others.map(Buffer.from))).toHaveProperty('problem')
      }),
    )
  })
})
