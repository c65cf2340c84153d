import { issuerUrls, type LoadedAuthority, loadAuthority, loadIssuer } from '../authority/authority.ts'
import { crlIssuerOf, isIndirect } from '../authority/indirectCrl.ts'
import type { Installation } from '../installation.ts'

/**
 * The URLs that a new certificate carries. `shard`: in which CRL it will stand; in an indirect one, the URLs of that, and as `crlIssuer`
 * the DER Name of who signs it (RFC 5280 section 4.2.1.13).
 */
export async function certificateUrls(
  it: Installation,
  authority: LoadedAuthority,
  { issuerId, shard }: { issuerId: number; shard: number },
) {
  const own = issuerUrls(it, authority, issuerId, shard)
  if (!isIndirect(shard)) return own
  const { id, authorityId, certificate } = await loadIssuer(it, crlIssuerOf(shard))
  const { crlUrls, freshestUrls } = issuerUrls(it, await loadAuthority(it, authorityId), id, shard)
  const { ocspUrls, issuerUrls: issuers } = own
  const common = { crlUrls, crlIssuer: certificate.subjectDer, ocspUrls, issuerUrls: issuers }
  return freshestUrls ? { ...common, freshestUrls } : common
}
