import type { KeyObject } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { type Directory, directoryUrl, readDirectory } from './acmeDirectory.ts'
import { type AcmeReach, type Answered, ask } from './acmeHttp.ts'
import { jwkOf, signJws } from './acmeJws.ts'
import { readProblem, refusalOf } from './acmeProblem.ts'

export interface SessionOptions {
  /** URL of the directory. */
  directory: string
  caPem?: string
  key: KeyObject
  /** Account URL; absent: requests name the key itself. */
  account?: string
  /** Absent: the CA may be anywhere. */
  reach?: AcmeReach
}

/** Signed requests to one CA under one account. */
export interface Session {
  /** Kept for ten minutes. */
  directory(): Promise<Directory>
  /** Asks anew. */
  freshDirectory(): Promise<Directory>
  /** `payload` undefined: POST-as-GET. Throws Failure. */
  post(url: URL, payload?: unknown): Promise<Answered>
}

const kept = 600_000
/** Nonces that were given and not used; a CA forgets them. */
const mostNonces = 20
const nonceTries = 4

export function openSession({ directory: from, caPem, key, account, reach }: SessionOptions): Session {
  const how = { ...(caPem === undefined ? {} : { ca: caPem }), ...(reach ? { reach } : {}) }
  const nonces: string[] = []
  let known: { directory: Directory; until: number } | undefined

  const freshDirectory = async () => {
    const url = directoryUrl(from)
    const answer = await ask({ method: 'GET', url, ...how })
    if (answer.status !== 200) throw refusalOf(answer, problemOf(answer), url.host)
    const directory = readDirectory(jsonOf(answer), url)
    known = { directory, until: Date.now() + kept }
    return directory
  }
  const directory = async () => (known && Date.now() < known.until ? known.directory : freshDirectory())

  const keepNonce = ({ headers }: Answered) => {
    const nonce = headers['replay-nonce']
    if (typeof nonce === 'string' && /^[\w-]{1,500}$/.test(nonce)) nonces.push(nonce)
    if (nonces.length > mostNonces) nonces.shift()
  }
  const nextNonce = async () => {
    const spare = nonces.pop()
    if (spare !== undefined) return spare
    const { newNonce: url } = await directory()
    const answer = await ask({ method: 'HEAD', url, ...how })
    keepNonce(answer)
    const nonce = nonces.pop()
    if (nonce === undefined) throw new Failure('unavailable', `the upstream CA at ${url.host} gives no nonce`)
    return nonce
  }

  const post = async (url: URL, payload?: unknown): Promise<Answered> => {
    for (let tries = 1; ; tries++) {
      const who = account === undefined ? { jwk: jwkOf(key) } : { kid: account }
      const body = signJws(key, { ...who, nonce: await nextNonce(), url: url.href }, payload)
      const answer = await ask({ method: 'POST', url, body, ...how })
      keepNonce(answer)
      if (answer.status >= 200 && answer.status < 300) return answer
      const problem = problemOf(answer)
      if (problem?.type !== 'badNonce' || tries >= nonceTries) throw refusalOf(answer, problem, url.host)
    }
  }
  return { directory, freshDirectory, post }
}

function problemOf(answer: Answered) {
  if (!answer.headers['content-type']?.startsWith('application/problem+json')) return undefined
  try {
    return readProblem(JSON.parse(answer.body.toString('utf8')))
  } catch {
    return undefined
  }
}

/** The object in an answer. Throws Failure('unavailable'). */
export function jsonOf({ body }: Answered): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw new Failure('unavailable', 'the upstream CA answers with something that is no JSON object')
}
