import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Origin } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { Exchange } from './exchange.ts'
import { type Sender, senderKey } from './sender.ts'
import type { CmpTables } from './tables.ts'

/** The messages that begin a transaction which is kept. */
export type Beginning = 'ir' | 'cr' | 'kur' | 'p10cr' | 'rr'

/** A stored transaction. */
export interface Transaction {
  ref: string
  body: Beginning
  content: string
  /** Ref of the SignRequest's origin; of rr: its own. */
  origin: string
  /** Of rr: id of the certificate. */
  certificate?: number
  reason?: string
  implicit: boolean
  confirmUntil?: Date
  confirmed: boolean
  /** Its client rejected the certificate, or did not confirm it in time: nothing confirms it any more. */
  rejected: boolean
}

const hash = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/**
 * A transactionID is the client's own: whoever else uses the same one, by accident or to disturb, has another transaction. The profile is not in it: no message
 * protects the path that it is sent to, and one that somebody sends again to another profile must be no new one there.
 */
export const transactionRef = (transactionId: Buffer, sender: Sender): string =>
  hash([transactionId.toString('hex'), senderKey(sender)])

const placeOf = ({ profile }: Exchange, transactionId: Buffer): string =>
  hash([profile.id, transactionId.toString('hex')])

/** What an order is about, whatever its transaction: the same again while the first one waits is no second order. */
export function contentRef(
  { profile }: Exchange,
  sender: Sender,
  { csr, identifiers }: { csr: Csr; identifiers: readonly Identifier[] },
): string {
  const names = identifiers.map(({ type, value }) => `${type}:${value}`).sort()
  const subject = csr.subject.map((rdn) => rdn.map(({ type, value }) => [type, value]))
  return hash([profile.id, profile.variant ?? '', senderKey(sender), csr.publicKey.spkiHash, subject, names])
}

export const originOf = (ref: string): Origin => ({ protocol: 'cmp', ref })

const columns = [
  'ref',
  'body',
  'content',
  'origin',
  'certificate',
  'reason',
  'implicit',
  'confirm_until',
  'confirmed_at',
  'rejected_at',
] as const

const byRef = statement((tables: Kysely<CmpTables>, ref: string) =>
  tables.selectFrom('cmp_transactions').select(columns).where('ref', '=', ref),
)
const newestWith = statement((tables: Kysely<CmpTables>, content: string) =>
  tables
    .selectFrom('cmp_transactions')
    .select(columns)
    .select('created_at')
    .where('content', '=', content)
    // Those that have joined an order are not later than it.
    .whereRef('ref', '=', 'origin')
    .orderBy('created_at', 'desc')
    .limit(sql.lit(1)),
)

type Row = Awaited<ReturnType<typeof byRef>>['rows'][number]

function toTransaction(row: Row): Transaction {
  return {
    ref: row.ref,
    body: row.body as Beginning,
    content: row.content,
    origin: row.origin,
    ...(row.certificate === null ? {} : { certificate: row.certificate }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    implicit: row.implicit === 1,
    ...(row.confirm_until === null ? {} : { confirmUntil: new Date(row.confirm_until) }),
    confirmed: row.confirmed_at !== null,
    rejected: row.rejected_at !== null,
  }
}

export async function findTransaction(db: Database, ref: string): Promise<Transaction | undefined> {
  const [row] = (await byRef(db, ref)).rows
  return row && toTransaction(row)
}

/** The latest order with some content. */
export interface Latest extends Transaction {
  /** Epoch milliseconds by which it is the latest: one that is stored after it has more, on whichever node. */
  at: number
}

export async function findByContent(db: Database, content: string): Promise<Latest | undefined> {
  const [row] = (await newestWith(db, content)).rows
  return row && { ...toTransaction(row), at: row.created_at }
}

/**
 * Of orders with the same content that come at the same moment, on whichever node, each that gets here waits for the end of the one before, in its
 * transaction of the database. Whether that one has become the latest meanwhile, in place of the one that its caller saw.
 */
export async function isOvertaken(db: Database, { content, ref }: Begun, seen: string | undefined): Promise<boolean> {
  // On SQLite transactions come one after the other.
  if (db.dialect === 'postgres')
    await sql`select pg_advisory_xact_lock(7216, hashtext(${content}))`.execute(withTables<CmpTables>(db))
  const latest = await findByContent(db, content)
  return latest !== undefined && latest.ref !== seen && latest.ref !== ref
}

const signersAt = statement((tables: Kysely<CmpTables>, place: string) =>
  tables
    .selectFrom('cmp_transactions')
    .select('signer')
    .where('place', '=', place)
    .where('signer', 'is not', null)
    .limit(sql.lit(MOST_SIGNERS)),
)
const MOST_SIGNERS = 8

/** Fingerprints of the certificates by which messages with this transactionID were signed before. */
export async function earlierSigners(exchange: Exchange, transactionId: Buffer): Promise<string[]> {
  const { rows } = await signersAt(exchange.host.db, placeOf(exchange, transactionId))
  return rows.flatMap(({ signer }) => (signer === null ? [] : [signer]))
}

type Stored = { [Column in keyof CmpTables['cmp_transactions']]: CmpTables['cmp_transactions'][Column] }

const insert = statement((tables: Kysely<CmpTables>, row: Stored) =>
  tables
    .insertInto('cmp_transactions')
    .values(row)
    .onConflict((conflict) => conflict.doNothing()),
)

/** What is to be stored of a transaction; the rest comes later. */
export type Begun = Pick<Transaction, 'ref' | 'body' | 'content' | 'origin' | 'certificate' | 'reason' | 'implicit'>

/** Stores a transaction, in the caller's transaction of the database; one that is there stays as it is. `before`: the latest with its content, which it follows. */
export async function storeTransaction(
  db: Database,
  exchange: Exchange,
  { transactionId, sender, begun, before }: { transactionId: Buffer; sender: Sender; begun: Begun; before?: Latest },
): Promise<void> {
  await insert(db, {
    ref: begun.ref,
    place: placeOf(exchange, transactionId),
    signer: sender.by === 'certificate' ? sender.certificate.fingerprint : null,
    body: begun.body,
    content: begun.content,
    origin: begun.origin,
    certificate: begun.certificate ?? null,
    reason: begun.reason ?? null,
    implicit: begun.implicit ? 1 : 0,
    confirm_until: null,
    confirmed_at: null,
    rejected_at: null,
    // Clocks of nodes differ; the order in which the database lets them store does not.
    created_at: Math.max(exchange.now.getTime(), (before?.at ?? 0) + 1),
  })
}

const awaitOnce = statement((tables: Kysely<CmpTables>, ref: string, until: number) =>
  tables
    .updateTable('cmp_transactions')
    .set({ confirm_until: until })
    .where('ref', '=', ref)
    .where('confirm_until', 'is', null),
)

/** From when the certificate is handed out, its confirmation is waited for; whether this call began that. */
export async function awaitConfirmation(db: Database, ref: string, until: Date): Promise<boolean> {
  return (await awaitOnce(db, ref, until.getTime())).changed > 0
}

/** All transactions about one certificate. */
const about = (tables: Kysely<CmpTables>, content: string, origin: string) =>
  tables.updateTable('cmp_transactions').where('content', '=', content).where('origin', '=', origin)

/** The same, to look at: one of them may have been stored since the others were confirmed or rejected. */
const others = (tables: Kysely<CmpTables>, content: string, origin: string) =>
  tables
    .selectFrom('cmp_transactions as other')
    .select('other.ref')
    .where('other.content', '=', content)
    .where('other.origin', '=', origin)

const confirmOnce = statement((tables: Kysely<CmpTables>, content: string, origin: string, at: number) =>
  about(tables, content, origin)
    .set(({ fn, val }) => ({ confirmed_at: fn.coalesce('confirmed_at', val(at)) }))
    .where('rejected_at', 'is', null)
    .where(({ not, exists }) =>
      not(exists(others(tables, content, origin).where('other.rejected_at', 'is not', null))),
    ),
)
const rejectOnce = statement((tables: Kysely<CmpTables>, content: string, origin: string, at: number) =>
  about(tables, content, origin).set(({ fn, val }) => ({ rejected_at: fn.coalesce('rejected_at', val(at)) })),
)
const rejectUnconfirmed = statement((tables: Kysely<CmpTables>, content: string, origin: string, at: number) =>
  about(tables, content, origin)
    .set(({ fn, val }) => ({ rejected_at: fn.coalesce('rejected_at', val(at)) }))
    .where('confirmed_at', 'is', null)
    .where(({ not, exists }) =>
      not(
        exists(
          others(tables, content, origin).where((of) =>
            of.or([of('other.confirmed_at', 'is not', null), of('other.confirm_until', '>', at)]),
          ),
        ),
      ),
    ),
)

type About = Pick<Transaction, 'content' | 'origin'>

/** The certificate is confirmed, in whichever of the transactions about it; again, nothing changes. False: it was rejected. */
export async function storeConfirmation(db: Database, { content, origin }: About, at: Date): Promise<boolean> {
  return (await confirmOnce(db, content, origin, at.getTime())).changed > 0
}

/** Its client rejects the certificate, whatever it said before. */
export async function storeRejection(db: Database, { content, origin }: About, at: Date): Promise<void> {
  await rejectOnce(db, content, origin, at.getTime())
}

/** The time to confirm the certificate has ended: it is rejected, unless somebody has confirmed it, or has more time by another transaction (false). */
export async function storeEnd(db: Database, { content, origin }: About, at: Date): Promise<boolean> {
  return (await rejectUnconfirmed(db, content, origin, at.getTime())).changed > 0
}
