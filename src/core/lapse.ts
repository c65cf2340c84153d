import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { raiseAlert } from './alert.ts'
import { audit } from './audit.ts'
import type { Installation } from './installation.ts'
import { describeLifetime, type Lifetime, revocationLifetimes } from './lifetime.ts'
import { system } from './requester.ts'
import type { CoreTables } from './tables.ts'

const kind = 'revocation_lapse'

/** An alert for each CRL and responder that is closer to its end than it should be; it closes by itself when all is well again. */
export async function watchLifetimes(it: Installation): Promise<void> {
  const now = it.clock()
  const wrong = (await revocationLifetimes(it.db, now)).filter(({ state }) => state !== 'ok')
  const open = await openAlerts(it.db)
  // Most of the time there is nothing to say, and nothing is written.
  if (wrong.length === 0 && open.length === 0) return
  await transaction(it.db, async (db) => {
    for (const lifetime of wrong) await raiseAlert(db, now, alertOf(lifetime))
    const standing = new Set(wrong.map((lifetime) => keyOf(lifetime.authorityId, describeLifetime(lifetime))))
    for (const alert of await openAlerts(db)) {
      if (!standing.has(keyOf(alert.subject_id, alert.detail))) await close(db, alert, now)
    }
  })
  for (const lifetime of wrong) it.log.warn({ authority: lifetime.authority }, describeLifetime(lifetime))
}

function alertOf(lifetime: Lifetime) {
  const { authorityId, organizationId } = lifetime
  const subject = { kind: 'authority', id: authorityId } as const
  return { kind, organizationId, subject, detail: describeLifetime(lifetime) }
}

const keyOf = (id: number | null, detail: string) => `${id} ${detail}`

function openAlerts(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select(['id', 'organization_id', 'subject_id', 'detail'])
    .where('closed_at', 'is', null)
    .where('kind', '=', kind)
    .execute()
}

async function close(
  db: Database,
  { id, organization_id: organizationId, detail }: Awaited<ReturnType<typeof openAlerts>>[number],
  now: Date,
): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('alerts')
    .set({ closed_at: now.getTime() })
    .where('id', '=', id)
    .execute()
  await audit(db, system('upkeep'), now, {
    action: 'alert.closed',
    organizationId,
    subject: { kind: 'installation', id: null },
    details: { alert: id, kind, detail },
  })
}
