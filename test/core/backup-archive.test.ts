import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ArchiveReader, type Manifest, readArchive, writeArchive } from '../../src/cli/backup/archive.ts'
import { readBackup } from '../../src/cli/backup/backup.ts'
import { HEADER_OCTETS, opening, sealing } from '../../src/cli/backup/envelope.ts'
import { migrationsNamed } from '../../src/db/load.ts'
import { decodeRows, encodeRows, type PortableTable, type Value } from '../../src/db/portableRows.ts'

const cost = { log2N: 10, r: 8, p: 1 }
const passphrase = 'correct horse battery'

async function seal(content: Buffer): Promise<Buffer> {
  const sealed = await sealing(passphrase, cost)
  const all = buffer(sealed)
  await pipeline(Readable.from([content], { objectMode: false }), sealed)
  return all
}

async function unseal(sealed: Buffer, given = passphrase): Promise<Buffer> {
  const opened = await opening(given, sealed.subarray(0, HEADER_OCTETS))
  const all = buffer(opened)
  await Promise.all([all, pipeline(Readable.from([sealed.subarray(HEADER_OCTETS)], { objectMode: false }), opened)])
  return all
}

describe('the envelope', () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])('gives back %i octets', async (length) => {
    const content = randomBytes(length)
    expect((await unseal(await seal(content))).equals(content)).toBe(true)
  })

  test('opens under no other passphrase', async () => {
    await expect(unseal(await seal(Buffer.from('x')), 'wrong horse battery')).rejects.toThrow(
      /passphrase is not the one/,
    )
  })

  test('one octet changed anywhere is found', async () => {
    const sealed = await seal(randomBytes(140_000))
    const near = [0, 18, 19, 20, 23, 39, 70, HEADER_OCTETS, HEADER_OCTETS + 65_552, sealed.length - 1]
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constantFrom(...near), fc.nat(sealed.length - 1)),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const changed = Buffer.from(sealed)
          changed[at] = (changed[at] ?? 0) ^ by
          await expect(unseal(changed)).rejects.toMatchObject({ code: 'malformed' })
        },
      ),
      { numRuns: 30 },
    )
  })

  test('cut off, at a border of chunks too, it is found', async () => {
    const sealed = await seal(randomBytes(140_000))
    const chunk = 65_536 + 16
    const borders = [0, 1, 2].map((n) => HEADER_OCTETS + n * chunk)
    for (const at of [0, 10, HEADER_OCTETS - 1, ...borders, sealed.length - 1])
      await expect(unseal(sealed.subarray(0, at)), `${at}`).rejects.toMatchObject({ code: 'malformed' })
  })

  test('chunks in another order, doubled, left out or followed by more are found', async () => {
    const sealed = await seal(randomBytes(200_000))
    const chunk = 65_536 + 16
    const header = sealed.subarray(0, HEADER_OCTETS)
    const [a, b, c, d] = [0, 1, 2, 3].map((n) =>
      sealed.subarray(HEADER_OCTETS + n * chunk, HEADER_OCTETS + (n + 1) * chunk),
    ) as [Buffer, Buffer, Buffer, Buffer]
    for (const parts of [
      [b, a, c, d],
      [a, a, b, c, d],
      [a, c, d],
      [a, b, c, d, Buffer.alloc(10)],
      [a, b, c, d, d],
      [d],
    ])
      await expect(unseal(Buffer.concat([header, ...parts]))).rejects.toMatchObject({ code: 'malformed' })
  })

  test('a newer format and another kind of file are told apart', async () => {
    const sealed = await seal(Buffer.from('x'))
    sealed[19] = 2
    await expect(unseal(sealed)).rejects.toThrow(/newer version/)
    await expect(unseal(randomBytes(300))).rejects.toThrow(/no backup of countersign/)
    const greedy = await seal(Buffer.from('x'))
    greedy[20] = 31
    await expect(unseal(greedy)).rejects.toThrow(/header is damaged/)
  })
})

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 50 }).map((octets) => Buffer.from(octets)),
)

describe('rows', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value, value), { maxLength: 20 }), (rows) => {
        expect(decodeRows(encodeRows(rows), 3)).toEqual(rows)
      }),
      { numRuns: 200 },
    )
  })

  test('of random octets are an error, and no other exception than that', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (octets, columns) => {
        try {
          decodeRows(Buffer.from(octets), columns)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('with a number that has no exact form are refused', () => {
    expect(() => encodeRows([[2 ** 53]])).toThrow(/without loss/)
    expect(() => encodeRows([[0.5]])).toThrow(/without loss/)
  })
})

const manifest: Manifest = {
  version: 1,
  madeAt: '2026-01-01T00:00:00.000Z',
  dialect: 'sqlite',
  migrations: [],
  key: 'file',
}
const table: PortableTable = { name: 'things', columns: [{ name: 'id', type: 'integer' }], key: ['id'] }
const ignore: ArchiveReader = {
  manifest: async () => {},
  file: async () => {},
  table: async () => {},
  rows: async () => {},
}

async function archive(): Promise<Buffer> {
  const parts: Buffer[] = []
  const snapshot = {
    dialect: 'sqlite',
    tables: [table],
    migrations: [],
    async *rows() {
      yield [[1], [2]]
      yield [[3]]
    },
    outdated: () => false,
    close: async () => {},
  } as const
  for await (const part of writeArchive({ manifest, files: [], snapshot: snapshot as never }, () => {}))
    parts.push(part)
  return Buffer.concat(parts)
}

async function* inPieces(octets: Buffer, length: number) {
  for (let at = 0; at < octets.length; at += length) yield octets.subarray(at, at + length)
}

describe('the archive', () => {
  test.each([1, 7, 100_000])('is read in pieces of %i octets', async (length) => {
    const rows: Value[][] = []
    const closing = await readArchive(inPieces(await archive(), length), {
      ...ignore,
      rows: async (_table, more) => {
        rows.push(...more)
      },
    })
    expect(rows).toEqual([[1], [2], [3]])
    expect(closing.tables.things).toMatchObject({ rows: 3 })
  })

  test('that was written by somebody else who has the passphrase is held against its own sums', async () => {
    const whole = await archive()
    const row = whole.indexOf(Buffer.from('01000000000000000201'.slice(0, 18), 'hex'))
    const changed = Buffer.from(whole)
    changed[row + 8] = 9
    await expect(readArchive(inPieces(changed, 1000), ignore)).rejects.toThrow(/contradicts itself/)
    for (let end = 0; end < whole.length; end += 5)
      await expect(readArchive(inPieces(whole.subarray(0, end), 1000), ignore)).rejects.toMatchObject({
        code: 'malformed',
      })
    await expect(readArchive(inPieces(Buffer.concat([whole, whole]), 1000), ignore)).rejects.toMatchObject({
      code: 'malformed',
    })
  })

  test.each([
    ['file', 2, { name: 'countersign.sqlite', mode: 0o600, content: '' }],
    ['mode', 2, { name: 'countersign.yaml', mode: 0o4755, content: '' }],
    ['table', 3, { name: 'things', columns: [], key: ['id'] }],
  ])('with a %s that no backup of ours has is refused', async (_what, kind, content) => {
    const frame = (kind: number, content: object) => {
      const body = Buffer.from(JSON.stringify(content))
      const head = Buffer.from([kind, 0, 0, 0, 0])
      head.writeUInt32BE(body.length, 1)
      return Buffer.concat([head, body])
    }
    const hostile = Buffer.concat([frame(1, manifest), frame(kind, content), frame(5, { tables: {}, head: {} })])
    const got: unknown[] = []
    const reader = {
      ...ignore,
      file: async (file: unknown) => void got.push(file),
      table: async (table: unknown) => void got.push(table),
    }
    await expect(readArchive(inPieces(hostile, 1000), reader)).rejects.toMatchObject({ code: 'malformed' })
    expect(got).toEqual([])
  })

  test('of a newer version is said to be that', () => {
    expect(() => migrationsNamed(['0001-core', '9999-future'])).toThrow(/newer version.*9999-future/)
  })
})

describe('a backup file', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-backup-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('that is not there, is empty, or holds no compressed archive is refused', async () => {
    const file = join(folder, 'x.backup')
    await expect(readBackup(file, passphrase, ignore)).rejects.toThrow(/no such file/)
    for (const content of [Buffer.alloc(0), Buffer.from('countersign'), randomBytes(1000)]) {
      writeFileSync(file, content)
      await expect(readBackup(file, passphrase, ignore)).rejects.toMatchObject({ code: 'malformed' })
    }
    writeFileSync(file, await seal(Buffer.from('not compressed')))
    await expect(readBackup(file, passphrase, ignore)).rejects.toMatchObject({ code: 'malformed' })
    expect(readFileSync(file).length).toBeGreaterThan(0)
  })
})
