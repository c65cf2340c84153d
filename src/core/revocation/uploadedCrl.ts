import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { CrlFields } from '../../pki/crlReader.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { type Issuer, loadAuthority } from '../authority/authority.ts'
import { issuersOf, readBySome } from '../authority/authorityChain.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { confirmLifted } from './confirmLifted.ts'
import { type Confirmed, confirmListed } from './confirmListed.ts'
import { readForeignCrl } from './foreignCrl.ts'
import { lifting } from './hold.ts'
import type { UploadedCrl } from './revocationAdmin.ts'
import { keepOthers, partEntries } from './revokedElsewhere.ts'

/** A CRL with what RFC 5280 section 5.2.3 and 5.1.2.5 demand of whoever publishes one. */
export type Published = CrlFields & Required<Pick<CrlFields, 'number' | 'nextUpdate'>>

/** So many stay for whoever asks what was published. */
const keep = 20

/** How many serial numbers a warning names. */
const named = 10

/**
 * See RevocationAdmin.uploadCrl. Certificates of ours that it lists are revoked from this commit on, with the date and
 * reason that it gives, and requests to revoke them that waited for the authority are done.
 */
export async function uploadCrl({ it, requester }: AdminContext, name: string, file: Buffer): Promise<UploadedCrl> {
  const now = it.clock()
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const { issuer: active, kind } = await loadAuthority(it, id)
  if (kind !== 'manual' || !active)
    throw new Failure(
      'unsupported',
      `only for an authority that signs elsewhere by hand a CRL is uploaded, not for ${name}`,
    )
  const issuers = await issuersOf(it, id, active)
  const { issuer, read } = readBySome(issuers, ({ certificate }) => readForeignCrl(file, certificate, now))
  const crl = published(read, now)
  const issuerIds = withKeyOf(issuer, issuers)
  const outcome = await transaction(it.db, async (db) => {
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId, authorityId: id })
    const place = await nextPlace(db, { id, issuerIds, crl })
    const { ours, others } = await partEntries(db, issuerIds, crl.entries)
    await keepOthers(db, issuerIds, { crl, others })
    const confirmed = await confirmListed(db, { listed: ours, number: crl.number, actor: requester, at: now })
    const lifted = await confirmLifted(db, { issuerIds, crl, actor: requester, at: now })
    await storeCrl(db, { id, issuerIds, crl, place })
    await audit(db, requester, now, {
      action: 'authority.crl_uploaded',
      organizationId,
      subject: { kind: 'authority', id },
      details: {
        name,
        number: String(crl.number),
        nextUpdate: crl.nextUpdate.toISOString(),
        entries: crl.entries.length,
      },
    })
    return { confirmed, lifted, warnings: await contradictions(db, { name, issuerIds, crl }) }
  })
  return {
    number: String(crl.number),
    nextUpdate: crl.nextUpdate,
    entries: crl.entries.length,
    ...toView(outcome),
    warnings: outcome.warnings,
  }
}

/** The certificates of an authority that was renewed with its key: one CRL speaks of what was issued under all of them. */
function withKeyOf({ id, certificate }: Issuer, issuers: readonly Issuer[]): [number, ...number[]] {
  const { spkiHash } = certificate.publicKey
  const others = issuers.filter((other) => other.id !== id && other.certificate.publicKey.spkiHash === spkiHash)
  return [id, ...others.map((other) => other.id)]
}

interface Outcome {
  confirmed: Confirmed[]
  lifted: Confirmed[]
}

function toView({ confirmed, lifted }: Outcome): Pick<UploadedCrl, 'confirmed' | 'revoked' | 'released'> {
  return {
    confirmed: [...confirmed, ...lifted].flatMap(({ request }) => (request === undefined ? [] : [request])),
    revoked: confirmed.map(({ serial }) => serial),
    released: lifted.map(({ serial }) => serial),
  }
}

function published(crl: CrlFields, now: Date): Published {
  const { number, nextUpdate } = crl
  if (number === undefined) throw new Failure('malformed', 'this CRL has no number (RFC 5280 section 5.2.3)')
  if (nextUpdate === undefined) throw new Failure('malformed', 'this CRL has no nextUpdate (RFC 5280 section 5.1.2.5)')
  if (nextUpdate <= now) throw new Failure('malformed', `this CRL ended on ${nextUpdate.toISOString()}: sign a new one`)
  return { ...crl, number, nextUpdate }
}

interface Place {
  /** Counts the uploads; the number in the CRL is the sum of both. */
  number: number
  offset: bigint
}

/** Locks the authority, so that of two uploads one comes second. Throws Failure('conflict') unless the number grows. */
async function nextPlace(
  db: Database,
  { id, issuerIds, crl }: { id: number; issuerIds: readonly number[]; crl: Published },
): Promise<Place> {
  const tables = withTables<CoreTables>(db)
  const { crl_number: number } = await tables
    .updateTable('authorities')
    .set((eb) => ({ crl_number: eb('crl_number', '+', 1) }))
    .where('id', '=', id)
    .returning('crl_number')
    .executeTakeFirstOrThrow()
  const newest = await tables
    .selectFrom('crls')
    .select(['number', 'number_offset'])
    .where('authority_certificate_id', 'in', issuerIds)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  const known = newest && BigInt(newest.number_offset ?? '0') + BigInt(newest.number)
  if (known !== undefined && crl.number <= known)
    throw new Failure('conflict', `number ${known} was uploaded already: a CRL of number ${crl.number} is not newer`)
  return { number, offset: crl.number - BigInt(number) }
}

async function storeCrl(
  db: Database,
  { id, issuerIds, crl, place }: { id: number; issuerIds: readonly number[]; crl: Published; place: Place },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const { revocations } = await tables
    .updateTable('authorities')
    .set((eb) => ({ revocations: eb('revocations', '+', 1), crl_number_offset: String(place.offset) }))
    .where('id', '=', id)
    .returning('revocations')
    .executeTakeFirstOrThrow()
  await tables
    .insertInto('crls')
    .values(
      issuerIds.map((issuerId) => ({
        authority_certificate_id: issuerId,
        shard: 0,
        number: place.number,
        number_offset: String(place.offset),
        revocations,
        der: crl.der,
        idp: crl.idp ? 1 : 0,
        this_update: crl.thisUpdate.getTime(),
        next_update: crl.nextUpdate.getTime(),
      })),
    )
    .execute()
  await tables
    .deleteFrom('crls')
    .where('authority_certificate_id', 'in', issuerIds)
    .where('number', '<=', place.number - keep)
    .execute()
}

/** Where the CRL and what is known here do not agree, and what still waits for the authority. */
async function contradictions(
  db: Database,
  { name, issuerIds, crl }: { name: string; issuerIds: readonly number[]; crl: Published },
): Promise<string[]> {
  const tables = withTables<CoreTables>(db)
  const listed = new Set(crl.entries.map(({ serial }) => serial))
  const rows = await tables
    .selectFrom('certificates')
    .select('serial')
    .where('authority_certificate_id', 'in', issuerIds)
    .where(sql<boolean>`status <> 'issued'`)
    // What has ended may leave a CRL.
    .where('not_after', '>', crl.thisUpdate.getTime())
    .orderBy('id')
    .execute()
  const missing = rows.filter(({ serial }) => !listed.has(serial)).map(({ serial }) => serial)
  const waiting = await tables
    .selectFrom('revoke_requests')
    .innerJoin('certificates', 'certificates.id', 'revoke_requests.certificate_id')
    .select(['revoke_requests.id', 'revoke_requests.code', 'certificates.serial'])
    .where('certificates.authority_certificate_id', 'in', issuerIds)
    .where(sql<boolean>`revoke_requests.status = 'revoking'`)
    .orderBy('revoke_requests.id')
    .execute()
  const asked = (lifts: boolean) =>
    waiting.filter(({ code }) => (code === lifting) === lifts).map(({ id, serial }) => `r${id} (${serial})`)
  return [
    ...about(
      missing,
      `revoked or on hold here and missing in this CRL; revoke them at ${name} and upload its next one`,
    ),
    ...about(asked(false), `still to be revoked at ${name}`),
    ...about(asked(true), `still on hold, which is to be lifted at ${name}`),
  ]
}

function about(things: string[], what: string): string[] {
  if (things.length === 0) return []
  const more = things.length > named ? ` and ${things.length - named} more` : ''
  return [`${what}: ${things.slice(0, named).join(', ')}${more}`]
}
