import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Certificate } from '../../src/core/certificate.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Origin } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { statement } from '../../src/db/tables.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { ScepTables } from './tables.ts'

/** Who signed a message: the hash of his key, and the certificate of ours by which he is known, if any. */
export interface Signer {
  spkiHash: string
  certificate?: Certificate
}

/**
 * A transactionID is the client's own: devices choose constants, or hashes of a key that they keep for years. So a transaction is known by it together with
 * the profile, the key that signs and, once there is one, the certificate that signs: a renewal is never taken for the enrolment before it (RFC 8894
 * section 3.2.1.1).
 */
export function transactionRef(profile: RaProfile, transactionId: string, signer: Signer): string {
  return hash([profile.id, transactionId, signer.spkiHash, signer.certificate?.fingerprint ?? ''])
}

/** What a request is about, whatever its transaction: the same again is a recovery (section 5.2). Under the next key of the authority it is another. */
export function contentRef(
  { profile, issuer }: { profile: RaProfile; issuer?: number },
  signer: Signer,
  csr: Csr,
  identifiers: readonly Identifier[],
): string {
  const names = identifiers.map(({ type, value }) => `${type}:${value}`).sort()
  const subject = csr.subject.map((rdn) => rdn.map(({ type, value }) => [type, value]))
  const { spkiHash } = csr.publicKey
  const { id, variant = '' } = profile
  const next = issuer === undefined ? [] : [issuer]
  return hash([id, variant, signer.spkiHash, signer.certificate?.fingerprint ?? '', spkiHash, subject, names, ...next])
}

/** A transaction that began with this content has this origin. */
export const newOrigin = (ref: string, content: string): string => hash([ref, content])

export const originOf = (ref: string): Origin => ({ protocol: 'scep', ref })

const hash = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/** A stored transaction. */
export interface Transaction {
  ref: string
  content: string
  number: number
  origin: string
}

const columns = ['ref', 'content', 'number', 'origin'] as const

const byRef = statement((tables: Kysely<ScepTables>, ref: string) =>
  tables.selectFrom('scep_transactions').select(columns).where('ref', '=', ref),
)
const newestWith = statement((tables: Kysely<ScepTables>, content: string) =>
  tables
    .selectFrom('scep_transactions')
    .select(columns)
    .where('content', '=', content)
    .orderBy('number', 'desc')
    .limit(sql.lit(1)),
)

export async function findTransaction(db: Database, ref: string): Promise<Transaction | undefined> {
  return (await byRef(db, ref)).rows[0]
}

/** The latest transaction with this content. */
export async function findByContent(db: Database, content: string): Promise<Transaction | undefined> {
  return (await newestWith(db, content)).rows[0]
}

/** Another transaction with the same content has just begun: look again. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

const othersOf = statement((tables: Kysely<ScepTables>, content: string, number: number, ref: string) =>
  tables
    .selectFrom('scep_transactions')
    .select('ref')
    .where('content', '=', content)
    .where('number', '=', number)
    .where('ref', '<>', ref),
)
const change = statement((tables: Kysely<ScepTables>, ref: string, row: Row) =>
  tables.updateTable('scep_transactions').set(row).where('ref', '=', ref),
)
const insert = statement((tables: Kysely<ScepTables>, row: Row & { ref: string; created_at: number }) =>
  tables
    .insertInto('scep_transactions')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('ref'),
)
type Row = { content: string; number: number; origin: string }

/** Stores a transaction, or that it is about something else now; inside a transaction of the database. Throws Overtaken. */
export async function storeTransaction(db: Database, transaction: Transaction, now: Date): Promise<void> {
  const { ref, content, number, origin } = transaction
  const row = { content, number, origin }
  if ((await othersOf(db, content, number, ref)).rows.length > 0) throw new Overtaken(OVERTAKEN)
  if ((await change(db, ref, row)).changed > 0) return
  const { rows } = await insert(db, { ref, ...row, created_at: now.getTime() })
  if (rows.length === 0) throw new Overtaken(OVERTAKEN)
}

const OVERTAKEN = 'a transaction with the same content has begun'
