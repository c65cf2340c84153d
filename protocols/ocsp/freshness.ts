import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** How long a cache may answer for us without asking again, in seconds: as long as a revocation may stay unseen there. */
const CACHE_SECONDS = 300

/** What names an answer for caches (RFC 9919 section 7.2); none of it depends on when it is given out. */
export interface Validators {
  /** The SHA-256 of the OCSPResponse in hex, in quotes. */
  tag: string
  /** thisUpdate as an HTTP date. */
  modified: string
}

export function validatorsOf(der: Buffer, thisUpdate: Date): Validators {
  const tag = `"${createHash('sha256').update(der).digest('hex')}"`
  return { tag, modified: thisUpdate.toUTCString() }
}

/** For how many seconds a cache may give an answer out: for a short time, less than is left of it. */
export function maxAge(nextUpdate: Date, now: Date): number {
  const left = Math.ceil((nextUpdate.getTime() - now.getTime()) / 1000) - 1
  return Math.max(0, Math.min(CACHE_SECONDS, left))
}

/** Cache-Control of a signed answer that is for everybody: never no-cache or no-store (RFC 9919 section 7.2). */
export function cacheControl(seconds: number): string {
  return `max-age=${seconds}, public, no-transform, must-revalidate`
}

/**
 * Whether the client has this very answer (RFC 9110 section 13.2.2): by If-None-Match, and only without it by date. A date
 * that names the second of two answers says nothing: then the whole answer is sent.
 */
export function isUnchanged(
  headers: IncomingHttpHeaders,
  { tag, modified }: Validators,
  { settled, thisUpdate }: { settled: boolean; thisUpdate: Date },
): boolean {
  const wanted = headers['if-none-match']
  if (wanted !== undefined) return wanted === tag || names(wanted, tag)
  const since = headers['if-modified-since']
  if (since === undefined) return false
  if (since === modified) return settled
  const at = Date.parse(since)
  return settled ? thisUpdate.getTime() <= at : thisUpdate.getTime() < at
}

/** Compared weakly, as RFC 9110 section 13.1.2 has it. */
function names(list: string, tag: string): boolean {
  return list.trim() === '*' || list.split(',').some((entry) => entry.trim().replace(/^W\//, '') === tag)
}
