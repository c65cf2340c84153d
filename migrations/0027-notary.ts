import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Authorities without a certificate (src/core/authority/authorityDraftTable.ts), and what Notary's contract numbers and keeps (protocols/notary/tables.ts). */
export async function notary(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'authority_drafts', {
    columns: {
      authority_id: 'int! authorities.id',
      key_id: 'int! sealed_keys.id',
      csr: 'blob!',
      validity: 'int!',
      path_length: 'int',
    },
    primaryKey: ['authority_id'],
  })
  await createTable(db, columns, 'notary_requests', {
    columns: {
      ref: 'text!',
      organization_id: 'int! organizations.id',
      number: 'int',
      live_hash: 'text',
      csr: 'text!',
      round: 'int!',
      uploaded: 'int',
      chain: 'text',
      created_at: 'int!',
    },
    primaryKey: ['ref'],
    unique: [['number'], ['organization_id', 'live_hash']],
  })
  await createTable(db, columns, 'notary_deleted_authorities', {
    columns: { authority_id: 'int! authorities.id', deleted_at: 'int!' },
    primaryKey: ['authority_id'],
  })
}
