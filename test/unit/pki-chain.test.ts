import { describe, expect, test } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { orderChain, verifyIssuedBy } from '../../src/pki/chain.ts'
import { PkiError } from '../../src/pki/error.ts'
import { authority, leafDraft } from '../helpers/pkiSamples.ts'

const root = await authority('P-256', { cn: 'Root' })
const middle = await authority('RSA-2048', { cn: 'Middle', parent: root })
const issuing = await authority('Ed25519', { cn: 'Issuing', parent: middle })
const leaf = await issueCertificate(leafDraft(issuing), issuing.signer)
const stranger = await authority('P-384', { cn: 'Stranger' })

describe('orderChain', () => {
  const ordered = [leaf, issuing.certificate, middle.certificate, root.certificate]

  test('puts any order in order, repetitions fall out', () => {
    expect(orderChain(leaf, [root.certificate, issuing.certificate, middle.certificate])).toEqual(ordered)
    expect(
      orderChain(leaf, [middle.certificate, leaf, root.certificate, issuing.certificate, middle.certificate]),
    ).toEqual(ordered)
  })

  test('the root may be missing, the leaf may stand alone or sign itself', () => {
    expect(orderChain(leaf, [middle.certificate, issuing.certificate])).toEqual(ordered.slice(0, 3))
    expect(orderChain(leaf, [])).toEqual([leaf])
    expect(orderChain(root.certificate, [])).toEqual([root.certificate])
  })

  test.each([
    ['a stranger', [issuing.certificate, stranger.certificate]],
    ['a gap', [middle.certificate, root.certificate]],
    ['bytes that are no certificate', [Buffer.from('30020500', 'hex')]],
    ['too many certificates', new Array<Buffer>(17).fill(issuing.certificate)],
  ])('refuses %s', (_, others) => {
    expect(() => orderChain(leaf, others)).toThrow(expect.objectContaining({ name: 'PkiError', kind: 'malformed' }))
  })

  test('refuses an issuer of the right name with another key', async () => {
    const { ski = Buffer.alloc(0) } = issuing.fields
    const impostor = await authority('P-256', { cn: 'Issuing', parent: middle, subjectKeyIdentifier: ski })
    expect(() => orderChain(leaf, [impostor.certificate])).toThrow(expect.objectContaining({ kind: 'badSignature' }))
    // Both may stand there: the one that signed is taken, and the other is left over.
    expect(() => orderChain(leaf, [impostor.certificate, issuing.certificate])).toThrow(PkiError)
  })
})

describe('verifyIssuedBy', () => {
  const child = readCertificate(leaf)
  test('the issuer, and nobody else', () => {
    expect(verifyIssuedBy(child, issuing.fields)).toBe(true)
    expect(verifyIssuedBy(child, middle.fields)).toBe(false)
    expect(verifyIssuedBy(root.fields, root.fields)).toBe(true)
  })

  test('not an issuer that may not issue', async () => {
    expect(verifyIssuedBy(child, { ...issuing.fields, publicKey: issuing.fields.publicKey, isCa: false })).toBe(false)
    expect(verifyIssuedBy(child, { ...issuing.fields, keyUsage: ['cRLSign'] })).toBe(false)
    const below = await issueCertificate(leafDraft(undefined, { issuer: child.subjectDer }), issuing.signer)
    expect(verifyIssuedBy(readCertificate(below), child)).toBe(false)
  })

  test('not after a change of one bit', () => {
    const tbs = Buffer.from(child.tbs)
    tbs[30] = (tbs[30] ?? 0) ^ 1
    expect(verifyIssuedBy({ ...child, tbs }, issuing.fields)).toBe(false)
  })
})
