import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { findCertificate } from '../certificate.ts'
import { moveRevokeRequest } from '../request/transition.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { Confirmed } from './confirmListed.ts'
import { isPartial } from './foreignCrl.ts'
import { lifting } from './hold.ts'
import type { Published } from './uploadedCrl.ts'
import { release } from './withdraw.ts'

interface Lifting {
  /** Certificates of the authority with the key that signed the CRL. */
  issuerIds: readonly number[]
  crl: Published
  actor: Requester
  at: Date
}

/**
 * Certificates on hold that a CRL from elsewhere lists no more, where somebody asked to lift that: they are valid from the
 * caller's commit on. A CRL that was made before the hold began says nothing of it, nor does one of some certificates only.
 */
export async function confirmLifted(db: Database, { issuerIds, crl, actor, at }: Lifting): Promise<Confirmed[]> {
  if (isPartial(crl)) return []
  const listed = new Set(crl.entries.map(({ serial }) => serial))
  const lifted: Confirmed[] = []
  for (const { id, certificateId, serial, heldAt } of await askedToLift(db, issuerIds)) {
    if (listed.has(serial) || crl.thisUpdate.getTime() < wholeSecond(heldAt ?? 0)) continue
    const certificate = await findCertificate(db, { id: certificateId })
    if (!certificate) continue
    const details = { crl: String(crl.number) }
    await moveRevokeRequest(db, { id, from: 'revoking', to: 'revoked', actor, at, details })
    await release(db, { certificate, requester: actor, now: at })
    lifted.push({ serial, request: id })
  }
  return lifted
}

/** CRLs tell no less. */
function wholeSecond(time: number): number {
  return Math.floor(time / 1000) * 1000
}

function askedToLift(db: Database, issuerIds: readonly number[]) {
  return withTables<CoreTables>(db)
    .selectFrom('revoke_requests as asked')
    .innerJoin('certificates', 'certificates.id', 'asked.certificate_id')
    .select([
      'asked.id',
      'certificates.id as certificateId',
      'certificates.serial',
      'certificates.revoked_at as heldAt',
    ])
    .where('certificates.authority_certificate_id', 'in', issuerIds)
    .where('certificates.status', '=', 'hold')
    .where('asked.code', '=', lifting)
    .where(sql<boolean>`asked.status = 'revoking'`)
    .orderBy('asked.id')
    .execute()
}
