import type { KeyObject } from 'node:crypto'
import type { Insertable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import { pemEncode } from '../../pki/pem.ts'
import { signerFor } from '../../pki/signer.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { type KeySpec, loadKey, makePrivateKey, storeKey } from '../key.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { Issuer, LoadedAuthority } from './authority.ts'
import { backdate, type Made } from './authorityAdmin.ts'
import { isRoot, makeNextRoot, sameKind } from './rolloverCertificate.ts'

/** How the next key and certificate of an authority are to be. */
export interface RolloverDraft {
  /** Default: a key of the same kind. */
  key?: KeySpec
  /** Milliseconds; default: as the certificate before. Never beyond the parent's end. */
  validity?: number
  /** Default: in 30 days, and not after half of the time that is left. */
  startsAt?: Date
}

const lead = 30 * 86_400_000
/** For so long the one who prepares it has the parent sign; after that upkeep goes on. */
export const signingLease = 60_000

/** A rollover that is begun, with what it concerns. */
export interface Preparing {
  it: Installation
  requester: Requester
  authority: LoadedAuthority
  issuer: Issuer
}

/** When the next certificate takes over by itself. Throws Failure('malformed') for a time that makes no sense. */
export function startOf({ it, authority, issuer }: Preparing, asked: Date | undefined): Date {
  const now = it.clock().getTime()
  const end = issuer.certificate.notAfter.getTime()
  if (asked === undefined) return new Date(Math.min(now + lead, Math.max(now, now + (end - now) / 2)))
  if (asked.getTime() < now)
    throw new Failure('malformed', 'the start lies in the past; what is to begin at once is activated')
  if (asked.getTime() > end && end > now)
    throw new Failure(
      'malformed',
      `${authority.name} ends on ${issuer.certificate.notAfter.toISOString()}, before that start`,
    )
  return asked
}

/** How long the next certificate is to be good, in milliseconds. */
function validityOf({ certificate }: Issuer, draft: RolloverDraft): number {
  return draft.validity ?? certificate.notAfter.getTime() - certificate.notBefore.getTime() - backdate
}

/**
 * A next key of an authority whose key is here. A root's certificates are all made at once; below it, the key and what is to
 * be signed are stored first, so that a certificate never is without its key. Throws Failure('conflict') where one is open.
 */
export async function beginRollover(
  preparing: Preparing,
  draft: RolloverDraft,
  place: 'here' | 'elsewhere',
): Promise<void> {
  const { it, issuer } = preparing
  const startsAt = startOf(preparing, draft.startsAt)
  const key = await makePrivateKey(draft.key ?? sameKind(issuer.certificate.publicKey))
  const validity = validityOf(issuer, draft)
  const row = { validity, starts_at: startsAt.getTime() }
  if (isRoot(issuer)) {
    const old = signerFor(await loadKey(it.db, it.vault, await keyIdOf(it, issuer.id)))
    const { newWithNew, links } = await makeNextRoot(it, issuer.certificate, { key, validity, old })
    const linked = { new_with_old: links?.newWithOld ?? null, old_with_new: links?.oldWithNew ?? null }
    return store(preparing, { ...row, ...linked }, { key, made: { certificate: newWithNew, chain: [] } })
  }
  const csr =
    place === 'here' ? null : await writeCsr({ subject: issuer.certificate.subject, identifiers: [] }, signerFor(key))
  return store(preparing, { ...row, csr, lease_until: it.clock().getTime() + signingLease }, { key })
}

/** The next certificate of an authority that signs elsewhere, with its issuers. */
export function beginManual(preparing: Preparing, made: Made, startsAt: Date | undefined): Promise<void> {
  const row = { validity: 0, starts_at: startOf(preparing, startsAt).getTime() }
  return store(preparing, row, { made })
}

type NewRow = Pick<Insertable<CoreTables['authority_rollovers']>, 'validity' | 'starts_at'> &
  Partial<Insertable<CoreTables['authority_rollovers']>>

async function store(preparing: Preparing, row: NewRow, own: { key?: KeyObject; made?: Made }): Promise<void> {
  const { it, authority } = preparing
  try {
    await transaction(it.db, (db) => insertRollover(db, preparing, row, own))
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    const detail = `a rollover of ${authority.name} is open already: activate or cancel it first`
    throw new Failure('conflict', detail, { cause: error })
  }
}

async function insertRollover(
  db: Database,
  preparing: Preparing,
  row: NewRow,
  { key, made }: { key?: KeyObject; made?: Made },
): Promise<void> {
  const { it, requester, authority, issuer } = preparing
  const at = it.clock()
  const { organizationId } = authority
  const sealed = key && { key, purpose: 'authority', organizationId }
  const keyId = sealed ? await storeKey(db, it.vault, sealed, { actor: requester, at }) : null
  const { id } = await withTables<CoreTables>(db)
    .insertInto('authority_rollovers')
    .values({
      csr: null,
      new_with_old: null,
      old_with_new: null,
      lease_until: 0,
      ...row,
      authority_id: authority.id,
      status: 'requested',
      previous_id: issuer.id,
      next_id: null,
      key_id: keyId,
      last_error: null,
      created_at: at.getTime(),
      ended_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await audit(db, requester, at, {
    action: 'authority.rollover_requested',
    organizationId,
    subject: { kind: 'authority', id: authority.id },
    details: { name: authority.name, rollover: id, startsAt: new Date(row.starts_at).toISOString() },
  })
  if (made) await storeNextCertificate(db, preparing, { rollover: id, keyId, made })
}

/**
 * The next certificate is there: from this commit on the rollover is prepared. In the caller's transaction. Throws
 * Failure('conflict') where it is not requested any more.
 */
export async function storeNextCertificate(
  db: Database,
  { it, requester, authority }: Pick<Preparing, 'it' | 'requester' | 'authority'>,
  { rollover, keyId, made, startsAt }: { rollover: number; keyId: number | null; made: Made; startsAt?: Date },
): Promise<void> {
  const at = it.clock()
  const tables = withTables<CoreTables>(db)
  const fields = readCertificate(made.certificate)
  const { id: next } = await tables
    .insertInto('authority_certificates')
    .values({
      authority_id: authority.id,
      key_id: keyId,
      certificate: made.certificate,
      chain: made.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
      spki_hash: fields.publicKey.spkiHash,
      not_after: fields.notAfter.getTime(),
      active: 0,
      shards: authority.settings.crlShards,
      created_at: at.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  const moved = await tables
    .updateTable('authority_rollovers')
    .set({
      status: 'prepared',
      next_id: next,
      last_error: null,
      ...(startsAt ? { starts_at: startsAt.getTime() } : {}),
    })
    .where('id', '=', rollover)
    .where('status', '=', 'requested')
    .returning('id')
    .executeTakeFirst()
  if (!moved) throw new Failure('conflict', 'this rollover waits for no certificate any more')
  await audit(db, requester, at, {
    action: 'authority.rollover_prepared',
    organizationId: authority.organizationId,
    subject: { kind: 'authority', id: authority.id },
    details: { name: authority.name, rollover, serial: fields.serial, notAfter: fields.notAfter.toISOString() },
  })
}

/** The key of a certificate of an authority. Throws Failure('unsupported') where it is elsewhere. */
async function keyIdOf(it: Installation, issuerId: number): Promise<number> {
  const { key_id: keyId } = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('key_id')
    .where('id', '=', issuerId)
    .executeTakeFirstOrThrow()
  if (keyId === null) throw new Failure('unsupported', 'the key of this authority is not here')
  return keyId
}
