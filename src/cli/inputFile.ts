import { closeSync, openSync, readSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { Failure } from '../core/failure.ts'

/** Octets of a file, of standard input for `-`. Throws Failure('malformed'). */
export function readBytes(file: string, most = largest): Buffer {
  try {
    return readBounded(file === '-' ? 0 : file, most)
  } catch (cause) {
    if (cause instanceof Failure) throw new Failure(cause.code, `${file}: ${cause.detail}`, { cause })
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    throw new Failure(
      'malformed',
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`}`,
      { cause },
    )
  }
}

/** What most operations take at most, and what a device without an end is stopped at. */
const largest = 8 * 1024 * 1024

function readBounded(file: string | number, most: number): Buffer {
  const from = typeof file === 'number' ? file : openSync(file, 'r')
  const chunks: Buffer[] = []
  try {
    for (let size = 0; ; ) {
      const chunk = Buffer.alloc(64 * 1024)
      const read = readSome(from, chunk)
      if (read === 0) return Buffer.concat(chunks)
      size += read
      if (size > most) throw new Failure('malformed', `it is longer than ${most} octets`)
      chunks.push(chunk.subarray(0, read))
    }
  } finally {
    if (from !== file) closeSync(from)
  }
}

/** Standard input may have nothing yet, or have ended as a terminal ends. */
function readSome(from: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(from, chunk)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'EOF') return 0
      if (code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

export function readText(file: string): string {
  return readBytes(file).toString('utf8')
}

let inputLines: string[] | undefined

/** The first line of a file, for a password or a token; for `-` the next line of standard input, which may hold several. */
export function readSecret(file: string): string {
  if (file === '-') inputLines ??= readText(file).split(/\r?\n/)
  const line = (file === '-' ? inputLines?.shift() : readText(file).split(/\r?\n/)[0]) ?? ''
  if (line === '')
    throw new Failure(
      'malformed',
      file === '-' ? 'there is no line left on standard input' : `${file}: its first line is empty`,
    )
  return line
}

/** YAML, of which JSON is a part. Throws Failure('malformed') with the place. */
export function readYaml(file: string): unknown {
  const document = parseDocument(readText(file), { prettyErrors: true, uniqueKeys: true })
  const [broken] = document.errors
  if (broken) throw new Failure('malformed', `${file}: ${broken.message.split('\n')[0]}`)
  return document.toJS({ maxAliasCount: 100 })
}
