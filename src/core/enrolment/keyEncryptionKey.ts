import { withTables } from '../../db/tables.ts'
import { KEY_WRAPS, type KekRecipient, keyWraps, wrapFor, wrapKey } from '../../pki/keyWrap.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { CoreTables } from '../tables.ts'
import { credentialName, sealPurpose } from './credential.ts'

/**
 * The names under which a key-encryption key may be stored for an identifier as it stands in a message: as text where it is one, and in hexadecimal digits
 * (`hex:0a0b…`) whatever it is.
 */
function namesOf(identifier: Buffer): string[] {
  const text = identifier.toString('latin1')
  return [`hex:${identifier.toString('hex')}`, ...(credentialName.test(text) ? [text] : [])]
}

/**
 * The secret key of a profile that a device knows by this identifier (a credential of the kind `kek`), as it wraps content-encryption keys: the secret itself stays
 * here. Undefined for one that is unknown, revoked or past its time.
 */
export async function findKek(
  { db, vault, clock }: Pick<Installation, 'db' | 'vault' | 'clock'>,
  profile: Pick<RaProfile, 'id'>,
  identifier: Buffer,
): Promise<KekRecipient | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('credentials')
    .select(['uuid', 'sealed'])
    .where('profile_id', '=', profile.id)
    .where('kind', '=', 'kek')
    .where('name', 'in', namesOf(identifier))
    .where('revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', clock().getTime())]))
    .executeTakeFirst()
  if (!row) return undefined
  const secret = vault.open(row.sealed, row.uuid, sealPurpose('kek'))
  const wrap = wrapFor(secret)
  if (!wrap) throw new Failure('internal', 'a key-encryption key has a length that no cipher takes')
  return { keyIdentifier: identifier, wrap, wrapKey: (key) => wrapKey(wrap, secret, key) }
}

/** A key-encryption key that people bring (16, 24 or 32 octets, base64url). Throws Failure('malformed'). */
export function checkedKek(given: string): string {
  const octets = Buffer.from(given, 'base64url')
  if (octets.toString('base64url') === given && wrapFor(octets)) return given
  const lengths = keyWraps.map((wrap) => KEY_WRAPS[wrap].keyLength).sort()
  throw new Failure('malformed', `a key-encryption key has ${lengths.join(', ')} octets`)
}
