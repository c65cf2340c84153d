import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import {
  decodeRows,
  encodeRows,
  type PortableTable,
  type TableSum,
  tableSummer,
  type Value,
} from '../../db/portableRows.ts'
import type { Snapshot } from '../../db/snapshot.ts'

/** What a backup says of itself, before anything else. */
const manifest = z.strictObject({
  version: z.literal(1),
  madeAt: z.string(),
  dialect: z.enum(['sqlite', 'postgres']),
  migrations: z.array(z.string()),
  /** Where the key that seals private keys is: among the files, or with whoever sets COUNTERSIGN_KEY_SECRET. */
  key: z.enum(['file', 'environment']),
})
export type Manifest = z.infer<typeof manifest>

/** Written last: what must have been read. */
const closing = z.strictObject({
  tables: z.record(z.string(), z.strictObject({ rows: z.number(), hash: z.string() })),
  /** Where the audit chain ended; position 0: nothing was sealed yet. */
  head: z.strictObject({ position: z.number(), hash: z.string() }),
})
export type Closing = z.infer<typeof closing>

/** What of a data folder cannot be made again from the database. */
export const KEPT = ['key.secret', 'key.secret.next', 'root.pem', 'countersign.yaml'] as const

const file = z.strictObject({ name: z.enum(KEPT), mode: z.int().min(0).max(0o777), content: z.base64() })
export type KeptFile = z.infer<typeof file>

const table = z.strictObject({
  name: z.string(),
  // Rows without a column have no length, and so no end.
  columns: z.array(z.strictObject({ name: z.string(), type: z.enum(['integer', 'text', 'blob']) })).min(1),
  key: z.array(z.string()),
})

const FRAMES = { manifest: 1, file: 2, table: 3, rows: 4, closing: 5 } as const
/** Longer than any batch of rows, and short enough to be kept in memory. */
const LONGEST = 1 << 30

function frame(kind: keyof typeof FRAMES, content: Buffer | object): Buffer {
  const body = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  const head = Buffer.alloc(5)
  head.writeUInt8(FRAMES[kind])
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

export interface ArchiveSource {
  manifest: Manifest
  files: KeptFile[]
  snapshot: Snapshot
}

/** All of a backup as octets, to be compressed and sealed. `done` hears what stands at its end. */
export async function* writeArchive(
  { manifest, files, snapshot }: ArchiveSource,
  done: (closing: Closing) => void,
): AsyncGenerator<Buffer> {
  yield frame('manifest', manifest)
  for (const one of files) yield frame('file', one)
  const tables: Record<string, TableSum> = {}
  let head: Closing['head'] = { position: 0, hash: '' }
  for (const table of snapshot.tables) {
    yield frame('table', table)
    const summer = tableSummer()
    for await (const rows of snapshot.rows(table)) {
      const encoded = encodeRows(rows)
      summer.add(rows.length, encoded)
      if (table.name === 'audit_seals') head = headOf(table, rows) ?? head
      yield frame('rows', encoded)
    }
    tables[table.name] = summer.sum()
  }
  done({ tables, head })
  yield frame('closing', { tables, head })
}

/** The last link among these rows, which come by their position. */
export function headOf({ columns }: PortableTable, rows: Value[][]): Closing['head'] | undefined {
  const last = rows.at(-1)
  const at = (name: string) => last?.[columns.findIndex((column) => column.name === name)]
  return last && { position: Number(at('position')), hash: String(at('hash')) }
}

/** What is done with what a backup holds, in the order in which it comes. */
export interface ArchiveReader {
  manifest(manifest: Manifest): Promise<void>
  file(file: KeptFile): Promise<void>
  table(table: PortableTable): Promise<void>
  rows(table: PortableTable, rows: Value[][]): Promise<void>
}

/**
 * Reads a backup from its opened octets and hands on what is in it. Resolves with its end, once every table was as that says. Throws
 * Failure('malformed') otherwise: what was handed on until then counts for nothing.
 */
export async function readArchive(octets: AsyncIterable<Buffer>, reader: ArchiveReader): Promise<Closing> {
  const sums = new Map<string, ReturnType<typeof tableSummer>>()
  let current: PortableTable | undefined
  let begun = false
  let end: Closing | undefined
  for await (const { kind, body } of framesOf(octets)) {
    if (end || (kind === FRAMES.manifest) === begun) throw broken()
    switch (kind) {
      case FRAMES.manifest:
        begun = true
        await reader.manifest(parsed(manifest, body))
        break
      case FRAMES.file:
        await reader.file(parsed(file, body))
        break
      case FRAMES.table:
        current = parsed(table, body)
        sums.set(current.name, tableSummer())
        await reader.table(current)
        break
      case FRAMES.rows: {
        if (!current) throw broken()
        const rows = decodeRows(body, current.columns.length)
        sums.get(current.name)?.add(rows.length, body)
        await reader.rows(current, rows)
        break
      }
      case FRAMES.closing:
        end = parsed(closing, body)
        break
      default:
        throw broken()
    }
  }
  if (!end) throw broken()
  const read = Object.fromEntries([...sums].map(([name, summer]) => [name, summer.sum()]))
  const fault = sumsFault(end.tables, read)
  if (fault) throw new Failure('malformed', `the backup contradicts itself: ${fault}`)
  return end
}

/** Where two sets of tables differ; undefined where they do not. */
export function sumsFault(wanted: Record<string, TableSum>, found: Record<string, TableSum>): string | undefined {
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    const [want, have] = [wanted[name], found[name]]
    if (!want || !have) return `${name} is ${want ? 'missing' : 'too much'}`
    if (want.rows !== have.rows) return `${name} has ${have.rows} rows in place of ${want.rows}`
    if (want.hash !== have.hash) return `the ${want.rows} rows of ${name} are not the same`
  }
  return undefined
}

function broken(): Failure {
  return new Failure('malformed', 'the backup is not written as this program writes one')
}

function parsed<T>(schema: z.ZodType<T>, body: Buffer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')))
  } catch (cause) {
    throw new Failure('malformed', 'the backup is not written as this version writes one', { cause })
  }
}

async function* framesOf(octets: AsyncIterable<Buffer>): AsyncGenerator<{ kind: number; body: Buffer }> {
  let waiting: Buffer[] = []
  let size = 0
  let wanted = 5
  for await (const piece of octets) {
    waiting.push(piece)
    size += piece.length
    if (size < wanted) continue
    let all = Buffer.concat(waiting)
    for (;;) {
      wanted = all.length < 5 ? 5 : 5 + all.readUInt32BE(1)
      if (wanted > LONGEST) throw broken()
      if (all.length < wanted) break
      yield { kind: all.readUInt8(), body: all.subarray(5, wanted) }
      all = all.subarray(wanted)
    }
    waiting = [all]
    size = all.length
  }
  if (size > 0) throw broken()
}
