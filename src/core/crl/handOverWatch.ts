import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { closeAlerts, raiseAlert } from '../audit/alert.ts'
import { authoritySettings } from '../authority/authority.ts'
import { findCrlIssuer } from '../authority/indirectCrl.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

const kind = 'crl_issuer'

/** An alert for each authority that hands its CRL over to one that does not fit any more; it closes by itself when one does, or is not asked for. */
export async function watchHandOvers(it: Installation): Promise<void> {
  const tables = withTables<CoreTables>(it.db)
  const rows = await tables
    .selectFrom('authorities')
    .innerJoin('authority_certificates as own', 'own.authority_id', 'authorities.id')
    .select(['authorities.id', 'authorities.name', 'organization_id', 'settings', 'own.id as issuerId'])
    .where('own.active', '=', 1)
    .where('authorities.kind', '=', 'local')
    .execute()
  const open = await tables
    .selectFrom('alerts')
    .select('subject_id')
    .where('closed_at', 'is', null)
    .where('kind', '=', kind)
    .execute()
  for (const { id, name, organization_id: organizationId, settings, issuerId } of rows) {
    const { crlIssuer } = authoritySettings.parse(JSON.parse(settings))
    const wrong = crlIssuer !== undefined && (await findCrlIssuer(it.db, { issuerId, crlIssuer })) === undefined
    if (wrong === open.some(({ subject_id }) => subject_id === id)) continue
    const detail = `new certificates of ${name} are in its own CRLs: the certificate of its crlIssuer was revoked, or ends before its own`
    const alert = { kind, organizationId, subject: { kind: 'authority', id }, detail } as const
    await transaction(it.db, (db) => (wrong ? raiseAlert : closeAlerts)(db, it.clock(), alert))
  }
}
