import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Failure } from '../failure.ts'

const PATIENCE = 5_000
const LARGEST = 256 * 1024

/** What a host is held against before it is asked. */
export interface HostGuard {
  /** Why an address may not be asked; undefined where it may, and for a name: what that leads to `lookup` holds against the same. */
  refusal(host: string): Error | undefined
  lookup: LookupFunction
}

/** Where a provider's endpoints may be: the guard for a host, none for one that may be anywhere. */
export type OidcReach = (host: string) => HostGuard | undefined

export interface Asking {
  /** Absent: anywhere. */
  reach?: OidcReach | undefined
  /** Posted; absent: it is a GET. */
  form?: { body: URLSearchParams; authorization?: string }
}

/** Whether what comes from there can be believed: over TLS, or from this very machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username || password) return false
  if (protocol === 'https:') return true
  return protocol === 'http:' && isThisMachine(hostname)
}

/** By the name alone, as a URL has it. */
export function isThisMachine(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}

/**
 * Asks the provider for a JSON object: within five seconds, of at most 256 KiB, from exactly that address (no redirect is
 * followed), where that may be reached. Answers the status with it. Throws Failure('unavailable').
 */
export async function fetchJson(url: string, asking: Asking = {}): Promise<{ status: number; body: unknown }> {
  if (!isSafeUrl(url)) throw unavailable(url, 'it is neither https nor on this machine')
  try {
    const { status, text } = await exchange(new URL(url), asking)
    if (status >= 300 && status < 400) throw new Error('it leads elsewhere, where nobody follows')
    return { status, body: JSON.parse(text) }
  } catch (error) {
    throw unavailable(url, 'it did not answer, or not with JSON', error)
  }
}

async function exchange(url: URL, { reach, form }: Asking): Promise<{ status: number; text: string }> {
  const guard = reach?.(url.hostname)
  const refused = guard?.refusal(url.hostname)
  if (refused) throw refused
  const body = form?.body.toString()
  const options: RequestOptions = {
    method: form ? 'POST' : 'GET',
    agent: false,
    headers: {
      'User-Agent': 'countersign',
      Accept: 'application/json',
      ...(form?.authorization === undefined ? {} : { Authorization: form.authorization }),
      ...(body === undefined
        ? {}
        : { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': Buffer.byteLength(body) }),
    },
    ...(guard ? { lookup: guard.lookup } : {}),
  }
  return new Promise((resolve, reject) => {
    const outgoing = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options)
    const refuse = (error: Error) => {
      clearTimeout(late)
      outgoing.destroy()
      reject(error)
    }
    const late = setTimeout(() => refuse(new Error(`no answer within ${PATIENCE / 1000} seconds`)), PATIENCE)
    outgoing.on('error', refuse)
    outgoing.once('response', (incoming) => {
      const parts: Buffer[] = []
      let length = 0
      incoming.on('data', (part: Buffer) => {
        length += part.length
        if (length > LARGEST) refuse(new Error(`an answer of more than ${LARGEST} octets`))
        else parts.push(part)
      })
      incoming.once('error', refuse)
      incoming.once('close', () => refuse(new Error('it broke off')))
      incoming.once('end', () => {
        clearTimeout(late)
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') })
      })
    })
    outgoing.end(body)
  })
}

function unavailable(url: string, why: string, cause?: unknown): Failure {
  const detail = 'the OpenID provider cannot be asked now: try again, or log in otherwise'
  return new Failure('unavailable', detail, { cause: cause ?? `${url}: ${why}`, retryAfter: 10 })
}
