import type { Kysely } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { type LoadedAuthority, loadIssuer, lookAtAuthority } from '../authority/authority.ts'
import { crlIssuerOf, handedOverTo, indirectShard, isIndirect } from '../authority/indirectCrl.ts'
import type { SignedCrl } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { buildCrl, type CrlPlan, dueAt, isAhead } from './crlBuild.ts'
import { keptCrls } from './crlKept.ts'
import { crlOfCertificate } from './crlOfCertificate.ts'
import { rests } from './crlRest.ts'
import { type CrlHead, type CrlKey, lastScheduled, newestCrl, newestHead, type StoredCrl } from './crlStore.ts'

/**
 * Which CRL: of an authority by name or id, of one of its certificates (default: the active one), of one shard (default: 0),
 * complete or delta.
 */
export interface CrlRef {
  authority: string | number
  issuer?: number
  shard?: number
  /** The indirect CRL under that certificate, in place of a shard. */
  indirect?: boolean
  delta?: boolean
  /** Id of a certificate, in place of all else: the complete one in which it stands, or would stand. */
  certificate?: number
}

/**
 * The CRL as it must read now: the stored one while nothing that it lists was changed since and it is not due, else a new
 * one with a higher number (RFC 5280 section 5.2.3). Who asks while one is made gets that one, or the one after it, never
 * one that does not know of what was revoked before he asked, but for a long one that rests (crlRest.ts). One that is only
 * due is served until its end where no new one can be made. Throws Failure('notFound') and, for an authority that signs
 * elsewhere and has left none here, Failure('unsupported').
 */
export async function currentCrl(it: Installation, asked: CrlRef): Promise<SignedCrl> {
  const ref = asked.certificate === undefined ? asked : await crlOfCertificate(it, asked.certificate)
  const { authority, revocations } = await lookAtAuthority(it, ref.authority)
  const issuerId = ref.issuer ?? authority.issuer?.id
  if (issuerId === undefined) throw notFound()
  const shard = ref.indirect ? indirectShard(issuerId) : (ref.shard ?? 0)
  const key: CrlKey = { issuerId, shard, delta: ref.delta ?? false }
  const kept = keptCrls(it.db).get(key)
  const now = it.clock()
  if (kept?.version === authority.version && now.getTime() < kept.due && !isAhead(kept.crl, now))
    if (kept.revocations === revocations || rests(kept.crl, now)) return kept.crl
  const plan = await planOf(it, authority, key)
  const stored = await fromStore(it, plan, key, revocations)
  if (stored) return stored
  return newCrl(it, plan, key, revocations).catch(async (error: unknown) => {
    const still = await stillGood(it, plan, key, revocations)
    if (!still) throw error
    it.log.error(
      { err: error, authority: authority.name },
      'a CRL is due and could not be made; the last one still holds',
    )
    return still
  })
}

function notFound(): Failure {
  return new Failure('notFound', 'there is no such CRL')
}

const hasEvents = statement((tables: Kysely<CoreTables>, issuer: number, shard: number, after: number, upTo: number) =>
  tables
    .selectFrom('revocation_events')
    .select((eb) => eb.fn.max('change').as('last'))
    .where('authority_certificate_id', '=', issuer)
    .where('shard', '=', shard)
    .where('change', '>', after)
    .where('change', '<=', upTo),
)

/** What CRLs of this certificate are like; throws Failure('notFound') where there is none of this shard or no delta. */
async function planOf(it: Installation, authority: LoadedAuthority, key: CrlKey): Promise<CrlPlan> {
  const { issuerId } = key
  const issuer = await loadIssuer(it, issuerId)
  if (issuer.authorityId !== authority.id) throw notFound()
  const plan = await readPlan(it.db, authority, issuerId, issuer.certificate.notAfter)
  if (key.delta && plan.delta === undefined) throw notFound()
  if (isIndirect(key.shard)) return indirectPlan(it.db, plan, key)
  if (key.shard >= plan.shards) throw notFound()
  return plan
}

async function indirectPlan(db: Database, plan: CrlPlan, { issuerId, shard }: CrlKey): Promise<CrlPlan> {
  if (crlIssuerOf(shard) !== issuerId || !plan.indirect) throw notFound()
  return { ...plan, listed: await handedOverTo(db, issuerId), idp: true, imported: false }
}

async function readPlan(db: Database, authority: LoadedAuthority, issuerId: number, end: Date): Promise<CrlPlan> {
  const tables = withTables<CoreTables>(db)
  const row = await tables
    .selectFrom('authority_certificates as own')
    .select(({ selectFrom, exists }) => [
      'own.shards',
      exists(
        selectFrom('authority_certificates as other')
          .select('other.id')
          .whereRef('other.spki_hash', '=', 'own.spki_hash')
          .whereRef('other.id', '<>', 'own.id'),
      ).as('shared'),
      exists(
        selectFrom('delta_crls').select('delta_crls.id').whereRef('delta_crls.authority_certificate_id', '=', 'own.id'),
      ).as('deltas'),
      exists(
        selectFrom('imported_revocations as imported')
          .select('imported.serial')
          .whereRef('imported.authority_certificate_id', '=', 'own.id'),
      ).as('imported'),
      exists(
        selectFrom('crl_handovers').select('crl_issuer_id').whereRef('authority_certificate_id', '=', 'own.id'),
      ).as('handedOver'),
      exists(selectFrom('crl_handovers').select('crl_issuer_id').whereRef('crl_issuer_id', '=', 'own.id')).as(
        'indirect',
      ),
    ])
    .where('own.id', '=', issuerId)
    .executeTakeFirstOrThrow()
  const { crlDelta, crlValidity, crlIssuer } = authority.settings
  return {
    authority,
    issuerId,
    end,
    shards: row.shards,
    idp: row.shards > 1 || Boolean(row.shared) || Boolean(row.handedOver) || crlIssuer !== undefined,
    listed: [issuerId],
    indirect: Boolean(row.indirect),
    // Certificates that name deltas are out there: they go on when new ones name none.
    delta: crlDelta ?? (row.deltas ? crlValidity / 1.5 : undefined),
    imported: Boolean(row.imported),
  }
}

/** The stored one, if it is good; kept from then on. */
async function fromStore(
  it: Installation,
  plan: CrlPlan,
  key: CrlKey,
  revocations: number,
): Promise<SignedCrl | undefined> {
  const stored = await newestCrl(it.db, key)
  const signsHere = plan.authority.signs.signCrl !== undefined
  const now = it.clock()
  if (!signsHere || plan.end <= now) {
    // Nobody here can make a better one: signed elsewhere, or nothing that it signed is valid any more.
    if (stored) return stored
    throw signsHere
      ? new Failure('notFound', 'the certificate of this authority has ended, and it left no CRL')
      : new Failure('unsupported', `the CRL of ${plan.authority.name} is published where that authority signs`)
  }
  if (!stored || stored.idp !== plan.idp || isAhead(stored, now)) return undefined
  const due = await dueOf(it.db, plan, key, stored)
  if (now.getTime() >= due) return undefined
  const changed = await changedSince(it.db, plan, key, stored.revocations, revocations)
  if (changed && !rests(stored, now)) return undefined
  keep(it.db, plan, key, { crl: stored, revocations: changed ? stored.revocations : revocations, due })
  return stored
}

/** One that is due and yet tells all there is to tell: better than none. Upkeep raises the alert. */
async function stillGood(
  it: Installation,
  plan: CrlPlan,
  key: CrlKey,
  revocations: number,
): Promise<SignedCrl | undefined> {
  const stored = await newestCrl(it.db, key)
  const now = it.clock()
  if (!stored || stored.idp !== plan.idp || isAhead(stored, now) || stored.nextUpdate <= now) return undefined
  return (await changedSince(it.db, plan, key, stored.revocations, revocations)) ? undefined : stored
}

function keep(
  db: Database,
  plan: CrlPlan,
  key: CrlKey,
  { crl, revocations, due }: { crl: StoredCrl; revocations: number; due: number },
): void {
  keptCrls(db).set(key, { crl, revocations, due, version: plan.authority.version })
}

/** When the next one must be made whatever happens: a complete one by the last that was made at its time. */
async function dueOf(db: Database, plan: CrlPlan, key: CrlKey, newest: CrlHead): Promise<number> {
  const own = dueAt(newest, plan.end)
  const scheduled = key.delta ? undefined : await lastScheduled(db, key)
  return scheduled ? Math.min(own, dueAt(scheduled, plan.end)) : own
}

/** Whether anything that this CRL lists has changed; changes of other shards raise the counter too. */
async function changedSince(
  db: Database,
  plan: CrlPlan,
  key: CrlKey,
  known: number,
  revocations: number,
): Promise<boolean> {
  if (known >= revocations) return false
  if (plan.imported && key.shard === 0) return true
  for (const issuerId of plan.listed) {
    const [row] = (await hasEvents(db, issuerId, key.shard, known, revocations)).rows
    if (row?.last != null) return true
  }
  return false
}

/** All CRLs of one certificate of an authority, the indirect one last. */
export async function crlsOf(
  it: Installation,
  authority: LoadedAuthority,
  issuerId: number,
): Promise<{ shard: number; delta: boolean }[]> {
  const plan = await planOf(it, authority, { issuerId, shard: 0, delta: false })
  const kinds = plan.delta === undefined ? [false] : [false, true]
  const shards = Array.from({ length: plan.shards }, (_, shard) => shard)
  if (plan.indirect) shards.push(indirectShard(issuerId))
  return shards.flatMap((shard) => kinds.map((delta) => ({ shard, delta })))
}

/** Whether upkeep should have this one made: it is not there, due, or of another scope than it must be now. */
export async function isDue(it: Installation, authority: LoadedAuthority, key: CrlKey): Promise<boolean> {
  const plan = await planOf(it, authority, key)
  if (plan.end <= it.clock()) return false
  const newest = await newestHead(it.db, key)
  if (!newest || newest.idp !== plan.idp || isAhead(newest, it.clock())) return true
  return it.clock().getTime() >= (await dueOf(it.db, plan, key, newest))
}

interface Building {
  /** Of how many revocations it knows; rejects with `done`. */
  covers: Promise<number>
  done: Promise<StoredCrl>
}

const building = new WeakMap<Database, Map<string, Building>>()
const waiting = new WeakMap<Database, Map<string, Promise<StoredCrl>>>()

function mapOf<T>(maps: WeakMap<Database, Map<string, T>>, db: Database): Map<string, T> {
  const known = maps.get(db) ?? new Map<string, T>()
  maps.set(db, known)
  return known
}

/** One is made at a time, and one more waits for it, unless that has to rest: it serves all who ask until it begins. */
async function newCrl(it: Installation, plan: CrlPlan, key: CrlKey, revocations: number): Promise<SignedCrl> {
  const name = `${key.issuerId}:${key.shard}:${key.delta}`
  const under = mapOf(building, it.db).get(name)
  if (!under) return begin(it, plan, key, name).done
  const covers = await under.covers.catch(() => -1)
  if (covers >= revocations) return under.done
  const queue = mapOf(waiting, it.db)
  const queued = queue.get(name)
  if (queued) return queued
  const next = under.done
    .catch(() => undefined)
    .then((last) => {
      queue.delete(name)
      if (last && rests(last, it.clock())) return last
      return (mapOf(building, it.db).get(name) ?? begin(it, plan, key, name)).done
    })
  queue.set(name, next)
  return next
}

function begin(it: Installation, plan: CrlPlan, key: CrlKey, name: string): Building {
  const running = mapOf(building, it.db)
  let told: (revocations: number) => void = () => {}
  const knows = new Promise<number>((resolve) => {
    told = resolve
  })
  const done = make(it, plan, key, told).finally(() => running.delete(name))
  const covers = Promise.race([knows, done.then(({ revocations }) => revocations)])
  // Nobody may be waiting for it.
  covers.catch(() => {})
  const begun = { covers, done }
  running.set(name, begun)
  return begun
}

async function make(
  it: Installation,
  plan: CrlPlan,
  key: CrlKey,
  covers: (revocations: number) => void,
): Promise<StoredCrl> {
  const made = await buildCrl(it, plan, key, covers)
  const crl = made ?? (await newestCrl(it.db, key))
  if (!crl) throw new Failure('unavailable', 'another node makes the same CRL; ask again')
  const { revocations } = crl
  keep(it.db, plan, key, { crl, revocations, due: await dueOf(it.db, plan, key, crl) })
  return crl
}
