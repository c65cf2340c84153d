import { describe, expect, test } from 'vitest'
import { parseCsr, readKeptCsr, withoutChallenge } from '../../src/pki/csr.ts'
import { printable, utf8 } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, extension, extensionRequest, openssl } from '../helpers/csrs.ts'

const challenge = 'never-to-be-shown'
const extensions = extensionRequest(extension(OID.basicConstraints, Buffer.from('3000', 'hex')))
const subject = nameOf({ CN: 'a.example.org' })

describe('a request without its challengePassword', () => {
  test.each([
    ['alone', [attribute(OID.challengePassword, utf8(challenge))]],
    ['first', [attribute(OID.challengePassword, printable(challenge)), extensions]],
    ['last', [extensions, attribute(OID.challengePassword, utf8(challenge))]],
  ])('%s: all else stays as it was', (_, attributes) => {
    const csr = parseCsr(buildCsr({ subject, attributes }))
    expect(csr.challengePassword).toBe(challenge)
    const kept = withoutChallenge(csr)
    expect(kept.challengePassword).toBeUndefined()
    expect(kept.der.includes(challenge)).toBe(false)
    expect(kept.attributes).toEqual(csr.attributes.filter(({ oid }) => oid !== OID.challengePassword))
    const { subject: name, publicKey, signatureAlgorithm } = kept
    expect({ name, spki: publicKey.spki, signatureAlgorithm }).toEqual({
      name: subject,
      spki: csr.publicKey.spki,
      signatureAlgorithm: csr.signatureAlgorithm,
    })
    expect(openssl(['req', '-inform', 'DER', '-noout', '-subject'], kept.der).toString()).toContain('a.example.org')
  })

  test('is read again from what is kept, and only there: its signature fits no longer', () => {
    const { der } = withoutChallenge(
      parseCsr(buildCsr({ subject, attributes: [attribute(OID.challengePassword, utf8(challenge)), extensions] })),
    )
    expect(readKeptCsr(der).extensions).toHaveLength(1)
    expect(() => parseCsr(der)).toThrow('not signed by the key')
  })

  test('without one it is the same', () => {
    const csr = parseCsr(buildCsr({ subject, attributes: [extensions] }))
    expect(withoutChallenge(csr)).toBe(csr)
    const bare = parseCsr(buildCsr({ subject, attributes: 'absent' }))
    expect(withoutChallenge(bare)).toBe(bare)
  })
})

test('what is kept is refused when it is no request', () => {
  expect(() => readKeptCsr(Buffer.from('3000', 'hex'))).toThrow()
  expect(() => readKeptCsr(Buffer.alloc(0))).toThrow()
})
