import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { CrlFields } from '../../pki/crlReader.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { type Issuer, loadAuthority } from '../authority/authority.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { checkCrlNumber, isPartial, readForeignCrl } from './foreignCrl.ts'
import type { ImportedCrl, RevocationAdmin } from './revocationAdmin.ts'
import { keepOthers, type ListedCertificate, partEntries, reasonOf } from './revokedElsewhere.ts'
import { blockCompromisedKey, withdraw } from './withdraw.ts'

/** What an authority brings along from where it signed before: its last CRL, the number of that, or both. */
export interface LastCrl {
  crl?: CrlFields
  number?: bigint
}

/** Throws Failure('malformed'), also for a number below the CRL's own. */
export function lastCrl(
  { crl: file, crlNumber }: { crl?: Buffer; crlNumber?: bigint },
  issuer: Issuer['certificate'],
  now: Date,
): LastCrl {
  const crl = file && readForeignCrl(file, issuer, now)
  if (crlNumber !== undefined) checkCrlNumber(crlNumber)
  if (crl?.number !== undefined && crlNumber !== undefined && crlNumber < crl.number)
    throw new Failure('malformed', `the CRL has number ${crl.number}: the last one cannot have been ${crlNumber}`)
  const number = crlNumber ?? crl?.number
  return { ...(crl ? { crl } : {}), ...(number === undefined ? {} : { number }) }
}

interface TakeOver {
  authority: { id: number; organizationId: number; name: string }
  issuerId: number
  last: LastCrl
  requester: Requester
  now: Date
}

/**
 * Takes over what an authority had published before, in the caller's transaction: our CRLs go on behind its number, and list what it
 * listed. Throws Failure('conflict') for a CRL that is older than what is known or published here.
 */
export async function takeOverCrl(
  db: Database,
  { authority, issuerId, last, requester, now }: TakeOver,
): Promise<number> {
  const { crl, number } = last
  if (number !== undefined) await continueAfter(db, authority.id, number)
  const { ours, others } = await partEntries(db, [issuerId], crl?.entries ?? [])
  if (crl) await keepOthers(db, [issuerId], { crl, others })
  for (const listed of ours) await withdrawListed(db, listed, { requester, now })
  // CRLs and answers that were made before do not know of it.
  await withTables<CoreTables>(db)
    .updateTable('authorities')
    .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
    .where('id', '=', authority.id)
    .execute()
  await audit(db, requester, now, {
    action: 'authority.crl_imported',
    organizationId: authority.organizationId,
    subject: { kind: 'authority', id: authority.id },
    details: {
      name: authority.name,
      number: number === undefined ? null : String(number),
      thisUpdate: crl?.thisUpdate.toISOString() ?? null,
      entries: crl?.entries.length ?? null,
    },
  })
  return others.length + ours.length
}

/** A key that is known by others is certified no more, whoever has found it out. */
async function withdrawListed(
  db: Database,
  { id, status, entry }: ListedCertificate,
  { requester, now }: Pick<TakeOver, 'requester' | 'now'>,
): Promise<void> {
  const reason = reasonOf(entry)
  // On hold here, it may be revoked there: then the hold cannot be lifted any more.
  const known = status === 'revoked' || (status === 'hold' && reason === 'certificateHold')
  if (known && reason !== 'keyCompromise') return
  const certificate = await findCertificate(db, { id })
  if (!certificate) return
  const { revokedAt, invalidityDate } = entry
  const dates = { revokedAt, ...(invalidityDate ? { invalidityDate } : {}) }
  if (!known) await withdraw(db, { certificate, requester, now, ...dates }, reason)
  if (reason === 'keyCompromise') await blockCompromisedKey(db, certificate.spkiHash, now)
}

/** The next CRL has a number above this one. */
async function continueAfter(db: Database, id: number, number: bigint): Promise<void> {
  const tables = withTables<CoreTables>(db)
  // Locks the row: no number is handed out meanwhile.
  const row = await tables
    .updateTable('authorities')
    .set((eb) => ({ crl_number: eb('crl_number', '+', 0) }))
    .where('id', '=', id)
    .returning(['crl_number', 'crl_number_offset'])
    .executeTakeFirstOrThrow()
  const known = BigInt(row.crl_number_offset ?? '0') + BigInt(row.crl_number)
  if (row.crl_number > 0 && number <= known) {
    const detail = `this authority has published number ${known} here: a CRL of number ${number} was made before, and what is newer stands`
    throw new Failure(
      'conflict',
      `${detail}. If the other CA still signs, stop it, let it make a last CRL above ${known}, and import that one`,
    )
  }
  if (number < known)
    throw new Failure('conflict', `its CRL of number ${known} was imported already, and ${number} is older`)
  await tables
    .updateTable('authorities')
    .set({ crl_number_offset: String(number - BigInt(row.crl_number)) })
    .where('id', '=', id)
    .execute()
}

/** What an administrator should know of what was, or was not, taken over. */
export function takeOverWarnings({ crl, number }: LastCrl, name: string, now: Date): string[] {
  const later = `countersign authority import-crl ${name} FILE`
  const warnings: string[] = []
  if (!crl)
    warnings.push(`what this CA has revoked before is not known here, and OCSP and CRLs will not say it: ${later}`)
  if (number === undefined) {
    const detail =
      'the number of its last CRL is not known: whoever holds one with a higher number than ours may leave ours aside'
    warnings.push(`${detail}. Give it with --crl-number N: ${later}`)
  }
  if (crl?.nextUpdate && crl.nextUpdate <= now)
    warnings.push(`this CRL ended on ${crl.nextUpdate.toISOString()}: is it the last one?`)
  if (crl && isPartial(crl))
    warnings.push('this CRL speaks of some of its certificates only: import the others too, by rising numbers')
  return warnings
}

/** See RevocationAdmin.importCrl. Needs manage on the authority. */
export async function importCrl(
  { it, requester }: AdminContext,
  name: string,
  draft: Parameters<RevocationAdmin['importCrl']>[1],
): Promise<ImportedCrl> {
  const now = it.clock()
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const { issuer, kind } = await loadAuthority(it, id)
  if (kind !== 'local' || !issuer)
    throw new Failure('unsupported', `${name} signs elsewhere: its CRLs are uploaded (authority upload-crl)`)
  if (draft.crl === undefined && draft.crlNumber === undefined)
    throw new Failure('malformed', 'give the CRL, the number of the last one, or both')
  const last = lastCrl(draft, issuer.certificate, now)
  const entries = await transaction(it.db, async (db) => {
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId, authorityId: id })
    return takeOverCrl(db, { authority: { id, organizationId, name }, issuerId: issuer.id, last, requester, now })
  })
  const number = last.number === undefined ? null : String(last.number)
  return { number, entries, warnings: takeOverWarnings(last, name, now) }
}
