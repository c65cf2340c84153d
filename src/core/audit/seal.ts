import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { type Insertable, type Kysely, type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** On PostgreSQL ids are given before the commit: how far back a commit that came late may lie. */
export function lateCommits(db: Database): number {
  return db.dialect === 'postgres' ? 5_000 : 0
}

export type AuditEvent = Selectable<CoreTables['audit_events']>

/** Where the chain ends: its last position and the hash there, lower-case hex. Position 0: nothing is sealed. */
export interface AuditHead {
  position: number
  hash: string
}

/** Makes links of the chain: HMAC-SHA256, in hex, over the hash before and the event's canonical JSON. */
export interface Chain {
  origin: string
  link(before: string, event: AuditEvent): string
}

/** `secret`: Installation.auditSecret. Without it nobody can seal a history that he has changed. */
export function chainUnder(secret: Buffer): Chain {
  const key = createSecretKey(secret)
  return {
    origin: hmac(key, 'countersign audit chain'),
    link: (before, event) => hmac(key, `${before}\n${canonicalJson(event)}`),
  }
}

function hmac(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/**
 * Gives every event that has none its place in the chain, at most `limit` of them. Returns how many. Several nodes may
 * call it at once. `secret`: Installation.auditSecret.
 */
export async function sealAudit(db: Database, secret: Buffer, limit = 500): Promise<number> {
  if (!(await anyUnsealed(db))) return 0
  const chain = chainUnder(secret)
  return transaction(db, async (db) => {
    if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(7214, 1)`.execute(withTables<CoreTables>(db))
    let { position, hash } = await readHead(db, chain)
    const seals = (await unsealed(db, limit)).map((event) => {
      position += 1
      hash = chain.link(hash, event)
      return { position, event_id: event.id, hash }
    })
    if (seals.length > 0) await storeSeals(db, seals)
    return seals.length
  })
}

/** As one parameter: a statement with a parameter a value would be another one for each number of events, built and prepared anew. */
async function storeSeals(db: Database, seals: readonly Insertable<CoreTables['audit_seals']>[]): Promise<void> {
  const list = JSON.stringify(seals.map(({ position, event_id, hash }) => [position, event_id, hash]))
  const rows =
    db.dialect === 'postgres'
      ? sql`select (e ->> 0)::bigint, (e ->> 1)::bigint, e ->> 2 from json_array_elements(cast(${list} as json)) as e`
      : sql`select value ->> 0, value ->> 1, value ->> 2 from json_each(${list})`
  await sql`insert into audit_seals (position, event_id, hash) ${rows}`.execute(withTables<CoreTables>(db))
}

/**
 * Where the chain ends now. Kept outside the database (the server logs it every hour) it shows later whether the end was
 * cut off: `countersign audit verify --head`.
 */
export async function auditHead(db: Database, secret: Buffer): Promise<AuditHead> {
  return readHead(db, chainUnder(secret))
}

/** For the log, once an hour: a head that left the machine with the log proves later that nothing was cut off. */
export async function logAuditHead({ db, auditSecret, log }: Installation): Promise<void> {
  const { position, hash } = await auditHead(db, auditSecret)
  log.info({ position, hash }, 'the audit chain ends here')
}

async function readHead(db: Database, { origin }: Chain): Promise<AuditHead> {
  const last = await withTables<CoreTables>(db)
    .selectFrom('audit_seals')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ?? { position: 0, hash: origin }
}

async function anyUnsealed(db: Database): Promise<boolean> {
  return (await oneUnsealed(db, await unsealedFrom(db))).rows.length > 0
}

async function unsealed(db: Database, limit: number): Promise<AuditEvent[]> {
  const after = await unsealedFrom(db)
  return unsealedAfter(withTables<CoreTables>(db), after).selectAll('audit_events').limit(sql.lit(limit)).execute()
}

/** No event with this id or a smaller one waits for its seal. */
async function unsealedFrom(db: Database): Promise<number> {
  const { rows } = await lastSealed(db)
  return (rows[0]?.id ?? 0) - lateCommits(db)
}

const lastSealed = statement((tables: Kysely<CoreTables>) =>
  tables.selectFrom('audit_seals').select((eb) => eb.fn.max<number | null>('event_id').as('id')),
)

const oneUnsealed = statement((tables: Kysely<CoreTables>, after: number) =>
  unsealedAfter(tables, after).select('audit_events.id').limit(sql.lit(1)),
)

function unsealedAfter(tables: Kysely<CoreTables>, after: number) {
  return tables
    .selectFrom('audit_events')
    .where('audit_events.id', '>', after)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(selectFrom('audit_seals').select('position').whereRef('audit_seals.event_id', '=', 'audit_events.id')),
      ),
    )
    .orderBy('audit_events.id')
}
