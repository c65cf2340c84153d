import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { ELSEWHERE_SEAL } from '../enrolment/challengeAsk.ts'
import { type CredentialKind, sealPurpose } from '../enrolment/credential.ts'
import { Failure } from '../failure.ts'
import { LOCATION_SEAL } from '../inventory/location.ts'
import { KEY_PAIR_SEAL } from '../key/keyPair.ts'
import { SERVER_KEY_SEAL } from '../key/serverKey.ts'
import type { KeyVault } from '../key.ts'
import { INBOUND_SEAL } from '../webhook/webhookDecision.ts'
import { OUTBOUND_SEAL } from '../webhook/webhookDelivery.ts'
import type { KeyRing } from './keyRing.ts'

/** Where something sealed stands: what seals names here whatever it seals elsewhere. */
interface SealedColumn {
  table: string
  column: string
  /** A column that the purpose hangs on. */
  by?: string
  purpose(by: string): string
}

const constantly = (purpose: string) => () => purpose

/** Every column that the key-encryption key seals; a test compares it with the columns that there are. */
export const sealedColumns: readonly SealedColumn[] = [
  { table: 'sealed_keys', column: 'sealed', by: 'purpose', purpose: (purpose) => purpose },
  { table: 'server_keys', column: 'sealed', purpose: constantly(SERVER_KEY_SEAL) },
  { table: 'key_pairs', column: 'sealed', purpose: constantly(KEY_PAIR_SEAL) },
  { table: 'credentials', column: 'sealed', by: 'kind', purpose: (kind) => sealPurpose(kind as CredentialKind) },
  { table: 'challenges', column: 'sealed', purpose: constantly(ELSEWHERE_SEAL) },
  { table: 'webhooks', column: 'secret', purpose: constantly(OUTBOUND_SEAL) },
  { table: 'webhooks', column: 'secret_before', purpose: constantly(OUTBOUND_SEAL) },
  { table: 'webhooks', column: 'inbound_secret', purpose: constantly(INBOUND_SEAL) },
  { table: 'webhooks', column: 'inbound_before', purpose: constantly(INBOUND_SEAL) },
  { table: 'locations', column: 'secret', purpose: constantly(LOCATION_SEAL) },
]

interface SealedRow {
  id: number
  uuid: string
  by: string
  sealed: Buffer
}

/** The table as the ones are seen here that all have: an id, a uuid, and something sealed. */
function rowsOf(db: Database, { table, column, by }: SealedColumn) {
  return withTables<Record<string, { id: number; uuid: string }>>(db)
    .selectFrom(table)
    .select(['id', 'uuid', sql<string>`${by === undefined ? sql.lit('') : sql.ref(by)}`.as('by')])
    .select(sql<Buffer>`${sql.ref(column)}`.as('sealed'))
    .where(sql<boolean>`${sql.ref(column)} is not null`)
}

const BATCH = 200

/** Where a pass over everything sealed is; absent: at its beginning. */
export interface ResealCursor {
  column: number
  /** Ids up to this one are done. */
  id: number
}

export interface Resealed {
  /** So many were sealed anew. */
  resealed: number
  /** Where to go on; absent: all was gone through. */
  next?: ResealCursor
}

/** One transaction of a pass that seals under the current key whatever is not: some hundred rows. */
export async function reseal(
  db: Database,
  ring: KeyRing,
  from: ResealCursor = { column: 0, id: 0 },
): Promise<Resealed> {
  const place = sealedColumns[from.column]
  if (!place) return { resealed: 0 }
  return transaction(db, async (db) => {
    const rows = await forUpdate(db, otherwise(db, ring, place, from.id)).execute()
    for (const row of rows) {
      const { id, uuid, by, sealed } = row as SealedRow
      const anew = ring.seal(ring.open(sealed, uuid, place.purpose(by)), uuid, place.purpose(by))
      await (withTables<unknown>(db) as Kysely<Record<string, { id: number }>>)
        .updateTable(place.table)
        .set({ [place.column]: anew })
        .where('id', '=', id)
        .execute()
    }
    const last = rows.at(-1)?.id
    const next =
      rows.length === BATCH && last !== undefined
        ? { column: from.column, id: last }
        : from.column + 1 < sealedColumns.length
          ? { column: from.column + 1, id: 0 }
          : undefined
    return { resealed: rows.length, ...(next ? { next } : {}) }
  })
}

function otherwise(db: Database, ring: KeyRing, place: SealedColumn, after: number) {
  const prefix = ring.prefix()
  return rowsOf(db, place)
    .where('id', '>', after)
    .where(sql<boolean>`substr(${sql.ref(place.column)}, 1, ${sql.lit(prefix.length)}) <> ${prefix}`)
    .orderBy('id')
    .limit(BATCH)
}

/** How many are sealed under another key than the current one. */
export async function countOtherwise(db: Database, ring: KeyRing): Promise<number> {
  const prefix = ring.prefix()
  let n = 0
  for (const { table, column } of sealedColumns) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}
      where substr(${sql.ref(column)}, 1, ${sql.lit(prefix.length)}) <> ${prefix}`.execute(withTables<unknown>(db))
    n += Number(rows[0]?.n ?? 0)
  }
  return n
}

/** What cannot be opened, as words for people: `table id`; of each column the newest `most`. */
export async function unreadableIn(db: Database, vault: KeyVault, most = Number.POSITIVE_INFINITY): Promise<string[]> {
  const unreadable: string[] = []
  for (const place of sealedColumns) {
    let below = Number.MAX_SAFE_INTEGER
    for (let seen = 0; seen < most; ) {
      const rows = (await rowsOf(db, place)
        .where('id', '<', below)
        .orderBy('id', 'desc')
        .limit(BATCH)
        .execute()) as SealedRow[]
      for (const { id, uuid, by, sealed } of rows)
        if (!opens(vault, sealed, uuid, place.purpose(by))) unreadable.push(`${place.table}.${place.column} of ${id}`)
      if (rows.length < BATCH || unreadable.length > 100) break
      seen += rows.length
      below = rows.at(-1)?.id ?? 0
    }
  }
  return unreadable
}

function opens(vault: KeyVault, sealed: Buffer, uuid: string, purpose: string): boolean {
  try {
    vault.open(sealed, uuid, purpose)
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'internal') return false
    throw error
  }
}
