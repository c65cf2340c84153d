import { setMaxListeners } from 'node:events'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { attendWaiting } from '../approval/attend.ts'
import { expireWaiting } from '../approval/expire.ts'
import { raiseAlert } from '../audit/alert.ts'
import { logAuditHead, sealAudit } from '../audit/seal.ts'
import { loadAuthority } from '../authority/authority.ts'
import { newestRollover } from '../authority/rollover.ts'
import { runRollovers } from '../authority/rolloverActivate.ts'
import { renewCrls } from '../crl/crlUpkeep.ts'
import { forgetChallenges } from '../enrolment/challengeRetention.ts'
import { pruneLimits } from '../enrolment/limit.ts'
import type { Installation } from '../installation.ts'
import { abandonForeseen } from '../issuance/foresee.ts'
import { createJobRunner, type JobHandlers } from '../jobs.ts'
import { renewMessageKeys } from '../key/messageKeyUpkeep.ts'
import { forgetServerKeys } from '../key/serverKeyForget.ts'
import { followOrders } from '../listing/orderCounts.ts'
import { pruneLoginFailures } from '../login/loginGuard.ts'
import { pruneSessions } from '../login/session.ts'
import { watchLifetimes } from '../ocsp/lapse.ts'
import { renewResponders } from '../ocsp/responder.ts'
import { followSearch, warnOfMissingIndex } from '../search/searchFollow.ts'
import type { CoreTables } from '../tables.ts'
import { runUpstream } from '../upstream/upstream.ts'
import { watchClock } from './clockWatch.ts'
import { resumeSigning } from './resume.ts'

const day = 86_400_000

/** One thing that is done again and again. `every` is the pause between the end of one run and the next, in milliseconds. */
interface Chore {
  name: string
  every: number
  /** Whatever takes many steps begins none when it is to stop. */
  run(stop: AbortSignal): Promise<unknown>
  /** Waits for what `run` has begun and not waited for. */
  settled?(): Promise<void>
}

/**
 * Does what must happen without being asked: jobs, attempts cut off by a crash, requests that nobody answered, the audit
 * chain, responders and CRLs before they lapse. Every node may run it. `stop` waits for what is under way.
 */
export function startUpkeep(
  it: Installation,
  options: { handlers: JobHandlers; more?: Chore[] },
): { stop(): Promise<void> } {
  const { db, node, clock, log } = it
  const clockWatch = watchClock(it)
  const jobs = createJobRunner({ db, node, clock, log, handlers: options.handlers })
  const chores: Chore[] = [
    { name: 'jobs', every: 200, run: jobs.begin, settled: jobs.settled },
    { name: 'watch the clock', every: 1_000, run: clockWatch },
    { name: 'audit chain', every: 500, run: (stop) => sealAll(it, stop) },
    {
      name: 'what lists are searched by',
      every: 1_000,
      run: (stop) => followSearch(db, Number.POSITIVE_INFINITY, stop),
    },
    { name: 'count orders', every: 2_000, run: (stop) => followOrders(db, Number.POSITIVE_INFINITY, stop) },
    { name: 'resume signing', every: 1_000, run: () => resumeSigning(it) },
    { name: 'upstream CAs', every: 500, run: () => runUpstream(it) },
    { name: 'expire requests', every: 5_000, run: () => expireWaiting(db, clock()) },
    { name: 'remind and escalate', every: 5_000, run: () => attendWaiting(db, clock()) },
    { name: 'withdraw approvals without an order', every: 600_000, run: () => abandonForeseen(db, clock()) },
    { name: 'prune limits', every: 600_000, run: () => transaction(db, (db) => pruneLimits(db, clock())) },
    { name: 'end sessions', every: 600_000, run: () => transaction(db, (db) => pruneSessions(db, clock())) },
    {
      name: 'forget failed logins',
      every: 600_000,
      run: () => transaction(db, (db) => pruneLoginFailures(db, clock())),
    },
    { name: 'forget challenges', every: 600_000, run: () => forgetChallenges(db, clock()) },
    { name: 'head of the audit chain', every: 3_600_000, run: () => logAuditHead(it) },
    { name: 'roll over authorities', every: 15_000, run: () => runRollovers(it) },
    { name: 'renew CRLs', every: 60_000, run: () => renewCrls(it) },
    { name: 'renew responders', every: 600_000, run: () => renewRevocationAnswers(it) },
    { name: 'forget private keys', every: 30_000, run: () => forgetServerKeys(it) },
    { name: 'renew message keys', every: 600_000, run: () => renewMessageKeys(it) },
    { name: 'watch CRLs and responders', every: 300_000, run: () => watchLifetimes(it) },
    ...(options.more ?? []),
  ]
  warnOfMissingIndex(it).catch((error: unknown) =>
    log.warn({ err: error }, 'whether lists have an index was not found out'),
  )
  const stopping = new AbortController()
  // Each chore listens while it rests.
  setMaxListeners(chores.length, stopping.signal)
  const loops = chores.map((chore) => loop(chore, it, stopping.signal))
  return {
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}

/** The same trouble is told again after so long: a database that is gone is no news each half a second. Milliseconds. */
const REMINDER = 60_000

async function loop(chore: Chore, { log }: Installation, signal: AbortSignal): Promise<void> {
  let told = { what: '', at: 0 }
  while (!signal.aborted) {
    try {
      await chore.run(signal)
      told.what = ''
    } catch (error) {
      const what = String(error)
      const at = performance.now()
      if (what !== told.what || at - told.at > REMINDER) {
        log.error({ err: error }, `upkeep: ${chore.name} failed and is tried again`)
        told = { what, at }
      }
    }
    await pause(chore.every, signal)
  }
  await chore.settled?.()
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(done, milliseconds)
    function done() {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}

async function sealAll(it: Installation, stop: AbortSignal): Promise<void> {
  while ((await sealAudit(it.db, it.auditSecret)) === 500 && !stop.aborted);
}

/** Asks for every authority's responders, which makes the ones that are due, and warns of what will lapse. */
export async function renewRevocationAnswers(it: Installation): Promise<void> {
  const rows = await withTables<CoreTables>(it.db).selectFrom('authorities').select(['id', 'name']).execute()
  for (const { id, name } of rows) {
    try {
      const authority = await loadAuthority(it, id)
      const { issuer } = authority
      // Who follows whom upstream is not ours to prepare.
      if (!issuer || authority.kind === 'acme') continue
      if (authority.signs.sign) await renewResponders(it, authority)
      await warnOfEnd(it, { id, name, organizationId: authority.organizationId, end: issuer.certificate.notAfter })
    } catch (error) {
      it.log.error({ err: error, authority: name }, 'the OCSP responder of an authority could not be renewed')
      const detail = `the OCSP responder of ${name} could not be renewed; the log says why`
      await transaction(it.db, (db) =>
        raiseAlert(db, it.clock(), {
          kind: 'revocation_answers',
          organizationId: null,
          subject: { kind: 'authority', id },
          detail,
        }),
      )
    }
  }
}

async function warnOfEnd(
  it: Installation,
  authority: { id: number; name: string; organizationId: number; end: Date },
): Promise<void> {
  const now = it.clock()
  if (authority.end.getTime() - now.getTime() > 90 * day) return
  const status = (await newestRollover(it.db, authority.id))?.status
  if (status === 'requested' || status === 'prepared') return
  const detail = `the certificate of the authority ${authority.name} ends on ${authority.end.toISOString().slice(0, 10)}: prepare its next one (countersign authority rollover prepare ${authority.name})`
  await transaction(it.db, (db) =>
    raiseAlert(db, now, {
      kind: 'authority_expiring',
      organizationId: authority.organizationId,
      subject: { kind: 'authority', id: authority.id },
      detail,
    }),
  )
}
