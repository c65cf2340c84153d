import { randomInt } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { writePkcs12 } from '../../pki/pkcs12.ts'
import { type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { type Certificate, type CertificateRef, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { chainFor } from '../inventory/inventoryValidation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { CoreTables } from '../tables.ts'
import { isHeld } from './keyPairDestroy.ts'
import { SERVER_KEY_SEAL } from './serverKey.ts'

export interface ServerKeyAdmin {
  /**
   * The private key of a certificate (PKCS #8, DER) that was made here and kept, as its profile says. Needs export_private_key, and a user. Throws notFound
   * also where it is not kept, forbidden, unsupported.
   */
  exportKey(certificate: CertificateRef): Promise<Buffer>
  /**
   * As exportKey, as a PKCS #12 file with the certificate and its chain, under a password that is made here and kept nowhere; or under `password`, one that
   * newPfxPassword made. Throws as exportKey; malformed for any other password.
   */
  exportPfx(certificate: CertificateRef, password?: string): Promise<Pfx>
  /** A password for exportPfx, where a person sees it before he downloads. */
  newPfxPassword(): string
}

export interface Pfx {
  /** RFC 7292: AES-256-CBC under PBKDF2, the MAC with SHA-256. */
  pkcs12: Buffer
  password: string
}

/** See Admin.exportKey. */
export async function exportServerKey(context: AdminContext, ref: CertificateRef): Promise<Buffer> {
  return (await take(context, ref, 'pkcs8')).key
}

/** No letters or digits that look alike. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const LENGTH = 24

/** See Admin.newPfxPassword: 138 bits. */
export function newPfxPassword(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

/** See Admin.exportPfx. */
export async function exportPfx(context: AdminContext, ref: CertificateRef, given?: string): Promise<Pfx> {
  if (given !== undefined && (given.length !== LENGTH || ![...given].every((sign) => ALPHABET.includes(sign))))
    throw new Failure('malformed', 'this is no password that was made here: let a new one be made')
  const password = given ?? newPfxPassword()
  const { key, certificate } = await take(context, ref, 'pfx')
  const { issuers } = await chainFor(context.it, certificate)
  const pkcs12 = await writePkcs12({
    certificates: [certificate.der, ...issuers.map(({ fields }) => fields.der)],
    pkcs8: key,
    password,
    name: certificate.identifiers[0]?.value ?? certificate.subject,
  })
  key.fill(0)
  return { pkcs12, password }
}

/** The trail says so before it leaves. */
async function take(
  { it, requester }: AdminContext,
  ref: CertificateRef,
  form: 'pkcs8' | 'pfx',
): Promise<{ key: Buffer; certificate: Certificate }> {
  const at = it.clock()
  const certificate = await findCertificate(it.db, ref)
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
    if (profileId !== undefined) refuseRuled(await loadProfile(db, profileId))
    const kept = await withTables<CoreTables>(db)
      .selectFrom('server_keys')
      .select(['id', 'uuid', 'sealed', 'keep', 'profile_id'])
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
    // Another certificate of the same key opens no way around what the key was made under.
    if (kept.profile_id !== profileId) {
      const profile = await loadProfile(db, kept.profile_id)
      const place = { organizationId, authorityId: profile.authorityId, profileId: profile.id }
      await requireCapability(db, actor, 'export_private_key', place)
      refuseRuled(profile)
    }
    await audit(db, requester, at, {
      action: 'server_key.exported',
      organizationId,
      subject: { kind: 'server_key', id: kept.id },
      details: { certificate: certificate.id, serial: certificate.serial, spkiHash, form },
    })
    if (form === 'pfx')
      await audit(db, requester, at, {
        action: 'certificate.download_pfx.success',
        organizationId,
        subject: { kind: 'certificate', id: certificate.id },
        details: { serial: certificate.serial },
      })
    return { uuid: kept.uuid, sealed: kept.sealed, certificate }
  })
  return { key: it.vault.open(row.sealed, row.uuid, SERVER_KEY_SEAL), certificate: row.certificate }
}

/** Nobody can be asked here: what a profile lays down about exports is not passed over. Throws Failure('unsupported'). */
function refuseRuled({ name, rules }: RaProfile): void {
  if (rules.export.length > 0)
    throw new Failure(
      'unsupported',
      `the profile ${name} has rules for exports, by which nothing can be decided yet: only a profile without any exports keys`,
    )
}

/** Whether there is a key of a certificate that may be exported. */
export async function isKept(
  db: Database,
  { spkiHash, organizationId }: Pick<Certificate, 'spkiHash' | 'organizationId'>,
): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('server_keys')
    .select('id')
    .where('spki_hash', '=', spkiHash)
    .where('organization_id', '=', organizationId)
    .where('keep', '=', 1)
    .where('sealed', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}
