import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { messages } from '../../src/db/messages.ts'

/** How the driver itself writes the same messages. */
const { serialize } = createRequire(createRequire(import.meta.url).resolve('pg'))('pg-protocol') as {
  serialize: Record<'parse' | 'bind' | 'describe' | 'execute' | 'sync', (message?: object) => Buffer>
}

const values = fc.array(
  fc.oneof(
    fc.constant(null),
    fc.string({ unit: 'binary' }),
    fc.string({ minLength: 5_000, maxLength: 9_000 }),
    fc.double({ noNaN: true }),
    fc.bigInt(),
    fc.uint8Array({ maxLength: 40_000 }).map((octets) => Buffer.from(octets)),
    fc.constant(Buffer.alloc(300_000, 7)),
  ),
)
const name = fc.stringMatching(/^[a-z0-9]{0,12}$/)

/** The driver says for all columns at once that they come as text; to say nothing is the same. */
function withoutFormat(bind: Buffer): Buffer {
  const shorter = Buffer.concat([bind.subarray(0, -4), Buffer.alloc(2)])
  shorter.writeInt32BE(shorter.length - 1, 1)
  return shorter
}

describe('messages to PostgreSQL', () => {
  it('are what the driver writes, octet for octet', () => {
    fc.assert(
      fc.property(name, fc.string(), values, (statement, text, values) => {
        messages.start()
        messages.parse(statement, text.replaceAll('\0', ''))
        messages.bind(statement, values)
        messages.describe()
        messages.execute()
        messages.sync()
        const textual = values.map((value) => (value === null || Buffer.isBuffer(value) ? value : String(value)))
        const expected = [
          serialize.parse({ name: statement, text: text.replaceAll('\0', '') }),
          withoutFormat(serialize.bind({ statement, values: textual })),
          serialize.describe({ type: 'P' }),
          serialize.execute(),
          serialize.sync(),
        ]
        expect(messages.taken().equals(Buffer.concat(expected))).toBe(true)
      }),
    )
  })

  it('start anew, and what was taken does not change', () => {
    for (const length of [5, 300_000]) {
      messages.start()
      messages.bind('one', ['a'.repeat(length)])
      const taken = messages.taken()
      const before = Buffer.from(taken)
      messages.start()
      messages.bind('two', ['b'.repeat(length)])
      expect(taken.equals(before)).toBe(true)
    }
  })
})
