import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { closeAlerts, raiseAlert } from '../audit/alert.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { describeLifetime, type Lifetime, revocationLifetimes } from './lifetime.ts'

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
      const { organization_id: organizationId, subject_id: id, detail } = alert
      const subject = { kind: 'authority', id } as const
      if (!standing.has(keyOf(id, detail))) await closeAlerts(db, now, { kind, organizationId, subject, detail })
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
