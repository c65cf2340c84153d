import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { closeAlerts, raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { type Requester, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { isWithdrawn } from './authority.ts'
import { type Rollover, toRollover } from './rollover.ts'
import { resumeRollovers } from './rolloverParent.ts'

/** Who moves a rollover, when. */
interface Moving {
  requester: Requester
  at: Date
}

/**
 * The next certificate takes over, in the caller's transaction: from its commit on every node signs with it, and what was
 * signed before stays as it is. Of two that do it at once one throws Failure('conflict'), as for a certificate that is not
 * there, not good now, or revoked.
 */
export async function activate(db: Database, id: number, moving: Moving): Promise<void> {
  const rollover = await held(db, id, ['prepared'])
  const next = await checkNext(db, rollover, moving.at)
  const tables = withTables<CoreTables>(db)
  const certificates = tables.updateTable('authority_certificates')
  const before = await certificates
    .set({ active: 0 })
    .where('id', '=', rollover.previous)
    .where('active', '=', 1)
    .returning('id')
    .executeTakeFirst()
  if (!before) throw new Failure('conflict', 'the authority has another certificate than when this was prepared')
  await certificates.set({ active: 1 }).where('id', '=', next.id).execute()
  const { name, organization_id: organizationId } = await tables
    .updateTable('authorities')
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('id', '=', rollover.authorityId)
    .returning(['name', 'organization_id'])
    .executeTakeFirstOrThrow()
  await settle(db, rollover, 'active', moving)
  const subject = { kind: 'authority', id: rollover.authorityId } as const
  await audit(db, moving.requester, moving.at, {
    action: 'authority.rolled_over',
    organizationId,
    subject,
    details: { name, rollover: id, serial: next.serial, previous: rollover.previous },
  })
  await closeWarnings(db, rollover.authorityId, moving.at)
}

/** The next certificate never takes over, in the caller's transaction. What was issued under it stays checkable. */
export async function cancel(db: Database, id: number, moving: Moving): Promise<void> {
  const rollover = await held(db, id, ['requested', 'prepared'])
  await settle(db, rollover, 'canceled', moving)
  const { name, organization_id: organizationId } = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select(['name', 'organization_id'])
    .where('id', '=', rollover.authorityId)
    .executeTakeFirstOrThrow()
  await audit(db, moving.requester, moving.at, {
    action: 'authority.rollover_canceled',
    organizationId,
    subject: { kind: 'authority', id: rollover.authorityId },
    details: { name, rollover: id },
  })
  await closeWarnings(db, rollover.authorityId, moving.at)
}

async function held(db: Database, id: number, from: Rollover['status'][]): Promise<Rollover> {
  const query = withTables<CoreTables>(db).selectFrom('authority_rollovers').selectAll().where('id', '=', id)
  const rollover = toRollover(await forUpdate(db, query).executeTakeFirstOrThrow())
  if (from.includes(rollover.status)) return rollover
  const why = {
    requested: 'its next certificate is not signed yet',
    prepared: 'it is prepared',
    active: 'it has taken over already',
    canceled: 'it was canceled',
  } as const
  throw new Failure('conflict', `this rollover cannot be moved: ${why[rollover.status]}`)
}

/** Throws Failure('conflict') for a certificate that could not sign now. */
async function checkNext(db: Database, { next }: Rollover, now: Date): Promise<{ id: number; serial: string }> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_certificates')
    .select(['id', 'certificate', 'spki_hash'])
    .where('id', '=', next ?? 0)
    .executeTakeFirstOrThrow()
  const { serial, notBefore, notAfter } = readCertificate(row.certificate)
  if (notBefore > now)
    throw new Failure('conflict', `the next certificate is good from ${notBefore.toISOString()} on, not before`)
  if (notAfter <= now) throw new Failure('conflict', `the next certificate ended on ${notAfter.toISOString()}`)
  if (await isWithdrawn(db, row))
    throw new Failure('conflict', 'the next certificate was revoked: cancel, and prepare another')
  return { id: row.id, serial }
}

async function settle(
  db: Database,
  { id, status }: Rollover,
  to: 'active' | 'canceled',
  { at }: Moving,
): Promise<void> {
  const moved = await withTables<CoreTables>(db)
    .updateTable('authority_rollovers')
    .set({ status: to, ended_at: at.getTime(), last_error: null })
    .where('id', '=', id)
    .where('status', '=', status)
    .returning('id')
    .executeTakeFirst()
  if (!moved) throw new Failure('conflict', 'somebody has just moved this rollover')
}

const stuck = 'authority_rollover'

/** What was said of the end of the certificate before, and of a start that could not be kept, is over. */
async function closeWarnings(db: Database, authorityId: number, at: Date): Promise<void> {
  const open = await withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select(['kind', 'organization_id', 'detail'])
    .where('kind', 'in', ['authority_expiring', stuck])
    .where('subject_kind', '=', 'authority')
    .where('subject_id', '=', authorityId)
    .where('closed_at', 'is', null)
    .execute()
  const subject = { kind: 'authority', id: authorityId } as const
  for (const { kind, organization_id: organizationId, detail } of open)
    await closeAlerts(db, at, { kind, organizationId, subject, detail })
}

/**
 * Goes on with rollovers that wait for a parent here, and lets those take over whose time has come; one that cannot is an
 * alert. Every node may run it.
 */
export async function runRollovers(it: Installation): Promise<void> {
  await resumeRollovers(it)
  const at = it.clock()
  const due = await withTables<CoreTables>(it.db)
    .selectFrom('authority_rollovers')
    .innerJoin('authorities', 'authorities.id', 'authority_rollovers.authority_id')
    .select([
      'authority_rollovers.id',
      'authorities.id as authority',
      'authorities.name',
      'authorities.organization_id',
    ])
    .where(sql<boolean>`authority_rollovers.status in ('requested', 'prepared')`)
    .where('authority_rollovers.status', '=', 'prepared')
    .where('starts_at', '<=', at.getTime())
    .execute()
  for (const { id, authority, name, organization_id: organizationId } of due) {
    try {
      await transaction(it.db, (db) => activate(db, id, { requester: system('rollover'), at }))
      it.log.info({ authority: name }, 'an authority signs with its next key')
    } catch (error) {
      // Another node, or a person, was faster.
      if (!(error instanceof Failure) || !(await isPrepared(it.db, id))) continue
      it.log.error({ err: error, authority: name }, 'the rollover of an authority is due and cannot be')
      const detail = `the rollover of ${name} is due and cannot be: ${error.detail}`
      const subject = { kind: 'authority', id: authority } as const
      await transaction(it.db, (db) => raiseAlert(db, at, { kind: stuck, organizationId, subject, detail }))
    }
  }
}

async function isPrepared(db: Database, id: number): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_rollovers')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.status === 'prepared'
}
