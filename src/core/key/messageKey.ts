import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Kysely } from 'kysely'
import { statement, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { DecryptionKey } from '../../pki/keyTransport.ts'
import type { MessageSigner } from '../../pki/signedDataWriter.ts'
import { type Issuer, type LoadedAuthority, loadAuthority, loadIssuer } from '../authority/authority.ts'
import { nextAuthority } from '../authority/rollover.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { createCache, type Installation } from '../installation.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { loadKey, storeKey } from '../key.ts'
import type { RaProfile } from '../profile/profile.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { afterlife, authorityKeys, authorityKeysOf, bothUses } from './authorityMessageKey.ts'

/** Which key the enveloped messages of a profile go to: one of its own, RSA whatever the authority's key is, or the authority's own, if that is RSA. */
export type MessageKeySource = { key: 'ra'; size: MessageKeySize } | { key: 'ca' }
export type MessageKeySize = 2048 | 3072

/** An RSA key that opens and signs messages for a profile. The private key itself never leaves the core. */
export interface MessageKey extends MessageSigner, DecryptionKey {
  /** The issuers above its certificate, nearest first, root last, as DER. */
  issuers: Buffer[]
  /** Id of the authority's certificate that certified it, or whose key it is. */
  issuer: number | undefined
  notAfter: Date
}

/** The one that signs, then the others by which clients may ask: earlier ones, and the next of a rollover. */
export type MessageKeys = [current: MessageKey, ...others: MessageKey[]]

/** A key of the profile's own, as it is kept here. */
interface Kept extends MessageKey {
  size: number
  /** From when on the next one should be made. */
  renewAt: Date
}

const day = 86_400_000
const validity = 365 * day
const pauseAfterFailure = 60_000

const opened = createCache<string, Kept>(2000)
const making = new Map<string, Promise<Kept>>()
/** By the same keys: when one that could not be made is tried again. */
const failed = createCache<string, number>(2000)

const generate = promisify(generateKeyPair)

/**
 * The message keys of a profile. Its own is made when first asked for, and anew when a third of its life is left, when the authority signs with another
 * certificate, when it was revoked, and when another size is asked for. Throws Failure: `unavailable` when there is none and none can be made,
 * `unsupported` when the authority's own key was asked for and is not RSA.
 */
export async function messageKeys(
  it: Installation,
  profile: Pick<RaProfile, 'id' | 'name' | 'authorityId'>,
  source: MessageKeySource,
): Promise<MessageKeys> {
  const authority = await loadAuthority(it, profile.authorityId)
  if (source.key === 'ca') return authorityKeys(it, authority)
  const held = await heldKeys(it, profile.id)
  const current = held.find((key) => fits(key, authority, source.size))
  const now = it.clock()
  if (current && now < current.renewAt) return [current, ...held.filter((key) => key !== current)]
  // Not one under the next certificate of a rollover: it would tell of that too soon.
  const instead = current ?? held.find(({ notAfter, issuer }) => now < notAfter && isNotLater(issuer, authority))
  const made = await makeOnce(it, profile, { authority }, source.size).catch((error: unknown) => {
    if (!instead || instead.notAfter <= now) throw error
    it.log.warn({ err: error, profile: profile.name }, 'the message key of a profile is due and could not be renewed')
    return instead
  })
  return [made, ...held.filter((key) => key !== made)]
}

/**
 * The key of a profile under the prepared next certificate of its authority, made when first asked for; from the takeover on it is the current one.
 * Undefined while no rollover is prepared. Throws as messageKeys.
 */
export async function nextMessageKey(
  it: Installation,
  profile: Pick<RaProfile, 'id' | 'name' | 'authorityId'>,
  source: MessageKeySource,
): Promise<MessageKey | undefined> {
  const authority = await nextAuthority(it, await loadAuthority(it, profile.authorityId))
  const { issuer } = authority ?? {}
  if (!authority || !issuer || authority.withdrawn) return undefined
  if (source.key === 'ca') return (await authorityKeysOf(it, authority)).find((key) => key.issuer === issuer.id)
  const now = it.clock()
  const held = (await heldKeys(it, profile.id)).find((key) => fits(key, authority, source.size) && now < key.renewAt)
  return held ?? makeOnce(it, profile, { authority, issuer: issuer.id }, source.size)
}

const isNotLater = (issuer: number | undefined, { issuer: active }: LoadedAuthority): boolean =>
  issuer !== undefined && active !== undefined && issuer <= active.id

function fits({ issuer, size }: Kept, authority: LoadedAuthority, wanted: MessageKeySize): boolean {
  return size === wanted && issuer !== undefined && issuer === authority.issuer?.id
}

const heldRows = statement((tables: Kysely<CoreTables>, profileId: number, endsAfter: number) =>
  tables
    .selectFrom('message_keys')
    .innerJoin('certificates', 'certificates.id', 'message_keys.certificate_id')
    .select(['message_keys.id', 'message_keys.key_id', 'message_keys.certificate_id'])
    .where('message_keys.profile_id', '=', profileId)
    .where('message_keys.not_after', '>', endsAfter)
    .where('certificates.status', '=', 'issued')
    .orderBy('message_keys.number', 'desc'),
)

/** Read anew each time: another node may have made the next one, somebody may have revoked one. Newest first. */
export async function heldKeys(it: Installation, profileId: number): Promise<Kept[]> {
  const { rows } = await heldRows(it.db, profileId, it.clock().getTime() - afterlife)
  return Promise.all(rows.map((row) => openKey(it, row)))
}

async function openKey(it: Installation, row: { id: number; key_id: number; certificate_id: number }): Promise<Kept> {
  const known = opened.get(`${it.node}:${row.id}`)
  if (known) return known
  const certificate = await findCertificate(it.db, { id: row.certificate_id })
  if (!certificate) throw new Failure('internal', 'the certificate of a message key is missing')
  const kept = await keep(it, certificate, await loadKey(it.db, it.vault, row.key_id))
  opened.set(`${it.node}:${row.id}`, kept)
  return kept
}

async function keep(it: Installation, certificate: Certificate, key: KeyObject): Promise<Kept> {
  const { der, notBefore, notAfter, authorityCertificateId } = certificate
  const issuer = authorityCertificateId === undefined ? undefined : await loadIssuer(it, authorityCertificateId)
  return {
    ...bothUses(der, key),
    issuers: issuer ? [issuer.certificate.der, ...issuer.chain] : [],
    issuer: authorityCertificateId,
    notAfter,
    size: key.asymmetricKeyDetails?.modulusLength ?? 0,
    renewAt: new Date(notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 3),
  }
}

/** Who certifies it; `issuer` is named where that is not the active certificate. */
interface Certifier {
  authority: LoadedAuthority
  issuer?: number
}

/** Of those who ask at once one makes it; after a failure nobody tries for a minute. */
async function makeOnce(
  it: Installation,
  profile: Pick<RaProfile, 'id' | 'name'>,
  certifier: Certifier,
  size: MessageKeySize,
): Promise<Kept> {
  const { authority } = certifier
  const slot = `${it.node}:${profile.id}:${authority.issuer?.id}:${size}`
  const under = making.get(slot)
  if (under) return under
  issuerOf(authority)
  if (it.clock().getTime() < (failed.get(slot) ?? 0))
    throw new Failure('unavailable', 'the message key of this profile could not be made; it is tried again soon')
  const made = make(it, profile, certifier, size)
    .catch((error: unknown) => {
      failed.set(slot, it.clock().getTime() + pauseAfterFailure)
      throw error
    })
    .finally(() => making.delete(slot))
  making.set(slot, made)
  return made
}

/** Who certifies it. Throws Failure('unavailable') where the authority signs elsewhere. */
function issuerOf({ name, issuer, signs }: LoadedAuthority): Issuer {
  if (issuer && signs.sign) return issuer
  throw new Failure(
    'unavailable',
    `the authority ${name} signs elsewhere, or not at present, and cannot certify the key that messages of this profile go to: serve SCEP by a profile whose authority signs here, such as an intermediate under it`,
  )
}

async function make(
  it: Installation,
  profile: Pick<RaProfile, 'id' | 'name'>,
  { authority, ...certifier }: Certifier,
  size: MessageKeySize,
): Promise<Kept> {
  const issuer = issuerOf(authority)
  const number = (await lastNumber(it, profile.id)) + 1
  const { privateKey: key } = await generate('rsa', { modulusLength: size })
  const end = Math.min(wholeSeconds(it.clock().getTime() + validity), issuer.certificate.notAfter.getTime())
  // A common name has 64 characters (RFC 5280 appendix A).
  const commonName = `RA ${profile.name}`.slice(0, 64)
  const own = { authority, ...certifier, type: 'message', key, commonName, notAfter: new Date(end) } as const
  const certificate = await issueOwn(it, own)
  const id = await store(it, profile.id, { number, key, certificate })
  if (id === undefined) {
    const theirs = (await heldKeys(it, profile.id)).find((other) => fits(other, authority, size))
    if (!theirs) throw new Failure('unavailable', 'another message key was made for this profile meanwhile; ask again')
    return theirs
  }
  const kept = await keep(it, certificate, key)
  opened.set(`${it.node}:${id}`, kept)
  return kept
}

/** Stores the key of that number; undefined, with nothing stored, when another node has made one of that number meanwhile. */
async function store(
  it: Installation,
  profileId: number,
  { number, key, certificate }: { number: number; key: KeyObject; certificate: Certificate },
): Promise<number | undefined> {
  const at = it.clock()
  const { organizationId } = certificate
  try {
    return await transaction(it.db, async (db) => {
      const sealed = { key, purpose: 'message', organizationId }
      const keyId = await storeKey(db, it.vault, sealed, { actor: system('message'), at })
      const row = await withTables<CoreTables>(db)
        .insertInto('message_keys')
        .values({
          profile_id: profileId,
          number,
          key_id: keyId,
          certificate_id: certificate.id,
          not_after: certificate.notAfter.getTime(),
          created_at: at.getTime(),
        })
        .onConflict((conflict) => conflict.columns(['profile_id', 'number']).doNothing())
        .returning('id')
        .executeTakeFirst()
      // The sealed key goes with the transaction.
      if (!row) throw new Taken()
      return row.id
    })
  } catch (error) {
    if (error instanceof Taken) return undefined
    throw error
  }
}

class Taken extends Error {}

/** As certificates have them. */
const wholeSeconds = (time: number): number => Math.floor(time / 1000) * 1000

async function lastNumber(it: Installation, profileId: number): Promise<number> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('message_keys')
    .select('number')
    .where('profile_id', '=', profileId)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.number ?? 0
}
