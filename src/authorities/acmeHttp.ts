import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Failure } from '../core/failure.ts'

/** Of a whole exchange, connecting and reading. */
const timeout = 15_000
/** A chain of many certificates has some 20 KB. */
const largest = 512 * 1024

/** Where upstream CAs may be. */
export interface AcmeReach {
  /** Why an address may not be asked; undefined where it may, and for a name: what that leads to `lookup` holds against the same. */
  refusal(host: string): Error | undefined
  lookup: LookupFunction
}

export interface Asking {
  method: 'GET' | 'HEAD' | 'POST'
  url: URL
  body?: string
  /** PEM of whom to trust; absent: the roots of the system. */
  ca?: string
  /** Absent: anywhere. */
  reach?: AcmeReach
}

export interface Answered {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/**
 * One exchange with an upstream CA. Redirects are not followed, certificates are always verified, and an answer of more than 512 KiB, or one
 * that takes longer than 15 seconds, is none. Throws Failure('unavailable').
 */
export function ask({ method, url, body, ca, reach }: Asking): Promise<Answered> {
  const refused = reach?.refusal(url.hostname)
  if (refused) return Promise.reject(new Failure('unavailable', `the upstream CA cannot be asked: ${refused.message}`))
  const options: RequestOptions & { ca?: string } = {
    method,
    agent: false,
    headers: {
      'User-Agent': 'countersign',
      Accept: '*/*',
      'Accept-Language': 'en',
      ...(body === undefined
        ? {}
        : { 'Content-Type': 'application/jose+json', 'Content-Length': Buffer.byteLength(body) }),
    },
    ...(ca === undefined ? {} : { ca }),
    ...(reach ? { lookup: reach.lookup } : {}),
  }
  return new Promise((resolve, reject) => {
    const outgoing = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options)
    const refuse = (what: string, cause?: unknown) => {
      clearTimeout(late)
      outgoing.destroy()
      reject(new Failure('unavailable', `the upstream CA at ${url.host} ${what}`, { cause }))
    }
    const late = setTimeout(() => refuse(`did not answer within ${timeout / 1000} seconds`), timeout)
    outgoing.once('error', (error) => refuse(`cannot be reached: ${error.message}`, error))
    outgoing.once('response', (incoming) => {
      const parts: Buffer[] = []
      let size = 0
      incoming.on('data', (part: Buffer) => {
        size += part.length
        if (size > largest) refuse(`answered with more than ${largest} octets`)
        else parts.push(part)
      })
      incoming.once('error', (error) => refuse(`broke off: ${error.message}`, error))
      incoming.once('close', () => refuse('broke off'))
      incoming.once('end', () => {
        clearTimeout(late)
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(parts) })
      })
    })
    outgoing.end(body)
  })
}
