import { isAbsolute, normalize } from 'node:path'
import { z } from 'zod'
import { parseCidr, parseIp } from '../pki/identifier.ts'

/** A setting as it stands in YAML or, always as text, in the environment. `what` completes the sentence "it must be …". */
function field<T>(what: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context) => {
    const known = read(value)
    if (known !== undefined) return known
    context.addIssue({ code: 'custom', message: `must be ${what}` })
    return z.NEVER
  })
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

export const port = (least: 0 | 1) =>
  field(`a port number, ${least} to 65535`, (value) => {
    const number = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isInteger(number)) return undefined
    return number >= least && number <= 65_535 ? number : undefined
  })

export const flag = field('true or false', (value) => {
  if (typeof value === 'boolean') return value
  return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : undefined
})

export const listenAddress = field('an IP address of this machine, 0.0.0.0 or :: for all, or localhost', (value) => {
  const name = text(value)
  if (name === 'localhost') return '127.0.0.1'
  return name !== undefined && parseIp(name) ? name : undefined
})

export const databaseUrl = field('postgres://… or the path of an SQLite file', (value) => {
  const url = text(value)
  if (url === undefined || /^postgres(ql)?:\/\/[^/]*/.test(url)) return url
  return /^[a-z][a-z0-9+.-]+:/i.test(url) ? undefined : url
})

/** Scheme, host and port; without a trailing slash. */
export const origin = (scheme: 'https' | 'http') =>
  field(`${scheme}://host or ${scheme}://host:port, without a path`, (value) => {
    const given = text(value)
    if (given === undefined || !URL.canParse(given)) return undefined
    const url = new URL(given)
    const more = url.pathname !== '/' || url.search || url.hash || url.username || url.password
    return url.protocol === `${scheme}:` && !more ? url.origin : undefined
  })

export const absolutePath = field('an absolute path', (value) => {
  const path = text(value)
  return path !== undefined && isAbsolute(path) ? normalize(path) : undefined
})

/** A program and its arguments: in YAML a sequence, in text separated by spaces. No shell reads it. */
export const command = field('the absolute path of a program, then its arguments', (value) => {
  const words = typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : value
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string' && !word.includes('\0')))
    return undefined
  const [program, ...args] = words
  return program !== undefined && isAbsolute(program) ? ([program, ...args] as const) : undefined
})

export const secret = field('32 octets in base64 or hex, or a passphrase of 12 characters and more', (value) =>
  typeof value === 'string' && value.length >= 12 ? value : undefined,
)

/** Entries of a list: in YAML a sequence, in text separated by commas or spaces. */
function entries(value: unknown): string[] | undefined {
  const list = typeof value === 'string' ? value.split(/[\s,]+/).filter(Boolean) : value
  return Array.isArray(list) && list.every((entry) => typeof entry === 'string') ? list : undefined
}

export const networks = field('addresses or networks such as 10.1.0.0/16 or ::1', (value) => {
  const list = entries(value)
  return list?.every((entry) => parseCidr(entry)) ? list : undefined
})

/** In lower case, as Node has header names. */
export const headerName = field('the name of an HTTP header', (value) => {
  const name = text(value)?.toLowerCase()
  return name !== undefined && /^[a-z0-9-]{1,64}$/.test(name) ? name : undefined
})

/** Names of kinds, networks, and either with "!" in front; which kinds there are, src/http/networks.ts knows. */
export const validationNetworks = field(
  'a list such as "public,private,10.1.0.0/16,!10.1.0.5"; kinds are public, private, loopback, link-local and others',
  (value) => {
    const list = entries(value)
    const known = (entry: string) => /^!?[a-z][a-z-]*$/i.test(entry) || parseCidr(entry.replace(/^!/, '')) !== undefined
    return list?.length && list.every(known) ? list.join(',') : undefined
  },
)

export const resolver = field('address or address:port of a name server, several separated by commas', (value) => {
  const list = entries(value)
  const known = (entry: string) => {
    const [, bracketed, plain, number] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(entry) ?? []
    if (number !== undefined && (Number(number) < 1 || Number(number) > 65_535)) return false
    return parseIp(bracketed ?? plain ?? entry) !== undefined
  }
  return list?.length && list.every(known) ? list.join(',') : undefined
})

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  const [, count, unit] = /^([1-9][0-9]{0,5})(s|m|h|d|y)$/.exec(text(value) ?? '') ?? []
  return count === undefined ? undefined : Number(count) * units[unit as keyof typeof units]
}

/** Milliseconds, written as 30m. */
export const duration = field('a length of time such as 90d, 12h or 30m', milliseconds)

/** As `duration`, or none. */
export const pause = field('a length of time such as 5s or 1m, or 0', (value) =>
  value === '0' ? 0 : milliseconds(value),
)

/** How many of something, at least one. */
export const count = field('a whole number, 1 to 1000000', (value) => {
  const number = typeof value === 'string' && /^\d{1,7}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) return undefined
  return number >= 1 && number <= 1_000_000 ? number : undefined
})

/** One line of text. */
export const line = field('a text of one line, of at most 200 characters', (value) => {
  const given = text(value)
  return given !== undefined && given.length <= 200 && !/\p{Cc}/u.test(given) ? given : undefined
})

export const names = field('a list of names', entries)

/** From texts to texts. */
export const mapping = field('texts by texts, as "text: text"', (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const pairs = Object.entries(value)
  return pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string')
    ? Object.fromEntries(pairs)
    : undefined
})

export const providerUrl = (isSafe: (url: string) => boolean) =>
  field('the https URL of a provider, as its tokens name it', (value) => {
    const url = text(value)
    return url !== undefined && isSafe(url) ? url : undefined
  })
