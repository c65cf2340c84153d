import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** CAA (RFC 8659) and dns-persist-01 of an authorization; protocols/acme/tables.ts says what the columns hold. */
export async function acmeChecks(db: Kysely<unknown>, columns: Columns): Promise<void> {
  const { schema } = db
  await schema.alterTable('acme_authorizations').addColumn('issuers', columns.text).execute()
  await schema
    .alterTable('acme_authorizations')
    .addColumn('caa', ...columns.flag('caa', 0))
    .execute()
  await schema.alterTable('acme_authorizations').addColumn('caa_checked_at', columns.int).execute()
  await createTable(db, columns, 'acme_account_keys', {
    columns: { account_id: 'int! acme_accounts.id', thumbprint: 'text!', retired_at: 'int!' },
    primaryKey: ['account_id', 'thumbprint'],
  })
}
