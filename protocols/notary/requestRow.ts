import { type Selectable, sql } from 'kysely'
import { Failure } from '../../src/core/failure.ts'
import type { Origin } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { NotaryTables } from './tables.ts'

export type RequestRow = Selectable<NotaryTables['notary_requests']>

/** Where the order of a certificate request comes from, in each of its rounds. */
export function originOf({ ref, round }: Pick<RequestRow, 'ref' | 'round'>): Origin {
  return { protocol: 'notary', ref: `${ref}.${round}` }
}

/** One that is not deleted. */
export async function findRow(db: Database, organizationId: number, number: number): Promise<RequestRow | undefined> {
  return withTables<NotaryTables>(db)
    .selectFrom('notary_requests')
    .selectAll()
    .where('number', '=', number)
    .where('organization_id', '=', organizationId)
    .where('live_hash', 'is not', null)
    .executeTakeFirst()
}

/** Those that are not deleted, the newest first: of an organization, and there of who asked; else of all. */
export async function listRows(
  db: Database,
  most: number,
  { organizationId, asker }: { organizationId?: number; asker?: number | undefined } = {},
): Promise<RequestRow[]> {
  let query = withTables<NotaryTables>(db).selectFrom('notary_requests').selectAll().where('live_hash', 'is not', null)
  if (organizationId !== undefined) query = query.where('organization_id', '=', organizationId)
  // A node of the version before leaves it out.
  if (asker !== undefined) query = query.where((eb) => eb.or([eb('asker', '=', asker), eb('asker', 'is', null)]))
  return query.orderBy('created_at', 'desc').orderBy('number', 'desc').limit(sql.lit(most)).execute()
}

type NewRow = Pick<RequestRow, 'ref' | 'organization_id' | 'asker' | 'live_hash' | 'csr' | 'created_at'>

/** In the transaction that stores its order. Throws Failure('malformed') for a CSR that the organization has already. */
export async function insertRow(db: Database, row: NewRow): Promise<void> {
  const made = await withTables<NotaryTables>(db)
    .insertInto('notary_requests')
    .values({ ...row, number: null, round: 0, uploaded: null, chain: null })
    .onConflict((conflict) => conflict.doNothing())
    .returning('ref')
    .executeTakeFirst()
  if (!made) throw new Failure('malformed', 'given csr already recorded')
}

/** What clients call it, once its first order is there. */
export async function numberRow(db: Database, ref: string, number: number): Promise<void> {
  await change(db, { number }, { ref })
}

/** Its next order, in the transaction that stores that. Throws Failure('conflict') when somebody else was faster. */
export async function nextRound(db: Database, { ref, round }: RequestRow): Promise<void> {
  const moved = await withTables<NotaryTables>(db)
    .updateTable('notary_requests')
    .set({ round: round + 1, uploaded: null, chain: null })
    .where('ref', '=', ref)
    .where('round', '=', round)
    .where('live_hash', 'is not', null)
    .returning('ref')
    .executeTakeFirst()
  if (!moved) throw new Failure('conflict', 'the certificate request has changed meanwhile: look at it again')
}

/** A certificate that was signed elsewhere. Throws Failure('conflict') when one is there already, or the request has changed. */
export async function keepUploaded(
  db: Database,
  { ref, round }: RequestRow,
  { uploaded, chain }: { uploaded: number; chain: string },
): Promise<void> {
  const kept = await transaction(db, (db) =>
    withTables<NotaryTables>(db)
      .updateTable('notary_requests')
      .set({ uploaded, chain })
      .where('ref', '=', ref)
      .where('round', '=', round)
      .where('uploaded', 'is', null)
      .returning('ref')
      .executeTakeFirst(),
  )
  if (!kept) throw new Failure('conflict', 'the certificate request has changed meanwhile: look at it again')
}

/** It is shown no more, and its CSR may come again. */
export async function deleteRow(db: Database, { ref }: RequestRow): Promise<void> {
  await change(db, { live_hash: null }, { ref })
}

async function change(
  db: Database,
  set: Partial<Pick<RequestRow, 'number' | 'live_hash'>>,
  { ref }: Pick<RequestRow, 'ref'>,
): Promise<void> {
  await transaction(db, (db) =>
    withTables<NotaryTables>(db).updateTable('notary_requests').set(set).where('ref', '=', ref).execute(),
  )
}

/** Authorities that were deleted over this contract. */
export async function deletedAuthorities(db: Database): Promise<Set<number>> {
  const rows = await withTables<NotaryTables>(db)
    .selectFrom('notary_deleted_authorities')
    .select('authority_id')
    .execute()
  return new Set(rows.map(({ authority_id: id }) => id))
}

export async function deleteAuthority(db: Database, id: number, at: Date): Promise<void> {
  await transaction(db, (db) =>
    withTables<NotaryTables>(db)
      .insertInto('notary_deleted_authorities')
      .values({ authority_id: id, deleted_at: at.getTime() })
      .onConflict((conflict) => conflict.doNothing())
      .execute(),
  )
}
