import { describe, expect, it } from 'vitest'
import { makePrivateKey } from '../../src/core/key.ts'

describe('a private key', () => {
  it.each(['RSA-2048', 'RSA-3072'] as const)('of %s is made while the server does other things', async (spec) => {
    let others = 0
    setImmediate(() => others++)
    const { asymmetricKeyType, asymmetricKeyDetails } = await makePrivateKey(spec)
    expect({ asymmetricKeyType, bits: asymmetricKeyDetails?.modulusLength, others }).toEqual({
      asymmetricKeyType: 'rsa',
      bits: Number(spec.slice(4)),
      others: 1,
    })
  })

  it.each([
    ['P-256', 'ec'],
    ['P-384', 'ec'],
    ['P-521', 'ec'],
    ['Ed25519', 'ed25519'],
  ] as const)('of %s is of that kind', async (spec, kind) => {
    expect((await makePrivateKey(spec)).asymmetricKeyType).toBe(kind)
  })
})
