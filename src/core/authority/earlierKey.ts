import { withTables } from '../../db/tables.ts'
import { signerFor } from '../../pki/signer.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { loadKey } from '../key.ts'
import type { CoreTables } from '../tables.ts'
import { type LoadedAuthority, loadIssuer } from './authority.ts'

/**
 * The authority as it signs under one of its certificates, an earlier one too: its responder needs a certificate by the
 * key that signed what it answers for (RFC 6960 section 4.2.2.2). That this certificate was revoked is no reason to leave
 * the status of others untold, so it does not count as withdrawn. Throws Failure('notFound') for a certificate that is not
 * its own, Failure('unsupported') where the key is elsewhere.
 */
export async function authorityUnder(
  it: Installation,
  authority: LoadedAuthority,
  issuerId: number,
): Promise<LoadedAuthority> {
  const issuer = await loadIssuer(it, issuerId)
  if (issuer.authorityId !== authority.id) throw new Failure('notFound', 'there is no such authority certificate')
  if (authority.issuer?.id === issuerId) return { ...authority, withdrawn: false }
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('key_id')
    .where('id', '=', issuerId)
    .executeTakeFirst()
  const keyId = row?.key_id ?? null
  if (keyId === null) throw new Failure('unsupported', `the key of ${authority.name} is not here`)
  const signer = signerFor(await loadKey(it.db, it.vault, keyId))
  return { ...authority, issuer, withdrawn: false, signs: it.makers[authority.kind](issuer, signer) }
}
