import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Authorities whose new certificates stand in the CRL of another (docs/protocols/crl.md, indirect CRLs). */
export async function indirectCrls(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'crl_handovers', {
    columns: {
      authority_certificate_id: 'int! authority_certificates.id',
      crl_issuer_id: 'int! authority_certificates.id',
      created_at: 'int!',
    },
    primaryKey: ['authority_certificate_id', 'crl_issuer_id'],
    indexes: [['crl_issuer_id']],
  })
}
