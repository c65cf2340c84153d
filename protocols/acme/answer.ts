import { type AcmeError, problemOf } from './errors.ts'
import { urls } from './urls.ts'

/** What an operation answers; the headers that all answers share are added when it is sent. */
export interface Answer {
  status: 200 | 201 | 204
  json?: unknown
  /** application/pem-certificate-chain */
  pem?: string
  location?: string
  /** Whole seconds: some clients cannot read a date (RFC 9110 section 10.2.3 allows both), which only chaos sends. */
  retryAfter?: number | string
  /** Link headers beside rel="index". */
  links?: string[]
  /** Default: no-store. */
  cacheControl?: string
  /** The directory links to itself as little as a start page does. */
  noIndex?: boolean
}

/** What goes out with an answer, beside what it says itself. */
interface Envelope {
  /** Of the profile whose directory is linked; undefined where the URL names none. */
  root: string | undefined
  /** On every answer to a POST (RFC 8555 section 6.5). */
  nonce: string | undefined
}

const shared = {
  // RFC 8555 section 6.1.
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Link, Location, Replay-Nonce, Retry-After',
}

export function link(url: string, relation: string): string {
  return `<${url}>;rel="${relation}"`
}

export function send(answer: Answer, { root, nonce }: Envelope): Response {
  const { status, json, pem, location, retryAfter, noIndex, links: more } = answer
  const links = root === undefined || noIndex ? [] : [link(urls.directory(root), 'index')]
  if (more) links.push(...more)
  // One by one and not by spreads: this is made for every answer (docs/decisions/hot-path.md).
  const headers: Record<string, string | string[]> = {
    'Access-Control-Allow-Origin': shared['Access-Control-Allow-Origin'],
    'Access-Control-Expose-Headers': shared['Access-Control-Expose-Headers'],
    'Cache-Control': answer.cacheControl ?? 'no-store',
  }
  if (json !== undefined) headers['Content-Type'] = 'application/json'
  else if (pem !== undefined) headers['Content-Type'] = 'application/pem-certificate-chain'
  if (links.length > 0) headers.Link = links
  if (nonce !== undefined) headers['Replay-Nonce'] = nonce
  if (location !== undefined) headers.Location = location
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter)
  return respond(status, json === undefined ? pem : JSON.stringify(json), headers)
}

export function sendProblem(error: AcmeError, { root, nonce }: Envelope): Response {
  const { retryAfter, headers, links = [] } = error.options
  const all = [...(root === undefined ? [] : [link(urls.directory(root), 'index')]), ...links]
  return respond(error.status, JSON.stringify(problemOf(error)), {
    ...shared,
    'Cache-Control': 'no-store',
    'Content-Type': 'application/problem+json',
    ...(all.length > 0 ? { Link: all } : {}),
    ...(nonce === undefined ? {} : { 'Replay-Nonce': nonce }),
    ...(retryAfter === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfter))) }),
    ...headers,
  })
}

/**
 * The node adapter hands plain headers to writeHead as they are, which sends an array as separate lines, as clients need that split Link
 * at no comma; Headers would join them. A Response that is made real joins them too: legal, and only slower.
 */
function respond(status: number, body: string | undefined, headers: Record<string, string | string[]>): Response {
  return new Response(body ?? null, { status, headers: headers as Record<string, string> })
}
