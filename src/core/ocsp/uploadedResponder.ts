import type { KeyObject } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { type ImportedBundle, readPemBundle, readPkcs12 } from '../../pki/import.ts'
import { OID } from '../../pki/oid.ts'
import { publicKeyFrom } from '../../pki/publicKey.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { audit } from '../audit/audit.ts'
import { type Issuer, loadAuthority } from '../authority/authority.ts'
import { issuersOf, readBySome } from '../authority/authorityChain.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import { storeKey } from '../key.ts'
import { refuseWeakKey } from '../profile/policy.ts'
import type { RevocationAdmin, UploadedResponder } from '../revocation/revocationAdmin.ts'
import type { CoreTables } from '../tables.ts'

/** See RevocationAdmin.uploadResponder. Its key is sealed as every other. */
export async function uploadResponder(
  { it, requester }: AdminContext,
  name: string,
  draft: Parameters<RevocationAdmin['uploadResponder']>[1],
): Promise<UploadedResponder> {
  const now = it.clock()
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const { issuer: active, kind } = await loadAuthority(it, id)
  if (kind !== 'manual' || !active)
    throw new Failure('unsupported', `${name} signs here, and makes its OCSP responders itself: none is uploaded`)
  const { key, fields } = responderIn(await asMalformed(() => bundleOf(draft)))
  const issuers = await issuersOf(it, id, active)
  const { issuer, read } = readBySome(issuers, (issuer) => checkResponder(fields, issuer, now))
  const { warnings } = read
  await transaction(it.db, async (db) => {
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId, authorityId: id })
    await refuseKnown(db, issuer.id, fields.der)
    const keyId = await storeKey(db, it.vault, { key, purpose: 'ocsp', organizationId }, { actor: requester, at: now })
    await withTables<CoreTables>(db)
      .insertInto('responders')
      .values({
        authority_certificate_id: issuer.id,
        key_id: keyId,
        certificate: fields.der,
        not_before: fields.notBefore.getTime(),
        not_after: fields.notAfter.getTime(),
      })
      .execute()
    await audit(db, requester, now, {
      action: 'authority.responder_uploaded',
      organizationId,
      subject: { kind: 'authority', id },
      details: {
        name,
        serial: fields.serial,
        fingerprint: fingerprint(fields.der),
        notAfter: fields.notAfter.toISOString(),
      },
    })
  })
  return { serial: fields.serial, notAfter: fields.notAfter, warnings }
}

function bundleOf({ pem, pkcs12, passphrase }: { pem?: string; pkcs12?: Buffer; passphrase?: string }) {
  if ((pem === undefined) === (pkcs12 === undefined))
    throw new Failure('malformed', 'a responder is uploaded as PEM or as PKCS #12, one of the two')
  return pkcs12 ? readPkcs12(pkcs12, passphrase ?? '') : readPemBundle(pem ?? '', passphrase)
}

function responderIn({ privateKey: key, certificates }: ImportedBundle): { key: KeyObject; fields: CertificateFields } {
  if (!key) throw new Failure('malformed', 'the private key of the responder is missing')
  const { spkiHash } = asMalformed(() => publicKeyFrom(key))
  const all = asMalformed(() => certificates.map((der) => readCertificate(der)))
  const fields = all.find((candidate) => asMalformed(() => candidate.publicKey).spkiHash === spkiHash)
  if (!fields) throw new Failure('malformed', 'no certificate in the file belongs to the private key')
  return { key, fields }
}

/** RFC 6960 section 4.2.2.2. Throws Failure('malformed'); answers what works and is yet hardly meant. */
function checkResponder(fields: CertificateFields, issuer: Issuer, now: Date): { warnings: string[] } {
  const refuse = (detail: string): never => {
    throw new Failure('malformed', detail)
  }
  const { certificate: ca } = issuer
  if (!asMalformed(() => verifyIssuedBy(fields, ca)))
    refuse('the responder is not signed by the key of this authority: no client would believe it')
  if (fields.isCa) refuse('the certificate is one of a CA: a responder needs one of its own')
  if (!fields.extendedKeyUsage?.includes(OID.OCSPSigning))
    refuse('the certificate may not sign OCSP answers (extended key usage OCSPSigning)')
  if (fields.keyUsage && !fields.keyUsage.includes('digitalSignature'))
    refuse('the key of the certificate may not sign (keyUsage digitalSignature)')
  if (fields.notBefore > now) refuse(`the certificate begins on ${fields.notBefore.toISOString()}`)
  if (fields.notAfter <= now) refuse(`the certificate ended on ${fields.notAfter.toISOString()}`)
  refuseWeakKey(fields.publicKey)
  const warnings: string[] = []
  if (!fields.extensions.some(({ oid }) => oid === OID.ocspNoCheck))
    warnings.push(
      'the certificate has no id-pkix-ocsp-nocheck: clients will ask whether it is revoked itself (RFC 6960 section 4.2.2.2.1)',
    )
  if (fields.notAfter > ca.notAfter)
    warnings.push(`the authority ends before its responder, on ${ca.notAfter.toISOString()}`)
  return { warnings }
}

async function refuseKnown(db: Database, issuerId: number, certificate: Buffer): Promise<void> {
  const known = await withTables<CoreTables>(db)
    .selectFrom('responders')
    .select('id')
    .where('authority_certificate_id', '=', issuerId)
    .where('certificate', '=', certificate)
    .executeTakeFirst()
  if (known) throw new Failure('conflict', 'this responder is there already')
}
