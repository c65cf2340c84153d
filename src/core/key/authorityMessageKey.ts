import type { KeyObject } from 'node:crypto'
import { withTables } from '../../db/tables.ts'
import { type DecryptionKey, decryptionKey } from '../../pki/keyTransport.ts'
import { type MessageSigner, messageSigner } from '../../pki/signedDataWriter.ts'
import { type LoadedAuthority, loadIssuer } from '../authority/authority.ts'
import { Failure } from '../failure.ts'
import { createCache, type Installation } from '../installation.ts'
import { loadKey } from '../key.ts'
import type { CoreTables } from '../tables.ts'
import type { MessageKey, MessageKeys } from './messageKey.ts'

/** For so long after its end, in milliseconds, a key still opens messages: nobody who waits for a person waits longer. */
export const afterlife = 30 * 86_400_000

export const bothUses = (certificate: Buffer, key: KeyObject): MessageSigner & DecryptionKey => ({
  ...messageSigner(certificate, key),
  ...decryptionKey(certificate, key),
})

const authorityOpened = createCache<string, MessageKey>(500)

/** The authority's own keys: the one that signs now, then the others that it has. */
export async function authorityKeys(it: Installation, authority: LoadedAuthority): Promise<MessageKeys> {
  const keys = await authorityKeysOf(it, authority)
  const { issuer } = authority
  if (!issuer) throw new Failure('unavailable', `the authority ${authority.name} has no key that signs`)
  const current = keys.find((key) => key.issuer === issuer.id)
  if (!current)
    throw new Failure('unsupported', `the own key of the authority ${authority.name} is not an RSA key held here`)
  return [current, ...keys.filter((key) => key !== current)]
}

/** Those that are RSA, the newest first. */
export async function authorityKeysOf(it: Installation, authority: LoadedAuthority): Promise<MessageKey[]> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select(['id', 'key_id'])
    .where('authority_id', '=', authority.id)
    .where('not_after', '>', it.clock().getTime() - afterlife)
    .orderBy('id', 'desc')
    .execute()
  const keys: MessageKey[] = []
  for (const { id, key_id: keyId } of rows) {
    const key = keyId === null ? undefined : await openAuthorityKey(it, id, keyId)
    if (key) keys.push(key)
  }
  return keys
}

async function openAuthorityKey(it: Installation, id: number, keyId: number): Promise<MessageKey | undefined> {
  const known = authorityOpened.get(`${it.node}:${id}`)
  if (known) return known
  const key = await loadKey(it.db, it.vault, keyId)
  if (key.asymmetricKeyType !== 'rsa') return undefined
  const { certificate, chain } = await loadIssuer(it, id)
  const made = { ...bothUses(certificate.der, key), issuers: chain, issuer: id, notAfter: certificate.notAfter }
  authorityOpened.set(`${it.node}:${id}`, made)
  return made
}
