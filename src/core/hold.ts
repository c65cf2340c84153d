import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { hasCapability } from './capability.ts'
import { type Certificate, findCertificate } from './certificate.ts'
import { Failure } from './failure.ts'
import { actingUser } from './held.ts'
import type { Installation } from './installation.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'
import { release } from './withdraw.ts'

/**
 * Lifts the hold of a certificate: it is valid again, and delta CRLs say removeFromCRL. Needs a person with revoke_cert;
 * nobody is asked to approve, since to hold it needed no more than to ask. Throws Failure: notFound; forbidden; conflict
 * where it is not on hold, or where somebody asked to revoke it and that is still open; unsupported for an authority that
 * signs elsewhere, whose CRL would go on to list it.
 */
export async function unhold(it: Installation, requester: Requester, id: number): Promise<Certificate> {
  return transaction(it.db, async (db) => {
    const user = await actingUser(db, requester)
    if (!user) throw new Failure('forbidden', 'a hold is lifted by a person, with a token or password of his own')
    const certificate = await findCertificate(db, { id })
    if (!certificate || (!user.superuser && user.organizationId !== certificate.organizationId))
      throw new Failure('notFound', 'there is no such certificate')
    const { organizationId, authorityId, profileId } = certificate
    const scope = { organizationId, authorityId, ...(profileId === undefined ? {} : { profileId }) }
    if (!(await hasCapability(db, user.id, 'revoke_cert', scope)))
      throw new Failure('forbidden', 'lifting a hold needs the capability revoke_cert')
    const tables = withTables<CoreTables>(db)
    const authority = await tables
      .selectFrom('authorities')
      .select('kind')
      .where('id', '=', authorityId)
      .executeTakeFirstOrThrow()
    if (authority.kind !== 'local')
      throw new Failure(
        'unsupported',
        'this authority signs elsewhere: here a hold of it can only become a revocation, by its next CRL',
      )
    const open = await tables
      .selectFrom('revoke_requests')
      .select('id')
      .where('certificate_id', '=', id)
      .where('status', 'in', ['requested', 'revoking'])
      .executeTakeFirst()
    if (open)
      throw new Failure('conflict', `its revocation is asked for (r${open.id}): that must be decided or canceled first`)
    await release(db, { certificate, requester, now: it.clock() })
    const released = await findCertificate(db, { id })
    if (!released) throw new Failure('notFound', 'there is no such certificate')
    return released
  })
}
