import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Installation } from '../installation.ts'
import { loadKey } from '../key.ts'
import type { CoreTables } from '../tables.ts'
import type { UpstreamAccount } from './upstreamCa.ts'

/** What keys of accounts at upstream CAs are sealed for. */
export const accountKeyPurpose = 'upstream account'

/** The account of an authority of the kind acme, with its key. */
export async function loadUpstreamAccount(it: Installation, authorityId: number): Promise<UpstreamAccount | undefined> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('upstream_accounts')
    .selectAll()
    .where('authority_id', '=', authorityId)
    .executeTakeFirst()
  if (!row) return undefined
  return {
    directory: row.directory,
    ...(row.ca_pem === null ? {} : { caPem: row.ca_pem }),
    key: await loadKey(it.db, it.vault, row.key_id),
    url: row.account_url,
  }
}

/** The account as administrators see it. */
export interface UpstreamView {
  directory: string
  /** Account URL. */
  account: string
  contact: string[]
  /** Name of the external account that it is bound to. */
  externalAccount: string | null
}

export async function viewUpstream(db: Database, authorityId: number): Promise<UpstreamView | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('upstream_accounts')
    .selectAll()
    .where('authority_id', '=', authorityId)
    .executeTakeFirst()
  if (!row) return undefined
  const { directory, account_url: account, contact, eab_kid: externalAccount } = row
  return { directory, account, contact: z.array(z.string()).parse(JSON.parse(contact)), externalAccount }
}
