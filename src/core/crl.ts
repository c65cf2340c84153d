import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { type RevocationReason, reasonCodes } from '../pki/crl.ts'
import { keyIdentifier } from '../pki/publicKey.ts'
import { type LoadedAuthority, loadAuthority, loadIssuer } from './authority.ts'
import type { SignedCrl } from './core.ts'
import { Failure } from './failure.ts'
import type { Installation } from './installation.ts'
import type { CoreTables } from './tables.ts'

/** Which CRL: of an authority by name, of one of its certificates (default: the active one), of one shard (default: 0). */
export interface CrlRef {
  authority: string
  issuer?: number
  shard?: number
}

const building = new Map<string, Promise<SignedCrl>>()

/**
 * The CRL as it must read now: the stored one while nothing was revoked since and more than a third of its time is
 * left, else a new one with the next number (RFC 5280 section 5.2.3: they only grow). Throws Failure('notFound') and,
 * for an authority that signs elsewhere, Failure('unsupported').
 */
export async function currentCrl(it: Installation, ref: CrlRef): Promise<SignedCrl> {
  const authority = await loadAuthority(it, ref.authority)
  const issuerId = ref.issuer ?? authority.issuer?.id
  const shard = ref.shard ?? 0
  if (issuerId === undefined || shard !== 0) throw new Failure('notFound', 'there is no such CRL')
  const issuer = await loadIssuer(it, issuerId)
  if (issuer.authorityId !== authority.id) throw new Failure('notFound', 'there is no such CRL')
  const revocations = await revocationCount(it.db, authority.id)
  const stored = await newestCrl(it.db, issuerId, shard)
  if (stored && stored.revocations >= revocations && !stale(stored, it.clock())) return stored
  if (issuer.certificate.notAfter <= it.clock()) {
    // Nothing that it signed is valid any more: the last one stands.
    if (stored) return stored
    throw new Failure('notFound', 'the certificate of this authority has ended, and it left no CRL')
  }
  const key = `${it.node}:${issuerId}:${shard}:${revocations}`
  const under = building.get(key)
  if (under) return under
  const built = buildCrl(it, { authority, issuerId, shard }).finally(() => building.delete(key))
  building.set(key, built)
  return built
}

function stale(crl: SignedCrl, now: Date): boolean {
  const span = crl.nextUpdate.getTime() - crl.thisUpdate.getTime()
  return crl.nextUpdate.getTime() - now.getTime() < span / 3
}

/** How often a revocation status of this authority has changed. Read it before what depends on it. */
export async function revocationCount(db: Database, authorityId: number): Promise<number> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select('revocations')
    .where('id', '=', authorityId)
    .executeTakeFirstOrThrow()
  return row.revocations
}

async function newestCrl(
  db: Database,
  issuerId: number,
  shard: number,
): Promise<(SignedCrl & { revocations: number }) | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('crls')
    .selectAll()
    .where('authority_certificate_id', '=', issuerId)
    .where('shard', '=', shard)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) return undefined
  return {
    der: row.der,
    number: row.number,
    thisUpdate: new Date(row.this_update),
    nextUpdate: new Date(row.next_update),
    revocations: row.revocations,
  }
}

interface CrlBuild {
  authority: LoadedAuthority
  issuerId: number
  shard: number
}

async function buildCrl(it: Installation, { authority, issuerId, shard }: CrlBuild): Promise<SignedCrl> {
  const { signs } = authority
  if (!signs.signCrl)
    throw new Failure('unsupported', `the CRL of ${authority.name} is published where that authority signs`)
  if (issuerId !== authority.issuer?.id) throw new Failure('notFound', 'the CRL of an earlier key is not made here')
  const { certificate } = authority.issuer
  // The number and what it covers are taken under one lock: a higher number never knows less.
  const { number, revocations, entries } = await transaction(it.db, async (db) => ({
    ...(await nextNumber(db, authority.id)),
    entries: await revokedUnder(db, issuerId, shard),
  }))
  const thisUpdate = it.clock()
  const nextUpdate = new Date(
    Math.min(thisUpdate.getTime() + authority.settings.crlValidity, certificate.notAfter.getTime()),
  )
  const der = await signs.signCrl({
    issuer: certificate.subjectDer,
    aki: certificate.ski ?? keyIdentifier(certificate.publicKey),
    number,
    thisUpdate,
    nextUpdate,
    entries,
  })
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    await tables
      .insertInto('crls')
      .values({
        authority_certificate_id: issuerId,
        shard,
        number,
        revocations,
        der,
        this_update: thisUpdate.getTime(),
        next_update: nextUpdate.getTime(),
      })
      .execute()
    // Earlier ones have been replaced for good; the newest few stay for whoever is asked what was published.
    await tables
      .deleteFrom('crls')
      .where('authority_certificate_id', '=', issuerId)
      .where('shard', '=', shard)
      .where('number', '<', number - 20)
      .execute()
  })
  return { der, number, thisUpdate, nextUpdate }
}

async function nextNumber(db: Database, authorityId: number): Promise<{ number: number; revocations: number }> {
  const row = await withTables<CoreTables>(db)
    .updateTable('authorities')
    .set((eb) => ({ crl_number: eb('crl_number', '+', 1) }))
    .where('id', '=', authorityId)
    .returning(['crl_number', 'revocations'])
    .executeTakeFirstOrThrow()
  return { number: row.crl_number, revocations: row.revocations }
}

async function revokedUnder(db: Database, issuerId: number, shard: number) {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['serial', 'revoked_at', 'revocation_reason'])
    .where('authority_certificate_id', '=', issuerId)
    .where('shard', '=', shard)
    .where('status', '<>', 'issued')
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    serial: row.serial,
    revokedAt: new Date(row.revoked_at ?? 0),
    ...(row.revocation_reason === null ? {} : { reason: reasonCodes[row.revocation_reason as RevocationReason] }),
  }))
}
