import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { RevokedCertificates } from '../../pki/crl.ts'
import { encodeDirectoryNames } from '../../pki/distribution.ts'
import { keyIdentifier } from '../../pki/publicKey.ts'
import { issuerUrls, type LoadedAuthority, loadIssuer } from '../authority/authority.ts'
import { authorityUnder } from '../authority/earlierKey.ts'
import { isIndirect, shardName } from '../authority/indirectCrl.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { readChanges, readRevoked, type Scope } from './crlRead.ts'
import { isSettled } from './crlSettled.ts'
import {
  type CrlHead,
  type CrlKey,
  deltaBase,
  lastScheduled,
  type NewCrl,
  type StoredCrl,
  storeCrls,
  withOctets,
} from './crlStore.ts'

/** What CRLs of one certificate of an authority must be like now. */
export interface CrlPlan {
  authority: LoadedAuthority
  issuerId: number
  /** The end of that certificate: no CRL is good for longer. */
  end: Date
  /** Shards 0 to this, this one excluded. */
  shards: number
  /** Whether each names itself: others of the same issuer and key say nothing of what it lists (RFC 5280 section 5.2.5). */
  idp: boolean
  /** How often a delta CRL is made, in milliseconds; undefined: none. */
  delta: number | undefined
  /** Ids of the authorities' certificates whose certificates it lists: its own issuer's, or those of others where it is indirect. */
  listed: readonly number[]
  /** Others hand over to this certificate: it has an indirect CRL beside its own. */
  indirect: boolean
  /** Revocations of before, which leave no event when they are taken over. */
  imported: boolean
}

/** A new CRL is due when a third of its time is left. */
export function dueAt({ thisUpdate, nextUpdate }: Pick<CrlHead, 'thisUpdate' | 'nextUpdate'>, end: Date): number {
  // No later one could be good for longer than this one.
  if (nextUpdate >= end) return nextUpdate.getTime()
  return nextUpdate.getTime() - (nextUpdate.getTime() - thisUpdate.getTime()) / 3
}

/** Clocks of nodes differ by less; milliseconds. */
const clockSkew = 60_000

/** Whether a clock that was wrong then has made it: nobody takes it yet, and what it left out may not have ended. */
export function isAhead({ thisUpdate }: Pick<CrlHead, 'thisUpdate'>, now: Date): boolean {
  return thisUpdate.getTime() > now.getTime() + clockSkew
}

/**
 * Makes and stores a CRL: a complete one, with its delta where there are deltas, or a delta alone. `covers` is told the
 * counter of revocations that it knows of before the long part begins. A CRL that another node has overtaken meanwhile is
 * not stored, and undefined is answered; the newest stored one then knows as much.
 */
export async function buildCrl(
  it: Installation,
  plan: CrlPlan,
  { shard, delta }: { shard: number; delta: boolean },
  covers: (revocations: number) => void,
): Promise<StoredCrl | undefined> {
  const { issuerId } = plan
  const begun = await transaction(it.db, (db) => begin(db, plan, { issuerId, shard, delta: false }, it.clock()))
  covers(begun.revocations)
  const { signs, issuer } = await authorityUnder(it, plan.authority, issuerId)
  if (!signs.signCrl || !issuer)
    throw new Failure('unsupported', `the CRL of ${plan.authority.name} is published where that authority signs`)
  const { certificate } = issuer
  const urls = issuerUrls(it, plan.authority, issuerId, shard)
  const shared = {
    issuer: certificate.subjectDer,
    aki: certificate.ski ?? keyIdentifier(certificate.publicKey),
    number: numberOf(begun),
    thisUpdate: begun.now,
    pause: nextTurn,
    ...(plan.idp ? { idp: { urls: urls.crlUrls, ...(isIndirect(shard) ? { indirect: true } : {}) } } : {}),
  }
  const sign = signs.signCrl
  const listing = { plan, shard, revocations: begun.revocations }
  const made: NewCrl[] = []
  // With no complete CRL to build on, a delta is made beside the first one.
  const complete = !delta || (plan.delta !== undefined && !begun.base)
  if (complete) {
    const nextUpdate = endOf(plan, begun.now, plan.authority.settings.crlValidity)
    const entries = await collect(it, listing, new RevokedCertificates({ delta: false }), (scope, revoked) =>
      readRevoked(it.db, scope, endedBefore(begun), revoked),
    )
    const freshest = plan.delta === undefined ? {} : { freshest: [deltaUrl(it, plan, shard)] }
    const parts = await sign({ ...shared, nextUpdate, entries, ...freshest })
    const scheduled = isScheduled(plan, begun)
    made.push({ ...newCrl(plan, begun, shard), delta: false, nextUpdate, scheduled, parts })
  }
  if (plan.delta !== undefined) {
    // One and a half: the next is made after the whole of it, when a third is left.
    const nextUpdate = endOf(plan, begun.now, plan.delta * 1.5)
    const base = begun.base ?? { ...begun, number: numberOf(begun) }
    const entries = await collect(it, listing, new RevokedCertificates({ delta: true }), (scope, revoked) =>
      readChanges(it.db, scope, base.revocations, revoked),
    )
    const parts = await sign({ ...shared, nextUpdate, entries, deltaBase: base.number })
    made.push({ ...newCrl(plan, begun, shard), delta: true, nextUpdate, base: base.sequence, parts })
  }
  const wanted = (await storeCrls(it.db, made)).find((crl) => crl.delta === delta)
  if (!wanted) return undefined
  return withOctets({ ...wanted, number: numberOf(begun), settled: await isSettled(it.db, wanted) }, wanted.parts)
}

interface Listing extends Pick<Scope, 'shard' | 'revocations'> {
  plan: CrlPlan
}

/** Of all whose certificates it lists, one behind the other; an indirect CRL says whose they are. */
async function collect(
  it: Installation,
  { plan, ...scope }: Listing,
  revoked: RevokedCertificates,
  read: (scope: Scope, revoked: RevokedCertificates) => Promise<unknown>,
): Promise<RevokedCertificates> {
  for (const issuerId of plan.listed) {
    const { certificate } = await loadIssuer(it, issuerId)
    if (isIndirect(scope.shard)) revoked.from(encodeDirectoryNames(certificate.subjectDer))
    await read({ issuerId, ...scope }, revoked)
  }
  return revoked
}

interface Begun {
  sequence: number
  offset: string | null
  revocations: number
  now: Date
  scheduled: CrlHead | undefined
  base: CrlHead | undefined
}

/** The number and what it covers are taken under one lock: a higher number never knows less (section 5.2.3). */
async function begin(db: Database, plan: CrlPlan, key: CrlKey, now: Date): Promise<Begun> {
  const row = await withTables<CoreTables>(db)
    .updateTable('authorities')
    .set((eb) => ({ crl_number: eb('crl_number', '+', 1) }))
    .where('id', '=', plan.authority.id)
    .returning(['crl_number', 'crl_number_offset', 'revocations'])
    .executeTakeFirstOrThrow()
  const scheduled = await lastScheduled(db, key)
  return {
    sequence: row.crl_number,
    offset: row.crl_number_offset,
    revocations: row.revocations,
    now,
    scheduled: scheduled && !isAhead(scheduled, now) ? scheduled : undefined,
    base: plan.delta === undefined ? undefined : await deltaBase(db, key, { idp: plan.idp, now }),
  }
}

function numberOf({ offset, sequence }: Pick<Begun, 'offset' | 'sequence'>): bigint {
  return BigInt(offset ?? '0') + BigInt(sequence)
}

function endOf({ end }: CrlPlan, now: Date, validity: number): Date {
  return new Date(Math.min(now.getTime() + validity, end.getTime()))
}

/** What ended before the last CRL that was made at its time has stood on it; 0: nothing is left out. */
function endedBefore({ scheduled, now }: Begun): number {
  return scheduled ? Math.min(scheduled.thisUpdate.getTime(), now.getTime()) : 0
}

/** Revocations between times do not put off what is due at its time, and certificates that ended leave only then. */
function isScheduled({ end, idp }: CrlPlan, { scheduled, now }: Begun): boolean {
  return !scheduled || scheduled.idp !== idp || now.getTime() >= dueAt(scheduled, end)
}

function newCrl({ authority, issuerId, idp }: CrlPlan, begun: Begun, shard: number) {
  const { sequence, offset, revocations, now } = begun
  return { authorityId: authority.id, issuerId, shard, idp, sequence, offset, revocations, thisUpdate: now }
}

function deltaUrl(it: Installation, { authority, issuerId }: CrlPlan, shard: number): string {
  return `${it.httpBaseUrl}/crl/${authority.name}/${issuerId}/${shardName(shard)}-delta.crl`
}
