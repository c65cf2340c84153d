import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { Failure } from '../core/failure.ts'

/** Octets of a file, of standard input for `-`. Throws Failure('malformed'). */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    throw new Failure(
      'malformed',
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`}`,
      { cause },
    )
  }
}

export function readText(file: string): string {
  return readBytes(file).toString('utf8')
}

/** The first line of a file, for a password or a token. */
export function readSecret(file: string): string {
  const [line = ''] = readText(file).split(/\r?\n/)
  if (line === '') throw new Failure('malformed', `${file}: its first line is empty`)
  return line
}

/** YAML, of which JSON is a part. Throws Failure('malformed') with the place. */
export function readYaml(file: string): unknown {
  const document = parseDocument(readText(file), { prettyErrors: true, uniqueKeys: true })
  const [broken] = document.errors
  if (broken) throw new Failure('malformed', `${file}: ${broken.message.split('\n')[0]}`)
  return document.toJS({ maxAliasCount: 100 })
}
