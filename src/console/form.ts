import type { IncomingMessage } from 'node:http'
import { Failure } from '../core/failure.ts'
import { readBody } from '../http/body.ts'

/** The fields of a form that was posted. A text longer than its limit, or one that is missing, is refused by the field's name. */
export class Form {
  readonly #data: FormData

  constructor(data: FormData = new FormData()) {
    this.#data = data
  }

  /** Trimmed; undefined when empty or absent. Throws Failure('malformed') for more than `limit` characters. */
  text(name: string, limit = 2000): string | undefined {
    const value = this.#data.get(name)
    if (typeof value !== 'string') return undefined
    const text = value.trim()
    if (text.length > limit) throw new Failure('malformed', `${name}: at most ${limit} characters`)
    if (text.includes('\0')) throw unstorable(name)
    return text === '' ? undefined : text
  }

  /** As `text`; `label` names the field to the reader. Throws Failure('malformed') when it is empty. */
  need(name: string, label: string, limit = 2000): string {
    const text = this.text(name, limit)
    if (text === undefined) throw new Failure('malformed', `${label} is missing`)
    return text
  }

  /** As it was typed: for passwords. */
  raw(name: string, limit = 2000): string {
    const value = this.#data.get(name)
    if (typeof value !== 'string') return ''
    if (value.length > limit) throw new Failure('malformed', `${name}: at most ${limit} characters`)
    return value
  }

  /** Every value of a name: checkboxes, rows chosen for a bulk action. Throws Failure('malformed') for more than `most`. */
  all(name: string, most = 200): string[] {
    const values = this.#data.getAll(name).filter((value): value is string => typeof value === 'string')
    if (values.some((value) => value.includes('\0'))) throw unstorable(name)
    if (values.length > most) throw new Failure('malformed', `${name}: at most ${most} at once`)
    return values
  }

  checked(name: string): boolean {
    return this.#data.has(name)
  }

  /** The octets of a file that was chosen; undefined without one. */
  async file(name: string): Promise<Buffer | undefined> {
    const value = this.#data.get(name)
    if (typeof value === 'string' || value === null || value.size === 0) return undefined
    return Buffer.from(await value.arrayBuffer())
  }

  /** The first value of each name: to fill a form in again. Without the controls that HTML cannot have, and without private keys, which nobody asked for. */
  values(): Record<string, string> {
    const values: Record<string, string> = {}
    for (const [name, value] of this.#data)
      if (typeof value === 'string' && !privateKey.test(value))
        values[name] ??= value.replace(/(?![\t\n\r])\p{Cc}/gu, '')
    return values
  }
}

const privateKey = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/

function unstorable(name: string): Failure {
  return new Failure('malformed', `${name}: the character U+0000 is in it, which no text has`)
}

/** Reads and parses what a form posts, of at most `limit` octets. Throws Failure: tooLarge, unsupportedMediaType, malformed. */
export async function readForm(incoming: IncomingMessage, limit: number): Promise<Form> {
  return parseForm(await readBody(incoming, limit), incoming.headers['content-type'])
}

/** application/x-www-form-urlencoded or multipart/form-data. Throws Failure: unsupportedMediaType, malformed. */
export async function parseForm(body: Buffer, type: string | undefined): Promise<Form> {
  const [essence] = (type ?? '').toLowerCase().split(';')
  const known = ['application/x-www-form-urlencoded', 'multipart/form-data']
  if (!known.includes((essence ?? '').trim())) throw new Failure('unsupportedMediaType', 'post a form')
  try {
    return new Form(await new Response(new Uint8Array(body), { headers: { 'Content-Type': type ?? '' } }).formData())
  } catch (cause) {
    throw new Failure('malformed', 'the form cannot be read', { cause })
  }
}
