import type { Kysely } from 'kysely'
import { statement } from '../../src/db/tables.ts'
import { single, transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import { retiredKeys } from './accountKeys.ts'
import { type Account, findAccountById } from './accountRecord.ts'
import { type Authorization, findAuthorization, toAuthorization } from './authorizationRecord.ts'
import { checkAfterProof } from './caaCheck.ts'
import { validationDelay } from './chaos.ts'
import { AcmeError, problemOf } from './errors.ts'
import { count, counting } from './failures.ts'
import { onionNonce, validateOnionCsr01 } from './onionCsr01.ts'
import type { ChallengeType } from './options.ts'
import { authorizationStatus, type StoredStatus } from './orderRecord.ts'
import type { ValidationResult } from './outcome.ts'
import { type AcmeServer, acmeServer, VALIDATION_TIMEOUT_MS } from './server.ts'
import { type AccountRequest, rootOf } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

/** How long the answer to the client waits for the result: most settle, which saves two round trips. */
const PATIENCE_MS = 1_000
/** RFC 8555 section 8.2: the pause before the next query after one that failed for a reason that may pass. After the last, invalid. */
const PAUSES_MS = [5_000]
/** A client may ask for the next query at once, but not more often than this. */
const RETRY_GAP_MS = 2_000
/** Beyond its time-out, before a query whose process has died is made again. */
const GRACE_MS = 5_000
/** Before a query for which there was no room is made. */
const TURN_MS = 1_000

/** One query: its number is that of the failed ones before it, so that each counts once, whoever makes it. */
interface Query {
  own: Authorization
  type: ChallengeType
  account: Account
  /** The profile's base URL, and the account's own. */
  root: string
  accountUrl: string
  /** What onion-csr-01 was answered with. */
  csr?: Buffer
}

/** What the client answered a challenge with. */
export interface Response {
  type: ChallengeType
  csr?: Buffer
}

/** Validates now, within the request if that is quick. Answers the authorization as it then is; still pending: the rest is done without the client. */
export async function respond(
  { server, account, root, now }: AccountRequest,
  read: Authorization,
  response: Response,
): Promise<Authorization> {
  const running = server.queries.get(read.id)
  // Read before a query ended that has ended since: what it came to counts, and it is not made again.
  const own =
    !running && server.ended.has(read.id) ? ((await findAuthorization(server.host.db, read.uuid)) ?? read) : read
  if (own.status !== 'pending') return own
  if (!running && own.queriedAt !== undefined && now.getTime() - own.queriedAt < RETRY_GAP_MS) return own
  const query = { own, ...response, account, root, accountUrl: urls.account(root, account.uuid) }
  const full = !running && isFull(server, query)
  const settled = full ? undefined : await within(PATIENCE_MS, running ?? start(server, query))
  if (settled) return settled
  if (!running) await noteProcessing(server.host, query, full ? TURN_MS : VALIDATION_TIMEOUT_MS + GRACE_MS)
  const current = (await findAuthorization(server.host.db, own.uuid)) ?? own
  return current.status === 'pending' ? { ...current, challenge: response.type } : current
}

/** Connections that hang must not use up those of the process. onion-csr-01 makes none. */
function isFull({ queries, running, most }: AcmeServer, { account, type }: Query): boolean {
  if (type === 'onion-csr-01') return false
  return queries.size >= most.all || (running.get(account.id) ?? 0) >= most.account
}

/** Job: the query that an earlier process left undone, or that is due after a pause. `ref`: uuid of the authorization, a dot, its number. */
export async function validate(host: Host, ref: string): Promise<void> {
  const [uuid = '', number] = ref.split('.')
  const server = acmeServer(host)
  const own = await findAuthorization(host.db, uuid)
  // The proof for onion-csr-01 came with the request, and will come with the next.
  if (
    !own?.challenge ||
    own.challenge === 'onion-csr-01' ||
    own.queries !== Number(number) ||
    authorizationStatus(own, host.clock()) !== 'pending'
  )
    return
  const account = await findAccountById(host.db, own.accountId)
  if (account?.status !== 'valid') return
  const root = rootOf(server, account.profile)
  const query = { own, type: own.challenge, account, root, accountUrl: urls.account(root, account.uuid) }
  await (server.queries.get(own.id) ?? start(server, query))
}

/** Whole seconds until asking again makes sense. */
export function secondsToNextQuery({ queries, queriedAt }: Authorization, now: Date): number {
  const pause = PAUSES_MS[queries - 1]
  if (pause === undefined || queriedAt === undefined) return 1
  return Math.max(1, Math.ceil((queriedAt + pause - now.getTime()) / 1000))
}

/** Never rejects: what goes wrong is logged, and the job makes the query again. */
function start(server: AcmeServer, query: Query): Promise<Authorization | undefined> {
  const { host, queries, running } = server
  const { id } = query.account
  running.set(id, (running.get(id) ?? 0) + 1)
  const promise = run(server, query)
    .catch((error: unknown) => {
      host.log.error({ err: error, authorization: query.own.uuid }, 'the result of a validation could not be stored')
      return undefined
    })
    .finally(() => {
      queries.delete(query.own.id)
      keepEnded(server.ended, query.own.id)
      const left = (running.get(id) ?? 1) - 1
      if (left > 0) running.set(id, left)
      else running.delete(id)
    })
  queries.set(query.own.id, promise)
  return promise
}

/** The last thousand: no request is under way for so long. */
function keepEnded(ended: Set<number>, id: number): void {
  ended.delete(id)
  ended.add(id)
  for (const oldest of ended) {
    if (ended.size <= 1000) break
    ended.delete(oldest)
  }
}

async function run(server: AcmeServer, query: Query): Promise<Authorization | undefined> {
  const { host } = server
  if (server.chaos.size > 0) await validationDelay(server, query.account.profile)
  const proof = () => prove(server, query)
  const about = { 'countersign.identifier': query.own.identifier.value }
  const proved = await (host.traced ? host.traced(query.type, about, proof) : proof())
  const result = await checkAfterProof(server, query, proved)
  return (await settle(host, query, result)) ?? findAuthorization(host.db, query.own.uuid)
}

async function prove(server: AcmeServer, query: Query): Promise<ValidationResult> {
  const { own, type, account, root, accountUrl, csr = Buffer.alloc(0) } = query
  const { thumbprint } = account
  const { identifier, token, createdAt } = own
  const now = server.host.clock()
  const keyAuthorization = `${token}.${thumbprint}`
  switch (type) {
    case 'onion-csr-01': {
      const nonce = onionNonce(token)
      return validateOnionCsr01({ name: identifier.value, csr, nonce, nonceAt: createdAt, now: now.getTime() })
    }
    case 'dns-persist-01': {
      const persist = {
        issuers: own.issuers,
        accountUrl,
        prefix: urls.accountHash(root),
        thumbprints: [thumbprint, ...(await retiredKeys(server.host.db, own.accountId))],
        wildcard: own.wildcard || own.subdomains,
        now,
      }
      return server.validator.validate({ type, identifier, token, keyAuthorization, persist })
    }
    case 'http-01':
    case 'dns-01':
    case 'tls-alpn-01':
    case 'dns-account-01':
      return server.validator.validate({ type, identifier, token, keyAuthorization, accountUrl })
  }
}

/** Stores a result, unless the authorization was decided meanwhile; undefined then. */
async function settle(
  host: Host,
  { own, type, account }: Query,
  result: ValidationResult,
): Promise<Authorization | undefined> {
  const now = host.clock().getTime()
  const pause = !result.ok && result.retry ? PAUSES_MS[own.queries] : undefined
  const counted = pause === undefined ? await counting(host, account, own.identifier, result) : undefined
  const store = pause === undefined && !counted ? single : transaction
  return store(host.db, async (db) => {
    const change = { challenge: type, queried_at: now, ...outcome(own, result, { now, final: pause === undefined }) }
    const [row] = (await updateQueried(db, change, own.id, own.queries, now)).rows
    if (row && pause !== undefined)
      await host.enqueue(db, 'acme.validate', `${own.uuid}.${own.queries + 1}`, { runAt: new Date(now + pause) })
    if (row && counted) await count(db, counted, result)
    return row && toAuthorization(row)
  })
}

type Outcome = {
  status: StoredStatus
  queries?: number
  validated_at?: number
  expires_at?: number
  caa_checked_at?: number | null
  error?: string
}

function outcome(
  { queries, lifetime }: Authorization,
  result: ValidationResult,
  { now, final }: { now: number; final: boolean },
): Outcome {
  if (result.ok) {
    const { until = Number.POSITIVE_INFINITY, caaCheckedAt = null } = result
    const expires_at = Math.min(now + lifetime, until)
    return { status: 'valid', validated_at: now, expires_at, caa_checked_at: caaCheckedAt }
  }
  if (!final) return { status: 'pending', queries: queries + 1 }
  const { type, detail } = result.error
  return { status: 'invalid', queries: queries + 1, error: JSON.stringify(problemOf(new AcmeError(type, detail))) }
}

/** The client is told to come back; a job, after `delay` milliseconds, makes sure that there is a result even if this process dies. */
async function noteProcessing(host: Host, { own, type }: Query, delay: number): Promise<void> {
  const now = host.clock().getTime()
  await transaction(host.db, async (db) => {
    const change = { challenge: type, queried_at: now }
    const { rows } = await updateQueried(db, change, own.id, own.queries, now)
    if (rows.length === 0) return
    const runAt = new Date(now + delay)
    await host.enqueue(db, 'acme.validate', `${own.uuid}.${own.queries}`, { runAt })
  })
}

type Queried = { challenge: string; queried_at: number } & Partial<Outcome>

/** Of one that is as it was read: pending, and with no query finished since. */
const updateQueried = statement(
  (tables: Kysely<AcmeTables>, change: Queried, id: number, queries: number, now: number) =>
    tables
      .updateTable('acme_authorizations')
      .set(change)
      .where('id', '=', id)
      .where('status', '=', 'pending')
      .where('queries', '=', queries)
      .where('expires_at', '>', now)
      .returningAll(),
)

async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise, patience])
  } finally {
    clearTimeout(timer)
  }
}
