import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choose, unpadBlocks, unpadPkcs1 } from '../../src/pki/unpad.ts'

/** The same octets, and which of them were read, in order. */
function watched(bytes: Uint8Array, reads: string[] = [], offset = 0): { bytes: Uint8Array; reads: string[] } {
  const seen = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads.push(String(Number(key) + offset))
      if (key === 'subarray') return (start: number) => watched(target.subarray(start), reads, start).bytes
      const value: unknown = Reflect.get(target, key)
      return value
    },
  })
  return { bytes: seen, reads }
}

const instead = Buffer.alloc(16, 0xee)
const message = Buffer.from('0123456789abcdef')
const block = (change: (block: Buffer) => void = () => undefined) => {
  const out = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(256 - 3 - 16, 0x55), Buffer.of(0), message])
  change(out)
  return out
}

describe('unpadPkcs1', () => {
  const bad: [string, Buffer][] = [
    ['a first octet that is not 0', block((b) => b.writeUInt8(1, 0))],
    ['block type 1', block((b) => b.writeUInt8(1, 1))],
    ['block type 0', block((b) => b.writeUInt8(0, 1))],
    ['a zero at the start of the padding', block((b) => b.writeUInt8(0, 2))],
    ['a zero at the end of the padding: a longer message', block((b) => b.writeUInt8(0, 238))],
    ['no zero before the message: a shorter one', block((b) => b.writeUInt8(9, 239))],
    ['all zero', Buffer.alloc(256)],
    ['all ones', Buffer.alloc(256, 0xff)],
  ]

  test('gives the message of a good block', () => {
    expect(unpadPkcs1(block(), 16, instead)).toEqual(message)
    const zeros = block((b) => b.fill(0, 240))
    expect(unpadPkcs1(zeros, 16, instead)).toEqual(Buffer.alloc(16))
  })

  test.each(bad)('gives the other key for %s', (_, bytes) => {
    expect(unpadPkcs1(bytes, 16, instead)).toEqual(instead)
  })

  test('reads the same octets in the same order, good or bad', () => {
    const readsOf = (bytes: Buffer) => {
      const { bytes: seen, reads } = watched(bytes)
      unpadPkcs1(seen, 16, instead)
      return reads
    }
    const good = readsOf(block())
    expect(new Set(good).size).toBe(256)
    for (const [, bytes] of bad) expect(readsOf(bytes)).toEqual(good)
  })

  test('as a plain reading of RFC 8017 section 7.2.2 has it', () => {
    const octets = fc.uint8Array({ minLength: 64, maxLength: 64 })
    const near = octets.map((bytes) =>
      Buffer.concat([Buffer.of(0, 2), bytes.map((b) => b | 1).subarray(0, 45), Buffer.of(0), bytes.subarray(48)]),
    )
    fc.assert(
      fc.property(fc.oneof(octets, near), (bytes) => {
        const buffer = Buffer.from(bytes)
        const zero = buffer.indexOf(0, 2)
        const good = buffer[0] === 0 && buffer[1] === 2 && zero === 47
        expect(unpadPkcs1(buffer, 16, instead)).toEqual(good ? buffer.subarray(48) : instead)
      }),
    )
  })
})

describe('unpadBlocks', () => {
  const padded = (count: number, fill = count, size = 32) =>
    Buffer.concat([Buffer.alloc(size - count, 0x41), Buffer.alloc(count, fill)])

  test('every good length', () => {
    for (const blockLength of [8, 16])
      for (let count = 1; count <= blockLength; count++)
        expect(unpadBlocks(padded(count), blockLength)).toEqual({ length: 32 - count, bad: 0 })
  })

  test.each([
    ['0', Buffer.alloc(32)],
    ['more than a block', padded(17)],
    ['255', Buffer.alloc(32, 0xff)],
    ['one octet that differs, the first', Buffer.concat([Buffer.alloc(28), Buffer.of(3, 4, 4, 4)])],
    ['one octet that differs, in the middle', Buffer.concat([Buffer.alloc(28), Buffer.of(4, 4, 5, 4)])],
  ])('bad: %s', (_, bytes) => {
    expect(unpadBlocks(bytes, 16)).toEqual({ length: 32, bad: -1 })
  })

  test('reads the same octets in the same order, good or bad', () => {
    const readsOf = (bytes: Buffer) => {
      const { bytes: seen, reads } = watched(bytes)
      unpadBlocks(seen, 16)
      return reads
    }
    const good = readsOf(padded(1))
    expect(new Set(good).size).toBe(16)
    for (const bytes of [padded(16), padded(7), Buffer.alloc(32), Buffer.alloc(32, 0xff), padded(9, 8)])
      expect(readsOf(bytes)).toEqual(good)
  })

  test('as a plain reading of RFC 5652 section 6.3 has it', () => {
    const last = fc.uint8Array({ minLength: 16, maxLength: 16, max: 17 })
    const runs = fc
      .tuple(last, fc.integer({ min: 0, max: 17 }))
      .map(([bytes, count]) => bytes.fill(count, 16 - Math.min(count, 16)))
    fc.assert(
      fc.property(fc.oneof(last, runs), (bytes) => {
        const count = bytes[15] ?? 0
        const good = count > 0 && count <= 16 && bytes.subarray(16 - count).every((octet) => octet === count)
        expect(unpadBlocks(bytes, 16)).toEqual(good ? { length: 16 - count, bad: 0 } : { length: 16, bad: -1 })
      }),
      { numRuns: 2000 },
    )
  })
})

test('choose takes one or the other whole', () => {
  expect(choose(-1, instead, message)).toEqual(instead)
  expect(choose(0, instead, message)).toEqual(message)
})
