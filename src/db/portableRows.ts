import { createHash, type Hash } from 'node:crypto'

/** A value as both databases store it. */
export type Value = null | number | string | Buffer

export interface PortableColumn {
  name: string
  type: 'integer' | 'text' | 'blob'
}

/** A table as both databases have it. */
export interface PortableTable {
  name: string
  columns: PortableColumn[]
  /** Columns of the primary key, by which rows are read and so hashed. */
  key: string[]
}

export interface TableSum {
  rows: number
  /** SHA-256 in hex over the encoded rows, in the order of the key. */
  hash: string
}

const NULL = 0
const INTEGER = 1
const TEXT = 2
const BLOB = 3
const HIGH = 2 ** 32

/** Rows as octets, the same whichever database they came from: a tag for each value, then 8 octets, or a length of 4 and what follows. */
export function encodeRows(rows: readonly (readonly Value[])[]): Buffer {
  let size = 0
  for (const row of rows) for (const value of row) size += sizeOf(value)
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (const row of rows) for (const value of row) at = write(out, at, value)
  return out
}

function sizeOf(value: Value): number {
  if (value === null) return 1
  if (typeof value === 'number') return 9
  return 5 + Buffer.byteLength(value)
}

function write(out: Buffer, at: number, value: Value): number {
  if (value === null) return out.writeUInt8(NULL, at)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new Error(`the number ${value} cannot be carried without loss`)
    const high = Math.floor(value / HIGH)
    return out.writeUInt32BE(value - high * HIGH, out.writeInt32BE(high, out.writeUInt8(INTEGER, at)))
  }
  const length = Buffer.byteLength(value)
  const begin = out.writeUInt32BE(length, out.writeUInt8(typeof value === 'string' ? TEXT : BLOB, at))
  if (typeof value === 'string') out.write(value, begin)
  else value.copy(out, begin)
  return begin + length
}

/** Back from encodeRows. Throws RangeError or Error for what it did not write. */
export function decodeRows(octets: Buffer, columns: number): Value[][] {
  const rows: Value[][] = []
  let at = 0
  while (at < octets.length) {
    const row: Value[] = []
    for (let column = 0; column < columns; column++) {
      const tag = octets.readUInt8(at++)
      if (tag === NULL) row.push(null)
      else if (tag === INTEGER) {
        row.push(octets.readInt32BE(at) * HIGH + octets.readUInt32BE(at + 4))
        at += 8
      } else if (tag === TEXT || tag === BLOB) {
        const end = at + 4 + octets.readUInt32BE(at)
        if (end > octets.length) throw new RangeError('a value is longer than its batch')
        const part = octets.subarray(at + 4, end)
        row.push(tag === TEXT ? part.toString('utf8') : part)
        at = end
      } else throw new Error(`a value has the unknown tag ${tag}`)
    }
    rows.push(row)
  }
  return rows
}

/** Sums up the rows of one table, batch by batch. */
export function tableSummer(): { add(rows: number, encoded: Buffer): void; sum(): TableSum } {
  const hash: Hash = createHash('sha256')
  let rows = 0
  return {
    add(more, encoded) {
      rows += more
      hash.update(encoded)
    },
    sum: () => ({ rows, hash: hash.copy().digest('hex') }),
  }
}
