import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Csr } from '../../pki/csr.ts'
import { type KeyRequest, writeCsrLike } from '../../pki/keyRequest.ts'
import { publicKeyFrom } from '../../pki/publicKey.ts'
import { signerFor } from '../../pki/signer.ts'
import { audit } from '../audit/audit.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { parsePkcs10 } from '../request/csr.ts'
import { findByOrigin } from '../request/records.ts'
import type { Origin } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { keyText, makeKey, serverKeyKind, takesStored } from './serverKeyKind.ts'

/** The additional data of the seal: a sealed key opens in its own row alone. */
export const SERVER_KEY_SEAL = 'server key'
/** How long a key waits that nobody fetches; while its request is open it waits on. */
const UNFETCHED = 90 * 86_400_000

/** Which of the keys of a client it is about; `id` once it was made. */
export interface ServerKeySlot {
  /** The adapter's name for who asks and what for. */
  asked: Origin
  number: number
  /** For SignDraft.origin: one order for each key. */
  origin: Origin
  id?: number
}

export interface ServerKeyDraft {
  profile: RaProfile
  slot: ServerKeySlot
  request: KeyRequest
  /** It stays after it was handed over, for who may export it. */
  keep: boolean
}

/** A key that is ready to be certified. */
export interface ServerKey {
  id: number
  /** Its own request, with the names and extensions of the client's. */
  csr: Csr
}

/**
 * Which key a request is about: the one that waits under the same name, or was handed over a moment ago; a new one where that one is forgotten, where its
 * certificate has ended, or where the profile takes such keys no more. Makes nothing.
 */
export async function serverKeySlot(it: Installation, profile: RaProfile, asked: Origin): Promise<ServerKeySlot> {
  const row = await newest(it.db, profile.id, asked)
  const slotOf = (number: number): ServerKeySlot => ({ asked, number, origin: originOf(profile.id, asked, number) })
  if (!row) return slotOf(0)
  return (await isCurrent(it, profile, asked, row)) ? { ...slotOf(row.number), id: row.id } : slotOf(row.number + 1)
}

/** Origins are told apart over all profiles, and the adapter's name for somebody is one within a profile. */
export const originOf = (profileId: number, { protocol, ref }: Origin, number: number): Origin => ({
  protocol,
  ref: `${ref}/${profileId}/${number}`,
})

function newest(db: Database, profileId: number, { protocol, ref }: Origin) {
  return withTables<CoreTables>(db)
    .selectFrom('server_keys')
    .select(['id', 'number', 'kind', 'repeat_until'])
    .select((eb) => eb('sealed', 'is', null).as('forgotten'))
    .where('profile_id', '=', profileId)
    .where('protocol', '=', protocol)
    .where('ref', '=', ref)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

type Newest = NonNullable<Awaited<ReturnType<typeof newest>>>

async function isCurrent(it: Installation, { id, settings }: RaProfile, asked: Origin, row: Newest): Promise<boolean> {
  const now = it.clock()
  if (row.forgotten || (row.repeat_until !== null && row.repeat_until <= now.getTime())) return false
  const known = await findByOrigin(it.db, originOf(id, asked, row.number))
  if (known?.request.status !== 'signed') {
    // While people look at it, what the profile takes now is no matter.
    const waits = known?.request.status === 'requested' || known?.request.status === 'signing'
    return waits || takesStored(settings.certificate.keys, row.kind)
  }
  const certificate = await findCertificate(it.db, { id: known.request.id })
  return certificate?.status === 'issued' && certificate.notAfter > now
}

/**
 * The key of a slot, made, sealed and stored when first asked for, in a request that it signs. Ask when it is known who asks. Throws Failure: badKey, badCsr,
 * unavailable.
 */
export async function prepareServerKey(
  it: Installation,
  requester: Requester,
  draft: ServerKeyDraft,
): Promise<ServerKey> {
  const { slot, request } = draft
  const { id, key } = slot.id === undefined ? await makeOnce(it, requester, draft) : await open(it, slot.id)
  return { id, csr: parsePkcs10(await writeCsrLike(request, signerFor(key))) }
}

const making = new Map<string, Promise<Opened>>()

/** An RSA key takes seconds, and clients that hear nothing ask again: whoever asks meanwhile waits for the same one. */
function makeOnce(it: Installation, requester: Requester, draft: ServerKeyDraft): Promise<Opened> {
  const slot = `${it.node}:${draft.slot.origin.protocol}:${draft.slot.origin.ref}`
  const under = making.get(slot) ?? make(it, requester, draft).finally(() => making.delete(slot))
  making.set(slot, under)
  return under
}

interface Opened {
  id: number
  key: KeyObject
}

async function make(
  it: Installation,
  requester: Requester,
  { profile, slot, request, keep }: ServerKeyDraft,
): Promise<Opened> {
  const made = await makeServerKey(it, profile, request.kind)
  const id = await transaction(it.db, (db) => storeServerKey(db, { made, requester, profile, slot, keep }))
  if (id !== undefined) return { id, key: made.key }
  // The same request came twice at once: there is one key.
  const row = await newest(it.db, profile.id, slot.asked)
  if (row?.number !== slot.number) throw gone()
  return open(it, row.id)
}

/** A key that is not stored yet. */
export interface MadeKey {
  key: KeyObject
  uuid: string
  kind: string
  sealed: Buffer
  at: Date
}

/** Makes and seals a key of a kind that the profile takes. Throws Failure: badKey, unavailable. */
export async function makeServerKey(it: Installation, profile: RaProfile, wish: KeyRequest['kind']): Promise<MadeKey> {
  const kind = serverKeyKind(profile.settings.certificate.keys, wish)
  const key = await makeKey(kind)
  const at = it.clock()
  const uuid = uuidv7(at)
  const sealed = it.vault.seal(key.export({ format: 'der', type: 'pkcs8' }), uuid, SERVER_KEY_SEAL)
  return { key, uuid, kind: keyText(kind), sealed, at }
}

interface Storing {
  made: MadeKey
  requester: Requester
  profile: RaProfile
  slot: ServerKeySlot
  keep: boolean
}

/** The row of a new key, with its audit row; undefined where the slot has one. */
export async function storeServerKey(
  db: Database,
  { made, requester, profile, slot, keep }: Storing,
): Promise<number | undefined> {
  const { key, uuid, kind, sealed, at } = made
  const { spkiHash } = publicKeyFrom(key)
  const { id: profileId, organizationId } = profile
  const { protocol, ref } = slot.asked
  const row = await withTables<CoreTables>(db)
    .insertInto('server_keys')
    .values({
      uuid,
      profile_id: profileId,
      organization_id: organizationId,
      protocol,
      ref,
      number: slot.number,
      kind,
      spki_hash: spkiHash,
      sealed,
      keep: keep ? 1 : 0,
      created_at: at.getTime(),
      forget_at: at.getTime() + UNFETCHED,
    })
    .onConflict((conflict) => conflict.columns(['profile_id', 'protocol', 'ref', 'number']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) return undefined
  await audit(db, requester, at, {
    action: 'server_key.made',
    organizationId,
    subject: { kind: 'server_key', id: row.id },
    details: { profile: profile.name, kind, spkiHash, keep },
  })
  return row.id
}

async function open(it: Installation, id: number): Promise<Opened> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('server_keys')
    .select(['uuid', 'sealed'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row?.sealed) throw gone()
  const pkcs8 = it.vault.open(row.sealed, row.uuid, SERVER_KEY_SEAL)
  return { id, key: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }) }
}

const gone = (): Failure => new Failure('conflict', 'this key was handed over and is forgotten: ask for a new one')

/** How a key goes to its client. */
export interface HandOver {
  /** Of its certificate. */
  certificate: number
  /** Beside TLS. */
  encrypted: boolean
  /** Milliseconds from the first time on in which a repeated request gets it again. */
  repeat: number
}

/**
 * The private key (PKCS #8, DER), to be handed to its client now: its time begins to run. The trail says so before it leaves. Throws Failure('conflict') once it
 * is forgotten.
 */
export async function handOverServerKey(
  it: Installation,
  requester: Requester,
  { id }: ServerKey,
  { certificate, encrypted, repeat }: HandOver,
): Promise<Buffer> {
  const { key } = await open(it, id)
  const at = it.clock()
  const until = at.getTime() + repeat
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const row = await tables
      .selectFrom('server_keys')
      .select(['organization_id', 'keep', 'delivered_at', 'spki_hash'])
      .where('id', '=', id)
      .where('sealed', 'is not', null)
      .executeTakeFirst()
    if (!row) throw gone()
    if (row.delivered_at === null)
      await tables
        .updateTable('server_keys')
        .set({ delivered_at: at.getTime(), repeat_until: until, forget_at: row.keep === 1 ? null : until })
        .where('id', '=', id)
        .where('delivered_at', 'is', null)
        .execute()
    await audit(db, requester, at, {
      action: 'server_key.delivered',
      organizationId: row.organization_id,
      subject: { kind: 'server_key', id },
      details: { certificate, spkiHash: row.spki_hash, encrypted, again: row.delivered_at !== null },
    })
  })
  return key.export({ format: 'der', type: 'pkcs8' })
}
