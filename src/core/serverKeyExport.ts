import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { type AdminContext, actorOf, requireCapability, seesOrganization } from './adminActor.ts'
import { audit } from './audit.ts'
import { type CertificateRef, findCertificate } from './certificate.ts'
import { Failure } from './failure.ts'
import { isHeld } from './keyPairDestroy.ts'
import { loadProfile } from './profiles.ts'
import { SERVER_KEY_SEAL } from './serverKey.ts'
import type { CoreTables } from './tables.ts'

export interface ServerKeyAdmin {
  /**
   * The private key of a certificate (PKCS #8, DER) that was made here and kept, as its profile says. Needs export_private_key, and a user. Throws notFound
   * also where it is not kept, forbidden, unsupported.
   */
  exportKey(certificate: CertificateRef): Promise<Buffer>
}

/** See Admin.exportKey. */
export async function exportServerKey({ it, requester }: AdminContext, ref: CertificateRef): Promise<Buffer> {
  const at = it.clock()
  const certificate = await findCertificate(it.db, ref)
  const profile = certificate?.profileId === undefined ? undefined : await loadProfile(it.db, certificate.profileId)
  const row = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    if (!actor.user)
      throw new Failure('forbidden', 'a private key is exported by a user: name a token or password of yours')
    if (!certificate || !seesOrganization(actor, certificate.organizationId))
      throw new Failure('notFound', 'there is no such certificate')
    const { organizationId, authorityId, profileId, spkiHash } = certificate
    await requireCapability(db, actor, 'export_private_key', {
      organizationId,
      authorityId,
      ...(profileId === undefined ? {} : { profileId }),
    })
    // Nobody can be asked here: what a profile lays down about exports is not passed over.
    if (profile && profile.rules.export.length > 0)
      throw new Failure(
        'unsupported',
        `the profile ${profile.name} has rules for exports, by which nothing can be decided yet: only a profile without any exports keys`,
      )
    const kept = await withTables<CoreTables>(db)
      .selectFrom('server_keys')
      .select(['id', 'uuid', 'sealed', 'keep'])
      .where('spki_hash', '=', spkiHash)
      .where('organization_id', '=', organizationId)
      .executeTakeFirst()
    if (!kept && (await isHeld(db, certificate)))
      throw new Failure('unsupported', 'the private key of this certificate is in the keystore, which no key leaves')
    if (!kept)
      throw new Failure(
        'notFound',
        'the private key of this certificate was not made here: whoever asked for it has it',
      )
    if (kept.keep === 0 || !kept.sealed)
      throw new Failure(
        'notFound',
        'the private key of this certificate is not kept: its profile says that keys are forgotten once they were handed over',
      )
    await audit(db, requester, at, {
      action: 'server_key.exported',
      organizationId,
      subject: { kind: 'server_key', id: kept.id },
      details: { certificate: certificate.id, serial: certificate.serial, spkiHash },
    })
    return { uuid: kept.uuid, sealed: kept.sealed }
  })
  return it.vault.open(row.sealed, row.uuid, SERVER_KEY_SEAL)
}
