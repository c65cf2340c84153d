import { withTables } from '../../db/tables.ts'
import { loadIssuer } from '../authority/authority.ts'
import { crlIssuerOf, isIndirect } from '../authority/indirectCrl.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import type { CrlRef } from './crl.ts'

/** The complete CRL in which a certificate stands, or would stand. Throws Failure('notFound'). */
export async function crlOfCertificate(it: Installation, id: number): Promise<CrlRef> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('certificates')
    .select(['authority_id', 'authority_certificate_id', 'shard'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such certificate')
  const { authority_id: authority, authority_certificate_id: issuer, shard } = row
  if (isIndirect(shard)) {
    const { authorityId } = await loadIssuer(it, crlIssuerOf(shard))
    return { authority: authorityId, issuer: crlIssuerOf(shard), indirect: true }
  }
  return { authority, ...(issuer === null ? {} : { issuer }), shard }
}
