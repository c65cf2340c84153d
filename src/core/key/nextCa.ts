import { withTables } from '../../db/tables.ts'
import { writeCertsOnly } from '../../pki/certsOnly.ts'
import type { Digest } from '../../pki/digest.ts'
import { type MessageSigner, messageSigner, writeSignedData } from '../../pki/signedDataWriter.ts'
import { loadAuthority } from '../authority/authority.ts'
import type { Installation } from '../installation.ts'
import { loadKey } from '../key.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { CoreTables } from '../tables.ts'
import { type MessageKey, type MessageKeySource, messageKeys, nextMessageKey } from './messageKey.ts'

/** What follows the authority of a profile while a rollover is prepared. */
export interface NextCa {
  /** To which messages of those go who want to be certified by the next key; with the issuers above it. */
  key: MessageKey
  /** DER of a SignedData whose content is a certs-only one of these, signed by the authority's current key. */
  message(certificates: readonly Buffer[], digest: Digest): Promise<Buffer>
}

/** RFC 8894 section 4.7. Undefined while no rollover of the profile's authority is prepared; throws as messageKeys. */
export async function nextCa(
  it: Installation,
  profile: Pick<RaProfile, 'id' | 'name' | 'authorityId'>,
  source: MessageKeySource,
): Promise<NextCa | undefined> {
  const key = await nextMessageKey(it, profile, source)
  if (!key) return undefined
  const own = await authoritySigner(it, profile.authorityId)
  const [current] = own ? [undefined] : await messageKeys(it, profile, source)
  const signer = own ?? current
  if (!signer) return undefined
  const chain = own ? own.issuers : (current?.issuers ?? [])
  const message: NextCa['message'] = (certificates, digest) =>
    writeSignedData({ content: writeCertsOnly(certificates), attributes: [], digest, chain }, signer)
  return { key, message }
}

/**
 * The authority's own key, as section 4.7.1 wants it. Undefined for one that no CMS message can be signed with: Ed25519, or
 * a certificate that does not let its key sign anything but certificates; then the key that signs all other messages does.
 */
async function authoritySigner(
  it: Installation,
  authorityId: number,
): Promise<(MessageSigner & { issuers: Buffer[] }) | undefined> {
  const { issuer } = await loadAuthority(it, authorityId)
  if (!issuer || issuer.certificate.keyUsage?.includes('digitalSignature') === false) return undefined
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('key_id')
    .where('id', '=', issuer.id)
    .executeTakeFirst()
  if (!row?.key_id) return undefined
  const key = await loadKey(it.db, it.vault, row.key_id)
  if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec') return undefined
  return { ...messageSigner(issuer.certificate.der, key), issuers: issuer.chain }
}
