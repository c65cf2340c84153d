import { createHash } from 'node:crypto'
import { decodeBase64url } from './base64url.ts'
import { parseIssueValue } from './caaRecord.ts'
import { quote, ValidationFailure } from './outcome.ts'
import type { Reach } from './reach.ts'

/** Whom a dns-persist-01 record must name (draft-ietf-acme-dns-persist-02). */
export interface PersistTerms {
  /** The issuer domain names that the challenge offered: at least one, in lower case. */
  issuers: readonly string[]
  accountUrl: string
  /** accountHashPrefix of the directory. */
  prefix: string
  /** RFC 7638 thumbprints of the account's keys: that of today first, the newest of the others next. */
  thumbprints: readonly string[]
  wildcard: boolean
  now: Date
}

interface Found {
  /** Epoch milliseconds after which the record does not count; undefined: it has no end. */
  until: number | undefined
}

/** A name with a hundred labels must not make a hundred questions. */
const MAX_PARENTS = 8
/** A record above a name speaks for it (section 6), but none at the top of the tree does: that would be one for everybody's names. */
const MIN_LABELS = 2
const HASH = 'sha-256'
const HASH_OCTETS = 32

/**
 * Looks for a record of the name itself, or for one of a name above it that says policy=wildcard. `name` without "*.".
 * Answers until when the proof may count at most. Throws ValidationFailure: what is wrong with the records of the name itself.
 */
export async function validateDnsPersist01(
  name: string,
  terms: PersistTerms,
  { lookup, deadline }: Reach,
): Promise<Found> {
  const failures: unknown[] = []
  for (const owner of [name, ...parents(name)]) {
    try {
      const values = await lookup.texts(`_validation-persist.${owner}`, deadline)
      return judgeRecords(values, owner, { ...terms, wide: terms.wildcard || owner !== name })
    } catch (error) {
      if (!(error instanceof ValidationFailure)) throw error
      failures.push(error)
      if (deadline.remaining() === 0) break
    }
  }
  throw failures[0]
}

function parents(name: string): string[] {
  const labels = name.split('.')
  const last = Math.min(labels.length - MIN_LABELS, MAX_PARENTS)
  return Array.from({ length: Math.max(0, last) }, (_, above) => labels.slice(above + 1).join('.'))
}

interface Judging extends PersistTerms {
  /** The record must say policy=wildcard. */
  wide: boolean
}

/** Section 4.3.2: any record that fulfils everything will do; records for other issuers are passed over. */
export function judgeRecords(values: readonly string[], owner: string, terms: Judging): Found {
  const at = `_validation-persist.${owner}`
  const accepted = new Set(hashedUris(owner, terms))
  let found: Found | undefined
  let failure: ValidationFailure | undefined
  for (const value of values) {
    try {
      const record = judgeRecord(value, accepted, terms)
      if (record && (!found || (record.until ?? Number.POSITIVE_INFINITY) > (found.until ?? Number.POSITIVE_INFINITY)))
        found = record
    } catch (error) {
      if (!(error instanceof ValidationFailure)) throw error
      failure ??= new ValidationFailure(error.type, `a TXT record of ${at} ${error.message}`, true)
    }
  }
  if (found) return found
  if (failure) throw failure
  throw new ValidationFailure(
    'unauthorized',
    `no TXT record of ${at} names ${terms.issuers.map((issuer) => `"${issuer}"`).join(' or ')}; there is ${values.slice(0, 3).map(quote).join(', ')}`,
    true,
  )
}

/** undefined: for another issuer, or no record of this kind at all. Throws ValidationFailure, section 9.3.1. */
function judgeRecord(value: string, accepted: ReadonlySet<string>, terms: Judging): Found | undefined {
  const parsed = parseIssueValue(value)
  if (!parsed) {
    // Malformed, but is it meant for us? As far as the first semicolon it may still be read.
    const issuer = parseIssueValue(value.split(';')[0] ?? '')?.issuer
    if (issuer === undefined || !terms.issuers.includes(issuer)) return undefined
    throw new ValidationFailure('malformed', `is not written as RFC 8659 section 4.2 says: ${quote(value)}`)
  }
  if (!terms.issuers.includes(parsed.issuer)) return undefined
  const parameters = new Map(parsed.parameters.map(({ tag, value: content }) => [tag, content]))
  if (parameters.size < parsed.parameters.length) throw new ValidationFailure('malformed', 'has a parameter twice')
  const until = readUntil(parameters.get('persistuntil'))
  checkUri(parameters.get('accounturi'), accepted, terms)
  if (until !== undefined && terms.now.getTime() > until)
    throw new ValidationFailure('unauthorized', `ended with its persistUntil, ${new Date(until).toISOString()}`)
  if (terms.wide && parameters.get('policy')?.toLowerCase() !== 'wildcard')
    throw new ValidationFailure('unauthorized', 'speaks for that one name only: it lacks policy=wildcard')
  return { until }
}

/** Seconds since 1970, to milliseconds. What lies beyond the dates of JavaScript never ends. */
function readUntil(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^-?\d+$/.test(text))
    throw new ValidationFailure('malformed', `has a persistUntil that is no integer: ${quote(text)}`)
  const ms = Number(text) * 1000
  return ms > 8.64e15 ? undefined : Math.max(ms, 0)
}

function checkUri(uri: string | undefined, accepted: ReadonlySet<string>, { prefix }: Judging): void {
  if (uri === undefined) throw new ValidationFailure('malformed', 'has no accounturi')
  if (accepted.has(uri)) return
  const [algorithm, hash = '', ...rest] = uri.startsWith(prefix) ? uri.slice(prefix.length).split('/') : []
  if (algorithm === undefined || rest.length > 0)
    throw new ValidationFailure('malformed', `has an accounturi that is not below ${prefix}: ${quote(uri)}`)
  if (algorithm !== HASH) throw new ValidationFailure('malformed', `hashes with ${quote(algorithm)}; use ${HASH}`)
  if (decodeBase64url(hash)?.length !== HASH_OCTETS)
    throw new ValidationFailure('malformed', `has an accounturi without a hash of ${HASH}: ${quote(uri)}`)
  throw new ValidationFailure('unauthorized', `is for another account, name or key: ${quote(uri)}`)
}

/** Section 4.1: for each key, for this name and for the form that any name may use. */
function* hashedUris(owner: string, { accountUrl, prefix, thumbprints }: PersistTerms): Generator<string> {
  for (const thumbprint of thumbprints)
    for (const domain of [owner, '*']) yield `${prefix}${HASH}/${accountHash(domain, thumbprint, accountUrl)}`
}

/** base64url of SHA-256(length of the domain, domain, thumbprint, account URL), section 4.1. */
export function accountHash(domain: string, thumbprint: string, accountUrl: string): string {
  const hash = createHash('sha256').update(Buffer.of(domain.length)).update(domain)
  return hash.update(thumbprint).update(accountUrl).digest('base64url')
}
