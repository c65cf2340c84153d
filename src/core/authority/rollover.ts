import { type Kysely, type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { type Issuer, isWithdrawn, type LoadedAuthority, loadIssuer, raiseShards } from './authority.ts'
import { authorityUnder } from './earlierKey.ts'

/**
 * requested: a key is there, its certificate is not signed yet. prepared: the next certificate is there and may be used by
 * those who ask for it. active: it has taken over. canceled: it never will.
 */
export type RolloverStatus = 'requested' | 'prepared' | 'active' | 'canceled'

/** The next key and certificate of an authority, from when they are made until they take over. */
export interface Rollover {
  id: number
  authorityId: number
  status: RolloverStatus
  /** Id of the certificate that was active when it was prepared. */
  previous: number
  /** Id of the next certificate, once it is there. */
  next?: number
  keyId?: number
  /** DER, where the certificate is signed elsewhere. */
  csr?: Buffer
  /** Milliseconds. */
  validity: number
  startsAt: Date
  /** DER; of a root (RFC 9810 section 4.4.1). */
  newWithOld?: Buffer
  oldWithNew?: Buffer
  /** Why the parent has not signed yet. */
  lastError?: string
  createdAt: Date
  endedAt?: Date
}

/**
 * The certificates by which who trusts one root comes to trust the one before or after it, RFC 9810 section 4.4.1, all DER.
 * EST hands them out with the CA certificates (RFC 7030 section 4.1.3).
 */
export interface LinkCertificates {
  oldWithOld: Buffer
  oldWithNew: Buffer
  newWithOld: Buffer
  newWithNew: Buffer
}

export function toRollover(row: Selectable<CoreTables['authority_rollovers']>): Rollover {
  return {
    id: row.id,
    authorityId: row.authority_id,
    status: row.status as RolloverStatus,
    previous: row.previous_id,
    ...(row.next_id === null ? {} : { next: row.next_id }),
    ...(row.key_id === null ? {} : { keyId: row.key_id }),
    ...(row.csr === null ? {} : { csr: row.csr }),
    validity: row.validity,
    startsAt: new Date(row.starts_at),
    ...(row.new_with_old === null ? {} : { newWithOld: row.new_with_old }),
    ...(row.old_with_new === null ? {} : { oldWithNew: row.old_with_new }),
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
    createdAt: new Date(row.created_at),
    ...(row.ended_at === null ? {} : { endedAt: new Date(row.ended_at) }),
  }
}

/** The newest rollover of an authority, whatever became of it. */
export async function newestRollover(db: Database, authorityId: number): Promise<Rollover | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_rollovers')
    .selectAll()
    .where('authority_id', '=', authorityId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && toRollover(row)
}

/** The rollover by which this certificate became, or was to become, the one of its authority. */
export async function rolloverTo(db: Database, issuerId: number): Promise<Rollover | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_rollovers')
    .selectAll()
    .where('next_id', '=', issuerId)
    .executeTakeFirst()
  return row && toRollover(row)
}

const preparedNext = statement((tables: Kysely<CoreTables>, authorityId: number) =>
  tables
    .selectFrom('authority_rollovers')
    .innerJoin('authority_certificates as next', 'next.id', 'authority_rollovers.next_id')
    .select(['next.id', 'next.certificate', 'next.spki_hash', 'next.shards'])
    .where('authority_rollovers.authority_id', '=', authorityId)
    .where(sql<boolean>`status in ('requested', 'prepared')`)
    .where(sql<boolean>`status = 'prepared'`),
)

/** The prepared next certificate of an authority; undefined while none is, and for one that was revoked meanwhile. */
export async function nextIssuer(it: Installation, authorityId: number): Promise<Issuer | undefined> {
  const [row] = (await preparedNext(it.db, authorityId)).rows
  return row && !(await isWithdrawn(it.db, row)) ? loadIssuer(it, row.id) : undefined
}

/**
 * The authority as it signs under its prepared next certificate, before that one is the active one: RFC 8894 section 5.1.
 * Undefined while none is prepared, or where it is another than `issuerId`. Throws Failure('unsupported') where the key is
 * elsewhere.
 */
export async function nextAuthority(
  it: Installation,
  authority: LoadedAuthority,
  issuerId?: number,
): Promise<LoadedAuthority | undefined> {
  const [row] = (await preparedNext(it.db, authority.id)).rows
  if (!row || (issuerId !== undefined && row.id !== issuerId)) return undefined
  const { crlShards } = authority.settings
  if (row.shards < crlShards) await raiseShards(it.db, row.id, crlShards)
  return { ...(await authorityUnder(it, authority, row.id)), withdrawn: await isWithdrawn(it.db, row) }
}

/** Throws Failure('conflict') where this certificate was to follow and never will. */
export async function refuseCanceled(db: Database, issuerId: number): Promise<void> {
  if ((await rolloverTo(db, issuerId))?.status !== 'canceled') return
  throw new Failure('conflict', 'the next key of the authority, under which this was asked, was withdrawn: ask anew')
}

/**
 * The link certificates of the last rollover that this root (DER) had a part in, as the older or the newer one: from when it
 * is prepared until the older root has ended. Undefined for any other certificate.
 */
export async function linkCertificates(it: Installation, root: Buffer): Promise<LinkCertificates | undefined> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_rollovers')
    .selectAll()
    .where('status', 'in', ['prepared', 'active'])
    .where('new_with_old', 'is not', null)
    .orderBy('id', 'desc')
    .execute()
  for (const { previous, next, newWithOld, oldWithNew } of rows.map(toRollover)) {
    if (next === undefined || !newWithOld || !oldWithNew) continue
    const [{ certificate: before }, { certificate: after }] = [
      await loadIssuer(it, previous),
      await loadIssuer(it, next),
    ]
    if (before.notAfter <= it.clock() || ![before, after].some(({ der }) => der.equals(root))) continue
    return { oldWithOld: before.der, oldWithNew, newWithOld, newWithNew: after.der }
  }
  return undefined
}
