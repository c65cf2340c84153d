import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createKeyRing, type RingKeys } from '../../src/core/upkeep/keyRing.ts'

const [one, two] = ['1111111111111111', '2222222222222222'] as const
const secrets = new Map<string, Buffer>([one, two].map((id) => [id, randomBytes(32)]))
const keys = (current: string, ...ids: string[]): RingKeys => {
  return { current, keys: new Map(ids.map((id) => [id, secrets.get(id) as Buffer])) }
}

describe('a key that the ring does not have', () => {
  const sealed = createKeyRing(keys(two, two)).seal(Buffer.from('a secret'), 'uuid', 'purpose')

  test('may be new where others change it: for good it is gone only when two looks have not brought it', () => {
    const ring = createKeyRing(keys(one, one), { shared: true })
    const open = () => ring.open(sealed, 'uuid', 'purpose')
    expect(open).toThrow(/just been changed: try again/)
    ring.turn(keys(one, one))
    expect(open).toThrow(/just been changed: try again/)
    ring.turn(keys(one, one))
    expect(open).toThrow(/key-encryption key 2{16}, which is none of this installation any more; a backup/)
    ring.turn(keys(two, one, two))
    expect(open().toString()).toBe('a secret')
  })

  test('is gone for good where nobody else changes it', () => {
    expect(() => createKeyRing(keys(one, one)).open(sealed, 'uuid', 'purpose')).toThrow(/none of this installation/)
  })
})

test('who has not looked for long whether others have changed the key seals nothing, and opens what he can', () => {
  let at = 1_000_000
  const ring = createKeyRing(keys(one, one), { shared: true, now: () => at })
  const seal = () => ring.seal(Buffer.from('a secret'), 'uuid', 'purpose')
  const sealed = seal()
  for (const jump of [9_000, -9_000]) {
    at += jump
    expect(seal).toThrow(/has not been looked at for long.*try again/)
    expect(ring.open(sealed, 'uuid', 'purpose').toString()).toBe('a secret')
    ring.turn(keys(one, one))
    expect(seal).not.toThrow()
  }
  const alone = createKeyRing(keys(one, one), { now: () => at })
  at += 1_000_000
  expect(() => alone.seal(Buffer.from('a secret'), 'uuid', 'purpose')).not.toThrow()
})
