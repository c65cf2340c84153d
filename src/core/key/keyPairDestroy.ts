import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import type { Verdict } from '../approval/approval.ts'
import { audit } from '../audit/audit.ts'
import type { Certificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RevokeDraft } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { managedKeyPair } from './keyPair.ts'

interface By {
  actor: Requester
  at: Date
}

type Key = Pick<Certificate, 'spkiHash' | 'organizationId'>

/** See KeyPairs.destroy. */
export async function destroyKeyPair({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const row = await managedKeyPair(db, requester, uuid)
    if (row.destroyed_at !== null) return
    const key = { spkiHash: row.spki_hash, organizationId: row.organization_id }
    const use = await useOf(db, key, at)
    if (use !== undefined) throw new Failure('conflict', `the key ${row.name} cannot be destroyed: ${use}`)
    await destroy(db, row, { actor: requester, at })
  })
}

/** A key that was made for an order which was refused, if nothing needs it; the trail says so. */
export async function destroyUnused(it: Installation, uuid: string, by: By): Promise<void> {
  await transaction(it.db, async (db) => {
    const row = await forUpdate(
      db,
      withTables<CoreTables>(db)
        .selectFrom('key_pairs')
        .select(['id', 'name', 'spki_hash', 'organization_id'])
        .where('uuid', '=', uuid)
        .where('destroyed_at', 'is', null),
    ).executeTakeFirst()
    if (!row) return
    const key = { spkiHash: row.spki_hash, organizationId: row.organization_id }
    if ((await useOf(db, key, by.at)) === undefined) await destroy(db, row, by, { because: 'its order was refused' })
  })
}

/** What needs the key still, as one sentence; `but`: the id of a certificate that does not count. */
async function useOf(db: Database, { spkiHash, organizationId }: Key, at: Date, but = 0): Promise<string | undefined> {
  const tables = withTables<CoreTables>(db)
  // In this order: a request that is signed meanwhile has its certificate in the same moment.
  const request = await tables
    .selectFrom('sign_requests')
    .select(['id', 'status'])
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    // Written out: a partial index serves it.
    .where(sql<boolean>`status in ('draft', 'requested', 'signing', 'failed')`)
    .where('status', '<>', 'failed')
    .limit(1)
    .executeTakeFirst()
  if (request) return `request s${request.id} for a certificate of it is ${request.status}: cancel that first`
  const certificate = await tables
    .selectFrom('certificates')
    .select(['serial', 'status'])
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    .where('status', '<>', 'revoked')
    .where('not_after', '>', at.getTime())
    .where('id', '<>', but)
    .limit(1)
    .executeTakeFirst()
  return certificate && `certificate ${certificate.serial} uses it: revoke that first`
}

/** Its sealed bytes are gone with this, and nothing is certified for it any more, whatever CSR of it is about. */
async function destroy(
  db: Database,
  { id, name, spki_hash: spkiHash, organization_id: organizationId }: KeyRow,
  { actor, at }: By,
  details: Record<string, unknown> = {},
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  await tables
    .updateTable('key_pairs')
    .set({ sealed: null, destroyed_at: at.getTime() })
    .where('id', '=', id)
    .where('destroyed_at', 'is', null)
    .execute()
  await tables
    .insertInto('blocked_keys')
    .values({ spki_hash: spkiHash, reason: 'keyDestroyed', created_at: at.getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await audit(db, actor, at, {
    action: 'key_pair.destroyed',
    organizationId,
    subject: { kind: 'key_pair', id },
    details: { name, spkiHash, ...details },
  })
}

interface KeyRow {
  id: number
  name: string
  spki_hash: string
  organization_id: number
}

/**
 * Whether the private key of a certificate can be destroyed with its revocation: said when that is asked for. Throws Failure: badReason (a hold can be lifted),
 * conflict (it is not held here, or something else needs it).
 */
async function requireDestroyable(
  db: Database,
  certificate: Pick<Certificate, 'id' | 'spkiHash' | 'organizationId'>,
  { reason, at }: { reason: string | undefined; at: Date },
): Promise<void> {
  if (reason === 'certificateHold')
    throw new Failure('badReason', 'a hold can be lifted, a key that is destroyed is gone: leave destroyKey out')
  if (!(await isHeld(db, certificate)))
    throw new Failure('conflict', 'the private key of this certificate is not held here: leave destroyKey out')
  const use = await useOf(db, certificate, at, certificate.id)
  if (use !== undefined) throw new Failure('conflict', `the key of this certificate cannot be destroyed: ${use}`)
}

/** The verdict on a revocation, with what becomes of the key told to whoever decides. Throws as requireDestroyable. */
export async function toldOfKey(
  db: Database,
  { destroyKey, reason }: RevokeDraft,
  { certificate, verdict, at }: { certificate: Certificate; verdict: Verdict; at: Date },
): Promise<Verdict> {
  if (!destroyKey) return verdict
  await requireDestroyable(db, certificate, { reason, at })
  const detail = 'its private key, held here, is destroyed with it'
  return { ...verdict, findings: [...verdict.findings, { by: 'policy', check: 'destroyKey', detail }] }
}

/** Whether the private key is here: in the keystore, or kept after it was made for its client. */
export async function isHeld(db: Database, { spkiHash, organizationId }: Key): Promise<boolean> {
  return (
    (await heldKeyPair(db, { spkiHash, organizationId })) !== undefined || (await isKept(db, spkiHash, organizationId))
  )
}

function heldKeyPair(db: Database, { spkiHash, organizationId }: Key, locked?: 'locked') {
  const query = withTables<CoreTables>(db)
    .selectFrom('key_pairs')
    .select(['id', 'name', 'spki_hash', 'organization_id'])
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    .where('destroyed_at', 'is', null)
  return (locked ? forUpdate(db, query) : query).executeTakeFirst()
}

async function isKept(db: Database, spkiHash: string, organizationId: number): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('server_keys')
    .select('id')
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    .where('sealed', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Destroys the private key of a certificate that this transaction has revoked, as was asked with it; where something else needs the key by now, it stays, and the
 * revocation's record says so. `request`: the id of the RevokeRequest.
 */
export async function destroyWithRevocation(
  db: Database,
  { certificate, request, ...by }: By & { certificate: Certificate; request: number },
): Promise<void> {
  const row = await heldKeyPair(db, certificate, 'locked')
  const use = await useOf(db, certificate, by.at, certificate.id)
  const details = { certificate: certificate.serial, revokeRequest: request }
  if (use === undefined) {
    if (row) await destroy(db, row, by, details)
    await forgetKept(db, certificate, by, details)
    return
  }
  await withTables<CoreTables>(db)
    .updateTable('revoke_requests')
    .set({ reason: `revoked, but its key was not destroyed: ${use}` })
    .where('id', '=', request)
    .execute()
  const { organizationId } = certificate
  if (row)
    await audit(db, by.actor, by.at, {
      action: 'key_pair.kept',
      organizationId,
      subject: { kind: 'key_pair', id: row.id },
      details: { ...details, name: row.name, spkiHash: row.spki_hash, because: use },
    })
}

/** What was made for a client and kept; the client has it all the same. */
async function forgetKept(
  db: Database,
  { spkiHash, organizationId }: Key,
  { actor, at }: By,
  details: Record<string, unknown>,
): Promise<void> {
  const gone = await withTables<CoreTables>(db)
    .updateTable('server_keys')
    .set({ sealed: null, forget_at: null })
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    .where('sealed', 'is not', null)
    .returning(['id', 'delivered_at'])
    .execute()
  for (const { id, delivered_at: deliveredAt } of gone)
    await audit(db, actor, at, {
      action: 'server_key.forgotten',
      organizationId,
      subject: { kind: 'server_key', id },
      details: { spkiHash, delivered: deliveredAt !== null, ...details },
    })
}
