import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import { readPemBundle } from '../../pki/import.ts'
import { nameText, sameName } from '../../pki/name.ts'
import { pemEncode } from '../../pki/pem.ts'
import { signerFor } from '../../pki/signer.ts'
import type { AuthorityView, NewAuthority } from '../admin.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { makePrivateKey, storeKey } from '../key.ts'
import { parsePkcs10 } from '../request/csr.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { checkName, type Made, ordered, readSubject } from './authorityAdmin.ts'
import { creating } from './authorityChange.ts'
import { refuseOther, signedBy } from './authorityDraftSigned.ts'
import { findAuthorityRow, showAuthority } from './authorityView.ts'

/** Authorities whose key is here and whose certificate is not signed yet: they sign nothing. Changes need create_ca. */
export interface AuthorityDrafts {
  /** Makes the key and what is to be signed. Throws conflict for a name that is taken, malformed, forbidden. */
  draftAuthority(draft: Omit<NewAuthority, 'parent' | 'nameConstraints'>): Promise<AuthorityView>
  /** What is to be signed, DER; undefined for an authority that has its certificate. Throws notFound. */
  authorityCsr(name: string): Promise<Buffer | undefined>
  /**
   * Its certificate: signed elsewhere, with those above it, as PEM; or by an authority here, on which create_ca is needed too. It signs from
   * then on. Throws conflict where it has one already, malformed for what does not fit, unsupported where that authority does not sign here.
   */
  certifyAuthority(name: string, by: { pem: string } | { parent: string }): Promise<AuthorityView>
}

export function authorityDrafts(context: AdminContext): AuthorityDrafts {
  return {
    draftAuthority: (draft) => draftAuthority(context, draft),
    authorityCsr: (name) => csrOf(context, name),
    certifyAuthority: (name, by) => certify(context, name, by),
  }
}

type Draft = Parameters<AuthorityDrafts['draftAuthority']>[0]

async function draftAuthority(context: AdminContext, draft: Draft): Promise<AuthorityView> {
  const { it, requester } = context
  checkName(draft.name)
  const { organizationId, ownerId } = await creating(context, draft)
  const subject = readSubject(draft.subject)
  const key = await makePrivateKey(draft.key)
  const csr = await writeCsr({ subject, identifiers: [] }, signerFor(key))
  const at = it.clock()
  const named = { name: draft.name, kind: 'local' }
  const row = { ...named, organization_id: organizationId, owner_id: ownerId, enabled: 1, settings: '{}' }
  try {
    await transaction(it.db, async (db) => {
      const keyId = await storeKey(
        db,
        it.vault,
        { key, purpose: 'authority', organizationId },
        { actor: requester, at },
      )
      const tables = withTables<CoreTables>(db)
      const { id } = await tables
        .insertInto('authorities')
        .values({ ...row, uuid: uuidv7(at), created_at: at.getTime() })
        .returning('id')
        .executeTakeFirstOrThrow()
      const { validity, pathLength } = draft
      await tables
        .insertInto('authority_drafts')
        .values({ authority_id: id, key_id: keyId, csr, validity, path_length: pathLength ?? null })
        .execute()
      const details = { ...named, subject: draft.subject, ownerId }
      await audit(db, requester, at, {
        action: 'authority.created',
        organizationId,
        subject: { kind: 'authority', id },
        details,
      })
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', `there is an authority ${draft.name} already`, { cause: error })
  }
  return showAuthority(context, draft.name)
}

async function csrOf({ it, requester }: AdminContext, name: string): Promise<Buffer | undefined> {
  const { id } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  return (await draftRow(it.db, id))?.csr
}

function draftRow(db: AdminContext['it']['db'], authorityId: number) {
  return withTables<CoreTables>(db)
    .selectFrom('authority_drafts')
    .selectAll()
    .where('authority_id', '=', authorityId)
    .executeTakeFirst()
}

type DraftRow = NonNullable<Awaited<ReturnType<typeof draftRow>>>

async function certify(
  context: AdminContext,
  name: string,
  by: { pem: string } | { parent: string },
): Promise<AuthorityView> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, actor, name)
  await requireCapability(it.db, actor, 'create_ca', { organizationId, authorityId: id })
  const draft = await draftRow(it.db, id)
  if (!draft) throw new Failure('conflict', `${name} has its certificate already`)
  const made = 'pem' in by ? await uploaded(context, draft, by.pem) : await signedBy(context, { name, draft, ...by })
  const at = it.clock()
  const fields = readCertificate(made.certificate)
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const left = await tables
      .deleteFrom('authority_drafts')
      .where('authority_id', '=', id)
      .returning('key_id')
      .executeTakeFirst()
    if (!left) throw new Failure('conflict', `${name} has its certificate already`)
    await refuseOther(db, id, made.certificate, at)
    await tables
      .insertInto('authority_certificates')
      .values({
        authority_id: id,
        key_id: left.key_id,
        certificate: made.certificate,
        chain: made.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
        spki_hash: fields.publicKey.spkiHash,
        not_after: fields.notAfter.getTime(),
        active: 1,
        created_at: at.getTime(),
      })
      .execute()
    await tables
      .updateTable('authorities')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .execute()
    await audit(db, requester, at, {
      action: 'authority.certified',
      organizationId,
      subject: { kind: 'authority', id },
      details: { name, serial: fields.serial, by: 'pem' in by ? 'upload' : by.parent },
    })
  })
  return showAuthority(context, name)
}

/** Throws Failure('malformed') for another key or subject than was asked, and for a chain that does not lead upwards. */
async function uploaded({ it }: AdminContext, { csr }: DraftRow, pem: string): Promise<Made> {
  const { certificates } = asMalformed(() => readPemBundle(pem))
  const [own] = certificates
  if (!own) throw new Failure('malformed', 'the PEM holds no certificate')
  const asked = parsePkcs10(csr)
  const given = asMalformed(() => readCertificate(own))
  if (given.publicKey.spkiHash !== asked.publicKey.spkiHash)
    throw new Failure('malformed', 'the first certificate does not have the key of the certificate request')
  if (!sameName(given.subject, asked.subject))
    throw new Failure(
      'malformed',
      `the first certificate is for ${nameText(given.subject)}, and the authority is ${nameText(asked.subject)}`,
    )
  const made = await ordered(it, own, certificates)
  if (made.chain.length === 0 && !given.issuerDer.equals(given.subjectDer))
    throw new Failure('malformed', 'the certificates above the first one are missing')
  return made
}
