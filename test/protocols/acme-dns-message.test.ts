import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DnsMessageError, RECORD, readReply, writeQuery } from '../../protocols/acme/dnsMessage.ts'

const ID = 0x1234
const QUESTION = { name: 'www.example.test', type: RECORD.CAA }
const ASKED = Buffer.concat([name('www.example.test'), Buffer.from([1, 1, 0, 1])])

function name(text: string): Buffer {
  const labels = text.split('.').filter(Boolean)
  return Buffer.concat([...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.of(0)])
}

function record(owner: Buffer, type: number, data: Buffer, { kind = 1, ttl = 0 } = {}): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(kind, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, fixed, data])
}

interface Parts {
  flags?: number
  counts?: [number, number, number, number]
  question?: Buffer
  records?: Buffer[]
}

function message({ flags = 0x8180, question = ASKED, records = [], counts }: Parts = {}): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(ID, 0)
  header.writeUInt16BE(flags, 2)
  for (const [at, count] of (counts ?? [1, records.length, 0, 0]).entries()) header.writeUInt16BE(count, 4 + 2 * at)
  return Buffer.concat([header, question, ...records])
}

/** Points at the name of the question. */
const ASKED_NAME = Buffer.from([0xc0, 12])
const CAA = Buffer.from('\x00\x05issueca.test', 'latin1')

describe('a query', () => {
  test('asks for recursion, AD and DO, and leaves CD clear (RFC 4035, RFC 6840 section 5.7)', () => {
    const query = writeQuery(ID, QUESTION)
    expect(query.toString('hex')).toBe(
      `12340120000100000000000103${Buffer.from('www').toString('hex')}07${Buffer.from('example').toString('hex')}0474657374000101000100002904d0000080000000`,
    )
  })

  test.each(['a..test', `${'a'.repeat(64)}.test`, `${'abcdefghi.'.repeat(26)}test`])(
    'has no name such as %s',
    (bad) => {
      expect(() => writeQuery(ID, { ...QUESTION, name: bad })).toThrow(DnsMessageError)
    },
  )
})

describe('a reply', () => {
  test('is read with its records, its aliases and AD', () => {
    const alias = record(
      ASKED_NAME,
      RECORD.CNAME,
      Buffer.concat([Buffer.from([4]), Buffer.from('caa.'.slice(0, 3)), Buffer.from('x'), Buffer.from([0xc0, 24])]),
    )
    const reply = readReply(
      message({ flags: 0x81a0, records: [alias, record(name('WWW.Example.TEST'), RECORD.CAA, CAA)] }),
      ID,
      QUESTION,
    )
    expect(reply).toMatchObject({ rcode: 0, authenticated: true, truncated: false })
    expect(reply?.answers).toMatchObject([
      { name: 'www.example.test', type: RECORD.CNAME, target: 'caax.test' },
      { name: 'www.example.test', type: RECORD.CAA, data: CAA },
    ])
  })

  test('of another class than IN is none', () => {
    const reply = readReply(message({ records: [record(ASKED_NAME, RECORD.CAA, CAA, { kind: 3 })] }), ID, QUESTION)
    expect(reply?.answers).toEqual([])
  })

  test('has the upper bits of its RCODE in EDNS (RFC 6891 section 6.1.3)', () => {
    const opt = record(Buffer.of(0), RECORD.OPT, Buffer.alloc(0), { kind: 1232, ttl: 0x01_00_80_00 })
    expect(readReply(message({ records: [opt], counts: [1, 0, 0, 1] }), ID, QUESTION)?.rcode).toBe(16)
  })

  test('that was cut off says so, whatever its records are', () => {
    expect(
      readReply(message({ flags: 0x8380, records: [Buffer.of(1)], counts: [1, 9, 0, 0] }), ID, QUESTION),
    ).toMatchObject({ truncated: true, authenticated: false })
  })

  test('keeps a dot inside a label apart from one between labels', () => {
    const dotted = { name: 'a\\.b.test', type: RECORD.CAA }
    const question = Buffer.concat([Buffer.from('\x03a.b\x04test\x00', 'latin1'), Buffer.from([1, 1, 0, 1])])
    expect(readReply(message({ question }), ID, dotted)).toBeDefined()
    expect(readReply(message({ question }), ID, { ...dotted, name: 'a.b.test' })).toBeUndefined()
  })

  test.each<[string, Buffer]>([
    ['another id', Buffer.concat([Buffer.from([0x12, 0x35]), message().subarray(2)])],
    ['a query', message({ flags: 0x0180 })],
    ['another opcode', message({ flags: 0xa180 })],
    ['another name', message({ question: Buffer.concat([name('www.example.tesu'), Buffer.from([1, 1, 0, 1])]) })],
    ['another type', message({ question: Buffer.concat([name('www.example.test'), Buffer.from([0, 1, 0, 1])]) })],
    ['another class', message({ question: Buffer.concat([name('www.example.test'), Buffer.from([1, 1, 0, 3])]) })],
    ['no question', message({ question: Buffer.alloc(0), counts: [0, 0, 0, 0] })],
    ['two questions', message({ question: Buffer.concat([ASKED, ASKED]), counts: [2, 0, 0, 0] })],
    ['a header that breaks off', message().subarray(0, 11)],
    ['a question that breaks off', message().subarray(0, 20)],
  ])('is not %s', (_what, bytes) => {
    expect(readReply(bytes, ID, QUESTION)).toBeUndefined()
  })

  test.each<[string, Buffer[], [number, number, number, number]?]>([
    ['fewer records than it says', [], [1, 1, 0, 0]],
    ['more than it says', [record(ASKED_NAME, RECORD.CAA, CAA)], [1, 0, 0, 0]],
    ['data that ends too early', [record(ASKED_NAME, RECORD.CAA, CAA).subarray(0, -1)]],
    ['a name that points at itself', [record(Buffer.from([0xc0, 12 + ASKED.length]), RECORD.CAA, CAA)]],
    ['a name that points ahead', [record(Buffer.from([0xc0, 0xff]), RECORD.CAA, CAA)]],
    ['a label of a kind that there is not', [record(Buffer.from([0x41, 0x41, 0]), RECORD.CAA, CAA)]],
    [
      'an alias that is less than its data',
      [record(ASKED_NAME, RECORD.CNAME, Buffer.concat([name('a.test'), Buffer.of(0)]))],
    ],
    ['an alias that is more than its data', [record(ASKED_NAME, RECORD.CNAME, Buffer.from([3, 97]))]],
    ['a name of more than 255 octets', [record(name('abcdefghi.'.repeat(26)), RECORD.CAA, CAA)]],
  ])('cannot have %s', (_what, records, counts) => {
    expect(() => readReply(message({ records, ...(counts ? { counts } : {}) }), ID, QUESTION)).toThrow(DnsMessageError)
  })
})

/** A value, or the declared error: nothing else. */
function reads(bytes: Buffer): boolean {
  try {
    readReply(bytes, ID, QUESTION)
    return true
  } catch (error) {
    return error instanceof DnsMessageError
  }
}

describe('random bytes', () => {
  test('are a reply, none, or a DnsMessageError', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => reads(Buffer.from(bytes))))
  })

  test('after a header and a question that fit', () => {
    const counts = fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), counts, (bytes, [an, ns, ar]) =>
        reads(message({ records: [Buffer.from(bytes)], counts: [1, an, ns, ar] })),
      ),
      { numRuns: 500 },
    )
  })

  test('in place of one octet of a good reply', () => {
    const good = message({
      records: [record(ASKED_NAME, RECORD.CNAME, name('b.test')), record(name('b.test'), RECORD.CAA, CAA)],
    })
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(good)
        bytes[at] = value
        return reads(bytes)
      }),
      { numRuns: 500 },
    )
  })

  test('many names that point back along a chain cost little', () => {
    // 16 KiB of pointers, each to the one before.
    const pointers = Array.from({ length: 8000 }, (_, at) =>
      Buffer.from([0xc0 | ((40 + 2 * at) >> 8), (40 + 2 * at) & 0xff]),
    )
    const chain = record(ASKED_NAME, 99, Buffer.concat([Buffer.alloc(4), ...pointers]))
    const started = performance.now()
    expect(
      reads(
        message({
          records: [
            chain,
            ...Array.from({ length: 4000 }, () => record(Buffer.from([0xff, 0x00]), 99, Buffer.alloc(0))),
          ],
        }),
      ),
    ).toBe(true)
    expect(performance.now() - started).toBeLessThan(500)
  })
})
