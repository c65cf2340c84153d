import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { SignedCrl } from '../core.ts'
import type { CoreTables } from '../tables.ts'
import { isSettled } from './crlSettled.ts'

/** Which CRL: of one certificate of an authority, one shard, complete or delta. */
export interface CrlKey {
  issuerId: number
  shard: number
  delta: boolean
}

/** A CRL as it was stored. */
export interface StoredCrl extends SignedCrl {
  /** The number in the CRL, less the authority's offset then. */
  sequence: number
  /** authorities.revocations of which it knows. */
  revocations: number
  /** Whether it has an issuingDistributionPoint. */
  idp: boolean
}

/** A CRL without its octets. */
export type CrlHead = Pick<StoredCrl, 'number' | 'sequence' | 'revocations' | 'idp' | 'thisUpdate' | 'nextUpdate'>

export interface NewCrl extends CrlKey, Omit<CrlHead, 'number'> {
  authorityId: number
  offset: string | null
  /** Of a complete CRL. */
  scheduled?: boolean
  /** Of a delta CRL: the sequence of the complete one. */
  base?: number
  parts: readonly Buffer[]
}

/** A CRL up to this many octets is one row's; longer ones are stored part by part, so that nothing waits for them. */
const ONE_ROW = 1 << 17
/**
 * Where other nodes may want it, any CRL is stored. SQLite has one server, which keeps it in memory: tens of megabytes
 * more in its log with each revocation would stop everybody else for longer than to make it anew after a restart takes.
 */
const LARGEST_ON_SQLITE = 4 << 20
/** Stands in `parts`: it is made anew when no memory holds it. */
export const NOT_STORED = -1
/** So many earlier ones stay for whoever is asked what was published; of long ones only the last before. */
const KEPT = 20
const KEPT_PARTS = 1

const bare = [
  'number',
  'number_offset',
  'revocations',
  'idp',
  'this_update',
  'next_update',
  'parts',
] as const satisfies readonly (keyof CoreTables['crls'])[]

type BareRow = Pick<Selectable<CoreTables['crls']>, (typeof bare)[number]>

export function tableOf(db: Database, { issuerId, shard, delta }: CrlKey) {
  // Both have the columns that are used here.
  return withTables<CoreTables>(db)
    .selectFrom((delta ? 'delta_crls' : 'crls') as 'crls')
    .where('authority_certificate_id', '=', issuerId)
    .where('shard', '=', shard)
}

function toHead(row: BareRow): CrlHead {
  return {
    number: BigInt(row.number_offset ?? '0') + BigInt(row.number),
    sequence: row.number,
    revocations: row.revocations,
    idp: row.idp === 1,
    thisUpdate: new Date(row.this_update),
    nextUpdate: new Date(row.next_update),
  }
}

/** What the newest CRL says of itself. */
export async function newestHead(db: Database, key: CrlKey): Promise<CrlHead | undefined> {
  const row = await tableOf(db, key).select(bare).orderBy('number', 'desc').limit(1).executeTakeFirst()
  return row && toHead(row)
}

/** The newest CRL with its octets. */
export async function newestCrl(db: Database, key: CrlKey): Promise<StoredCrl | undefined> {
  const row = await tableOf(db, key)
    .select([...bare, 'der'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row || row.parts === NOT_STORED) return undefined
  const parts = row.parts === 0 ? [row.der] : await readParts(db, key, row)
  // Another node has put a newer one in its place meanwhile, and it is read in the next look.
  if (parts.length < row.parts) return undefined
  const head = toHead(row)
  return withOctets({ ...head, settled: await isSettled(db, { ...key, ...head }) }, parts)
}

async function readParts(db: Database, { issuerId, shard, delta }: CrlKey, row: BareRow): Promise<Buffer[]> {
  const parts: Buffer[] = []
  for (let part = 0; part < row.parts; part++) {
    const found = await withTables<CoreTables>(db)
      .selectFrom('crl_parts')
      .select('der')
      .where('authority_certificate_id', '=', issuerId)
      .where('shard', '=', shard)
      .where('number', '=', row.number)
      .where('delta', '=', delta ? 1 : 0)
      .where('part', '=', part)
      .executeTakeFirst()
    if (!found) break
    parts.push(found.der)
    await nextTurn()
  }
  return parts
}

/** `der` of a long one is put together when somebody asks for it, and not kept. */
export function withOctets<T extends object>(crl: T, parts: readonly Buffer[]): T & Pick<SignedCrl, 'der' | 'parts'> {
  const [first] = parts
  const der = () => (parts.length === 1 && first ? first : Buffer.concat(parts))
  return Object.defineProperty({ ...crl, parts }, 'der', { get: der, enumerable: true }) as ReturnType<
    typeof withOctets<T>
  >
}

/** The complete CRL that was made last at its time, not for a revocation between times. */
export async function lastScheduled(db: Database, key: CrlKey): Promise<CrlHead | undefined> {
  const row = await tableOf(db, key)
    .select(bare)
    .where('scheduled', '=', 1)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && toHead(row)
}

/** The first scheduled complete CRL that is still good: whoever holds it, or a later one, can use a delta to it. */
export async function deltaBase(
  db: Database,
  key: CrlKey,
  { idp, now }: { idp: boolean; now: Date },
): Promise<CrlHead | undefined> {
  const row = await tableOf(db, { ...key, delta: false })
    .select(bare)
    .where('scheduled', '=', 1)
    // Base and delta have the same scope (RFC 5280 section 5.2.4).
    .where('idp', '=', idp ? 1 : 0)
    .where('next_update', '>', now.getTime())
    .orderBy('number')
    .limit(1)
    .executeTakeFirst()
  return row && toHead(row)
}

/**
 * Stores CRLs of one number and answers those that were: one with a higher number may be there already, and what it
 * overtook must not be used. Long ones are written part by part before that.
 */
export async function storeCrls(db: Database, crls: readonly NewCrl[]): Promise<NewCrl[]> {
  for (const crl of crls) await storeParts(db, crl)
  const stored = await transaction(db, async (db) => {
    const [first] = crls
    if (!first) return []
    // One at a time for each authority: nothing is stored between this look and the insert.
    await forUpdate(
      db,
      withTables<CoreTables>(db).selectFrom('authorities').select('id').where('id', '=', first.authorityId),
    ).execute()
    const current: NewCrl[] = []
    for (const crl of crls) {
      const newer = await tableOf(db, crl).select('id').where('number', '>=', crl.sequence).limit(1).executeTakeFirst()
      if (!newer) current.push(crl)
    }
    for (const crl of current) await insertCrl(db, crl)
    return current
  })
  for (const crl of crls) await forgetEarlier(db, crl, stored.includes(crl))
  return stored
}

/** What stands in the column `parts`. */
function partsOf(db: Database, { parts }: NewCrl): number {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length <= ONE_ROW) return 0
  return db.dialect === 'sqlite' && length > LARGEST_ON_SQLITE ? NOT_STORED : parts.length
}

async function storeParts(db: Database, crl: NewCrl): Promise<void> {
  if (partsOf(db, crl) <= 0) return
  for (const [part, der] of crl.parts.entries()) {
    await transaction(db, async (db) => {
      await withTables<CoreTables>(db)
        .insertInto('crl_parts')
        .values({
          authority_certificate_id: crl.issuerId,
          shard: crl.shard,
          number: crl.sequence,
          delta: crl.delta ? 1 : 0,
          part,
          der,
        })
        .execute()
    })
    await nextTurn()
  }
}

async function insertCrl(db: Database, crl: NewCrl): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const row = {
    authority_certificate_id: crl.issuerId,
    shard: crl.shard,
    number: crl.sequence,
    number_offset: crl.offset,
    revocations: crl.revocations,
    der: partsOf(db, crl) === 0 ? Buffer.concat(crl.parts) : Buffer.alloc(0),
    parts: partsOf(db, crl),
    idp: crl.idp ? 1 : 0,
    this_update: crl.thisUpdate.getTime(),
    next_update: crl.nextUpdate.getTime(),
  }
  if (crl.delta)
    await tables
      .insertInto('delta_crls')
      .values({ ...row, base_number: crl.base ?? 0 })
      .execute()
  else
    await tables
      .insertInto('crls')
      .values({ ...row, scheduled: crl.scheduled ? 1 : 0 })
      .execute()
}

/** Earlier ones have been replaced for good. Scheduled ones that are still good stay: they are the bases of deltas. */
async function forgetEarlier(db: Database, crl: NewCrl, stored: boolean): Promise<void> {
  const { issuerId, shard, sequence } = crl
  const delta = crl.delta ? 1 : 0
  const last = crl.delta ? undefined : await lastScheduled(db, crl)
  await transaction(db, async (db) => {
    const query = withTables<CoreTables>(db)
      .deleteFrom((crl.delta ? 'delta_crls' : 'crls') as 'crls')
      .where('authority_certificate_id', '=', issuerId)
      .where('shard', '=', shard)
      .where('number', '<', sequence - KEPT)
    if (crl.delta) await query.execute()
    else
      await query
        .where('number', '<>', last?.sequence ?? 0)
        .where(({ or, eb }) => or([eb('scheduled', '=', 0), eb('next_update', '<=', crl.thisUpdate.getTime())]))
        .execute()
  })
  const long = await withTables<CoreTables>(db)
    .selectFrom('crl_parts')
    .select('number')
    .distinct()
    .where('authority_certificate_id', '=', issuerId)
    .where('shard', '=', shard)
    .where('delta', '=', delta)
    .where('number', '<=', sequence)
    .where('part', '=', 0)
    .orderBy('number', 'desc')
    .execute()
  const useless = stored ? long.slice(KEPT_PARTS + 1) : long.filter(({ number }) => number === sequence)
  for (const { number } of useless) await deleteParts(db, crl, number)
}

async function deleteParts(db: Database, { issuerId, shard, delta }: CrlKey, number: number): Promise<void> {
  for (let part = 0; ; part++) {
    const deleted = await transaction(db, (db) =>
      withTables<CoreTables>(db)
        .deleteFrom('crl_parts')
        .where('authority_certificate_id', '=', issuerId)
        .where('shard', '=', shard)
        .where('number', '=', number)
        .where('delta', '=', delta ? 1 : 0)
        .where('part', '=', part)
        .returning('part')
        .executeTakeFirst(),
    )
    if (!deleted) return
    await nextTurn()
  }
}
