import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { issuerHashes } from '../../src/pki/ocsp.ts'
import { expectStatus } from '../helpers/acmeClient.ts'
import type { Countersign } from './countersign.ts'
import { issue, prepare } from './issuance.ts'
import { type Account, clientOf, openAccount } from './measure.ts'
import { ocspRequest } from './ocspCases.ts'
import { getRequest, play, postRequest } from './ocspClient.ts'
import type { Responder } from './responder.ts'

/** What the clients have done so far. */
export interface Done {
  issued: number
  revoked: number
  answered: number
  failed: number
  /** What failed last. */
  failure: unknown
}

interface Options {
  clients: number
  /** Issuances a second, of all clients together. */
  rate: number
}

type Client = Awaited<ReturnType<typeof clientOf>>

/** Questions over OCSP for each certificate, half of them with a nonce. */
const ASKED = 4
/** One certificate of so many is revoked. */
const REVOKED = 10
/** OCSP is asked about one of so many that were issued last. */
const RECENT = 1_000
/** Milliseconds for an answer, and for what the clients are at when the load ends: other work may keep the server from its core. */
const PATIENCE = 120_000
const ENDED_WITHIN = 10_000

/**
 * Issuances at a fixed rate by clients with an account each, so that none meets the limit of an account within a day, with questions over OCSP
 * and revocations between them. Who is late does not catch up. What fails is counted, and the client goes on with new connections.
 */
export async function startLoad(server: Countersign, responder: Responder, { clients, rate }: Options) {
  const done: Done = { issued: 0, revoked: 0, answered: 0, failed: 0, failure: undefined }
  const ending = new AbortController()
  const { signal } = ending
  const work = worker(server, responder, done)
  const every = (clients * 1_000) / rate
  const run = async (account: Account, first: number) => {
    let client: Client | undefined
    for (let due = first; ; due = Math.max(due + every, performance.now())) {
      await delay(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => {})
      if (signal.aborted) break
      try {
        client ??= await clientOf(account, { timeout: PATIENCE })
        await inTime(work(client))
      } catch (error) {
        done.failed++
        done.failure = error
        client?.connection.close()
        client = undefined
      }
    }
    client?.connection.close()
  }
  const accounts: Account[] = []
  for (let n = 0; n < clients; n++) accounts.push(await openAccount(server, responder, { timeout: PATIENCE }))
  const start = performance.now()
  const running = accounts.map((account, n) => run(account, start + (n * 1_000) / rate))
  return {
    done,
    async stop() {
      ending.abort()
      await Promise.race([Promise.all(running), delay(ENDED_WITHIN, undefined, { ref: false })])
    },
  }
}

/** One issuance and what comes with it. */
function worker({ httpPort }: Countersign, responder: Responder, done: Done) {
  const recent: { serial: string; hashes: ReturnType<typeof issuerHashes> }[] = []
  let hashes: ReturnType<typeof issuerHashes> | undefined
  const question = (n: number): Buffer => {
    const about = recent[randomInt(recent.length)]
    if (!about) throw new Error('nothing was issued')
    if (n % 2 === 1) return postRequest('/ocsp/issuing', ocspRequest({ ...about, nonce: randomBytes(32) }))
    return getRequest(`/ocsp/issuing/${encodeURIComponent(ocspRequest(about).toString('base64'))}`)
  }
  return async ({ client }: Client): Promise<void> => {
    const { certificate } = await issue(client, prepare(), responder)
    const [leaf = Buffer.alloc(0), issuer = Buffer.alloc(0)] = dersOf(certificate)
    hashes ??= issuerHashes(readCertificate(issuer))
    recent.push({ serial: readCertificate(leaf).serial, hashes })
    if (recent.length > RECENT) recent.shift()
    const nth = ++done.issued
    const questions = Array.from({ length: ASKED }, (_, n) => question(n))
    await play({ port: httpPort }, questions.values(), 1, (answer) => {
      if (!answer.toString('latin1', 0, 12).endsWith('200') || answer.length < 300)
        throw new Error(`OCSP: ${answer.toString('latin1')}`)
      done.answered++
    })
    if (nth % REVOKED !== 0) return
    const asked = { certificate: leaf.toString('base64url'), reason: 4 }
    expectStatus(await client.post(client.directory.revokeCert ?? '', asked), 200)
    done.revoked++
  }
}

function dersOf(pem: string): Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)
  return [...blocks].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
}

/** What waits for the server to come to the responder has no time-out of its own. */
async function inTime(work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const late = delay(PATIENCE, undefined, { signal: over.signal, ref: false }).then(() => {
    throw new Error(`not done after ${PATIENCE} ms`)
  })
  try {
    await Promise.race([work, late])
  } finally {
    over.abort()
  }
}
