import { describe, expect, test } from 'vitest'
import { keyText, makeKey, serverKeyKind, takesStored } from '../../src/core/key/serverKeyKind.ts'
import { profileSettings } from '../../src/core/profile/profile.ts'
import type { KeyWish } from '../../src/pki/csrAttributes.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'

const rules = (keys: unknown) => profileSettings.parse({ certificate: { keys } }).certificate.keys
const rsa = (size: number): KeyWish => ({ algorithm: 'RSA', size })

describe('which kind of key the server makes (RFC 7030 section 4.4.1)', () => {
  test.each<[asked: number, keys: unknown, made: number]>([
    [2048, {}, 2048],
    [1024, {}, 2048],
    [2049, {}, 3072],
    [4096, {}, 4096],
    [8192, {}, 4096],
    [2048, { rsa: { min: 3072, max: 8192 } }, 3072],
    [4096, { rsa: { min: 2048, max: 3072 } }, 3072],
    [2048, { rsa: { min: 5000, max: 6000 } }, 5000],
    [4096, { rsa: { min: 2200, max: 2300 } }, 2200],
  ])('a request with RSA of %i bits, under %o: %i bits', (asked, keys, made) => {
    expect(serverKeyKind(rules(keys), rsa(asked))).toEqual(rsa(made))
  })

  test('RSA where the profile takes none, a curve that it does not take, and no key: what it takes', () => {
    const p384 = { algorithm: 'EC', curve: 'P-384' }
    expect(serverKeyKind(rules({ rsa: null, ec: ['P-384'] }), rsa(2048))).toEqual(p384)
    expect(serverKeyKind(rules({ ec: ['P-384'] }), { algorithm: 'EC', curve: 'P-256' })).toEqual(p384)
    expect(serverKeyKind(rules({ ec: [], ed25519: false }), { algorithm: 'Ed25519' })).toEqual(rsa(2048))
    expect(serverKeyKind(rules({}), undefined)).toEqual({ algorithm: 'EC', curve: 'P-256' })
    expect(serverKeyKind(rules({ rsa: { min: 4000, max: 3000 } }), rsa(2048))).toEqual({
      algorithm: 'EC',
      curve: 'P-256',
    })
  })

  test('the same curve, and Ed25519, where the profile takes them', () => {
    for (const kind of [{ algorithm: 'EC', curve: 'P-521' }, { algorithm: 'Ed25519' }] as const)
      expect(serverKeyKind(rules({}), kind)).toEqual(kind)
  })

  test('none where the profile takes none', () => {
    expect(() => serverKeyKind(rules({ rsa: null, ec: [], ed25519: false }), rsa(2048))).toThrow(
      expect.objectContaining({ code: 'badKey' }),
    )
  })
})

test('a key of each kind is made, and its kind is read back from the record', async () => {
  for (const kind of [rsa(2048), { algorithm: 'EC', curve: 'P-384' }, { algorithm: 'Ed25519' }] as const) {
    const { algorithm, size, curve } = publicKeyFrom(await makeKey(kind))
    expect(keyText(kind)).toBe(algorithm === 'RSA' ? `RSA-${size}` : (curve ?? algorithm))
    expect(takesStored(rules({}), keyText(kind))).toBe(true)
    expect(takesStored(rules({ rsa: null, ec: ['P-256'], ed25519: false }), keyText(kind))).toBe(false)
  }
})

test('of many at once some are told to ask again, and all others are made', async () => {
  const wanted = Array.from({ length: 60 }, () => makeKey({ algorithm: 'EC', curve: 'P-521' }))
  const settled = await Promise.allSettled(wanted)
  const refused = settled.filter(({ status }) => status === 'rejected')
  expect(refused.length).toBe(60 - 32)
  for (const each of refused) expect(each).toMatchObject({ reason: { code: 'unavailable', retryAfter: 10 } })
  // None of the places is lost.
  await expect(makeKey({ algorithm: 'Ed25519' })).resolves.toBeDefined()
})

test('a key that would take minutes is not made', async () => {
  await expect(makeKey(rsa(8193))).rejects.toMatchObject({ code: 'badKey' })
})
