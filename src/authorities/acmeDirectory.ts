import { Failure } from '../core/failure.ts'

/** A directory (RFC 8555 section 7.1.1), and where its CA may send us. */
export interface Directory {
  newNonce: URL
  newAccount: URL
  newOrder: URL
  revokeCert?: URL
  termsOfService?: string
  externalAccountRequired: boolean
  /** Throws Failure('unavailable') for a link to another place than the directory's own and those that it lists. */
  link(value: unknown, what: string): URL
}

/** Whether a host of a URL is this machine itself. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * The URL of a directory as an administrator gives it: https, or http on this machine itself. Throws Failure('malformed').
 */
export function directoryUrl(text: string): URL {
  const url = readUrl(text)
  if (!url || !isSafe(url))
    throw new Failure(
      'malformed',
      'the directory is a URL with https, without user and fragment; http only on this machine itself',
    )
  return url
}

function readUrl(value: unknown): URL | undefined {
  if (typeof value !== 'string' || value.length > 2_000 || !URL.canParse(value)) return undefined
  return new URL(value)
}

function isSafe({ protocol, username, password, hash, hostname }: URL): boolean {
  if (username !== '' || password !== '' || hash !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/**
 * Reads a directory that was found at `from`. Its resources may stand on other hosts; what the CA names later stands on one of
 * these, and a directory with https leads to https alone. Throws Failure('unavailable').
 */
export function readDirectory(value: unknown, from: URL): Directory {
  if (typeof value !== 'object' || value === null) throw broken(from, 'is no JSON object')
  const entries = value as Record<string, unknown>
  const entry = (name: string) => {
    const url = readUrl(entries[name])
    if (!url) throw broken(from, `has no usable ${name}`)
    if (!isSafe(url) || (from.protocol === 'https:' && url.protocol !== 'https:'))
      throw broken(from, `sends us to ${url.origin} for ${name}, which is not safe`)
    return url
  }
  const resources = {
    newNonce: entry('newNonce'),
    newAccount: entry('newAccount'),
    newOrder: entry('newOrder'),
    ...(entries.revokeCert === undefined ? {} : { revokeCert: entry('revokeCert') }),
  }
  const origins = new Set([from, ...Object.values(resources)].map(({ origin }) => origin))
  const meta = (typeof entries.meta === 'object' && entries.meta !== null ? entries.meta : {}) as Record<
    string,
    unknown
  >
  return {
    ...resources,
    ...(typeof meta.termsOfService === 'string' ? { termsOfService: meta.termsOfService } : {}),
    externalAccountRequired: meta.externalAccountRequired === true,
    link(value, what) {
      const url = readUrl(value)
      if (url?.username !== '' || url.password !== '' || !origins.has(url.origin))
        throw new Failure(
          'unavailable',
          `the upstream CA at ${from.host} names a URL of its ${what} that is none of its own`,
        )
      return url
    },
  }
}

function broken({ host }: URL, what: string): Failure {
  return new Failure('unavailable', `the ACME directory at ${host} ${what}`)
}
