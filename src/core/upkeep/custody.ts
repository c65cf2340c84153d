import { type Insertable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, requireSuperuser } from '../adminActor.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { verifyTail } from '../audit/verify.ts'
import { NOT_STORED } from '../crl/crlStore.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { endUpstreamLeases } from '../upstream/upstreamWork.ts'
import { presentPosition } from '../webhook/webhookOutbox.ts'
import type { KeyRing } from './keyRing.ts'
import type { KeyRotation } from './keyRotation.ts'
import { countOtherwise, type ResealCursor, type Resealed, reseal, unreadableIn } from './sealedColumns.ts'

/** What is known of a backup. */
export interface BackupRecord {
  /** When its snapshot was taken: ISO 8601. */
  madeAt: string
  /** Rows of all tables. */
  rows: number
  /** Where the audit chain ended. */
  head: { position: number; hash: string }
}

/** What a restore has changed beside the rows. */
export interface Resumed {
  /** CRLs go on from that far ahead. */
  crlNumbersSkipped: number
  sessionsEnded: number
  setupLinksEnded: number
  /** Messages to webhooks that had not left when the backup was made: they may have left since. */
  messagesGivenUp: number
  /** One-time challenges and credentials that may have been used since. */
  oneTimeSecrets: number
}

/** What becomes of an installation's data as a whole. For the local operator and superusers. */
export interface Custody {
  /** Writes down that a backup was made. Throws Failure('forbidden'). */
  backedUp(backup: BackupRecord): Promise<void>
  /** The last one that was written down. */
  lastBackup(): Promise<BackupRecord | undefined>
  /** Makes of what a backup held an installation that can serve: docs/operate/backup.md says what and why. Nobody else may use the database yet. */
  restored(backup: BackupRecord): Promise<Resumed>
  /** The same where the data was moved at rest and nothing has happened since. */
  moved(): Promise<void>
  /** Sealed keys and secrets that cannot be opened, as words for people; of each kind the newest `most`. */
  unreadable(most?: number): Promise<string[]>
  /** What time it is by whom. */
  clocks(): Promise<Clocks>
  /** Whether the end of the audit chain holds; admin.verifyAudit proves all of it. */
  auditTail(): Promise<{ sealed: number; problems: string[] }>
  /** Changing the key-encryption key. Throws Failure('unsupported') where there is none to change. */
  keyRotation(): Promise<KeyRotation>
  /** How many secrets are sealed under another key than the current one. */
  sealedOtherwise(): Promise<number>
  /** Seals some hundred secrets anew, in one transaction, from `cursor` on. */
  reseal(cursor?: ResealCursor): Promise<Resealed>
}

export interface Clocks {
  here: Date
  /** Of the database server; absent: it has none of its own. */
  database?: Date
  /** When the newest audit event was written. */
  lastEvent?: Date
}

/** So many links doctor looks at each time. */
const TAIL = 5_000

const LAST_BACKUP = 'last_backup'

export function createCustody(context: AdminContext): Custody {
  const { it, requester } = context
  const allowed = async () => requireSuperuser(await actorOf(it.db, requester))
  return {
    async backedUp(backup) {
      await allowed()
      await transaction(it.db, async (db) => {
        await remember(db, backup)
        await tell(db, requester, { at: it.clock(), action: 'installation.backed_up', details: { ...backup } })
      })
    },
    async lastBackup() {
      await allowed()
      return readLast(it.db)
    },
    async restored(backup) {
      await allowed()
      return resume(context, backup)
    },
    async moved() {
      await allowed()
      await transaction(it.db, async (db) => {
        await freeLeases(db, it.clock().getTime())
        await tell(db, requester, { at: it.clock(), action: 'installation.moved', details: { to: db.dialect } })
      })
    },
    async unreadable(most) {
      await allowed()
      return unreadableIn(it.db, it.vault, most)
    },
    async clocks() {
      await allowed()
      return readClocks(it)
    },
    async auditTail() {
      await allowed()
      return verifyTail(it.db, it.auditSecret, TAIL)
    },
    async keyRotation() {
      await allowed()
      return rotatingOf(context).rotation
    },
    async sealedOtherwise() {
      await allowed()
      return countOtherwise(it.db, rotatingOf(context).ring)
    },
    async reseal(cursor) {
      await allowed()
      return reseal(it.db, rotatingOf(context).ring, cursor)
    },
  }
}

function rotatingOf({ it, requester }: AdminContext): { rotation: KeyRotation; ring: KeyRing } {
  if (!it.keyRotation || !('prefix' in it.vault)) throw new Failure('unsupported', 'the key cannot be changed here')
  return { rotation: it.keyRotation(requester), ring: it.vault as KeyRing }
}

async function readClocks({ db, clock }: Installation): Promise<Clocks> {
  const last = await withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select('at')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  const lastEvent = last ? { lastEvent: new Date(last.at) } : {}
  if (db.dialect === 'sqlite') return { here: clock(), ...lastEvent }
  const { rows } = await sql<{
    now: number
  }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(withTables<CoreTables>(db))
  return { here: clock(), database: new Date(Number(rows[0]?.now)), ...lastEvent }
}

interface Told {
  at: Date
  action: string
  details: Record<string, unknown>
}

function tell(db: Database, actor: Requester, { at, action, details }: Told): Promise<void> {
  return audit(db, actor, at, { action, organizationId: null, subject: { kind: 'installation', id: null }, details })
}

async function remember(db: Database, backup: BackupRecord): Promise<void> {
  const value = JSON.stringify(backup)
  await withTables<CoreTables>(db)
    .insertInto('settings')
    .values({ name: LAST_BACKUP, value } satisfies Insertable<CoreTables['settings']>)
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

async function readLast(db: Database): Promise<BackupRecord | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('settings')
    .select('value')
    .where('name', '=', LAST_BACKUP)
    .executeTakeFirst()
  return row && (JSON.parse(row.value) as BackupRecord)
}

async function resume({ it, requester }: AdminContext, backup: BackupRecord): Promise<Resumed> {
  // Whatever the backup knows of was told by whoever served it.
  const position = await presentPosition(it)
  const at = it.clock()
  // No authority makes more than one CRL a millisecond: none that was handed out since has such a number.
  const crlNumbersSkipped = Math.max(0, at.getTime() - Date.parse(backup.madeAt)) + 1_000
  return transaction(it.db, async (db) => {
    await freeLeases(db, at.getTime())
    await skipCrlNumbers(db, crlNumbersSkipped)
    const resumed: Resumed = {
      crlNumbersSkipped,
      sessionsEnded: await countDeleted(withTables<CoreTables>(db).deleteFrom('sessions').execute()),
      setupLinksEnded: await countDeleted(
        withTables<CoreTables>(db).deleteFrom('setup_links').where('used_at', 'is', null).execute(),
      ),
      messagesGivenUp: await quietWebhooks(db, position),
      oneTimeSecrets: await countOneTime(db, at.getTime()),
    }
    await remember(db, backup)
    await tell(db, requester, { at, action: 'installation.restored', details: { ...backup, ...resumed } })
    await raiseAlert(db, at, {
      kind: 'restored',
      organizationId: null,
      subject: { kind: 'installation', id: null },
      detail: `restored to ${backup.madeAt}: what was issued, revoked or decided after that is not known here`,
    })
    return resumed
  })
}

async function countDeleted(results: Promise<{ numDeletedRows: bigint }[]>): Promise<number> {
  return (await results).reduce((sum, { numDeletedRows }) => sum + Number(numDeletedRows), 0)
}

/** Whoever held them is gone. */
async function freeLeases(db: Database, now: number): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const free = { lease_owner: null, lease_until: null }
  await tables.updateTable('sign_attempts').set({ lease_until: now }).where('lease_until', '>', now).execute()
  await tables.updateTable('authority_rollovers').set({ lease_until: now }).where('lease_until', '>', now).execute()
  for (const table of ['jobs', 'webhooks', 'discoveries'] as const)
    await tables.updateTable(table).set(free).where('lease_owner', 'is not', null).execute()
  await endUpstreamLeases(db)
}

/** Numbers grow (RFC 5280 section 5.2.3), also past those that nobody here remembers; and the next CRL is a new one. */
async function skipCrlNumbers(db: Database, numbers: number): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const own = tables.selectFrom('authorities').select('id').where('kind', '=', 'local')
  await tables
    .updateTable('authorities')
    .set((eb) => ({ crl_number: eb('crl_number', '+', numbers), version: eb('version', '+', 1) }))
    .where('id', 'in', own)
    .execute()
  const certificates = tables.selectFrom('authority_certificates').select('id').where('authority_id', 'in', own)
  for (const table of ['crls', 'crl_parts'] as const)
    await tables.deleteFrom(table).where('authority_certificate_id', 'in', certificates).execute()
  // That there were any says that certificates name them (crl.ts): the rows stay, for ones that are made anew.
  await tables
    .updateTable('delta_crls')
    .set({ der: Buffer.alloc(0), parts: NOT_STORED })
    .where('authority_certificate_id', 'in', certificates)
    .execute()
}

/** Nothing is told twice: what had not left when the backup was made may have left since, and is not sent again by itself. */
async function quietWebhooks(db: Database, position: number): Promise<number> {
  const tables = withTables<CoreTables>(db)
  await tables.updateTable('webhooks').set({ position, next_at: null, failures: 0 }).execute()
  const given = await tables
    .updateTable('webhook_deliveries')
    .set({ status: 'dead', last_error: 'not sent after a restore, since it may have been sent before: redeliver it' })
    .where('status', '=', 'pending')
    .execute()
  return given.reduce((sum, { numUpdatedRows }) => sum + Number(numUpdatedRows), 0)
}

async function countOneTime(db: Database, now: number): Promise<number> {
  const tables = withTables<CoreTables>(db)
  const challenges = await tables
    .selectFrom('challenges')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('uses', 'is not', null)
    .whereRef('used', '<', 'uses')
    .where('revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .executeTakeFirstOrThrow()
  const credentials = await tables
    .selectFrom('credentials')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('single_use', '=', 1)
    .where('used_at', 'is', null)
    .where('revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .executeTakeFirstOrThrow()
  return Number(challenges.n) + Number(credentials.n)
}
