import { createHash } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import type { CertificateFacts } from '../../pki/certificateFacts.ts'
import { type CertificateFields, fingerprint } from '../../pki/certificateReader.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { foreignAuthority, foreignProfile } from './foreignAuthority.ts'
import { storeRequest } from './importedCertificate.ts'
import { writeRecord } from './inventoryItem.ts'

/** The entry of a certificate in the inventory of an organization, whoever issued it. `fingerprint`: SHA-256 of its DER in hex. */
export async function knownIn(
  db: Database,
  organizationId: number,
  fingerprint: string,
): Promise<{ id: number; uuid: string; source: string; createdAt: number } | undefined> {
  return withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select(['certificates.id', 'sign_requests.uuid', 'source', 'certificates.created_at as createdAt'])
    .where('fingerprint', '=', fingerprint)
    .where('certificates.organization_id', '=', organizationId)
    .executeTakeFirst()
}

/** Throws Failure('conflict'). */
export async function refuseKnown(db: Database, organizationId: number, der: Buffer): Promise<void> {
  const known = await knownIn(db, organizationId, fingerprint(der))
  if (known) throw new Failure('conflict', `this certificate is in the inventory already, as ${known.uuid}`)
}

interface Storing {
  organizationId: number
  fields: CertificateFields
  facts: CertificateFacts
  requester: Requester
  source: 'uploaded' | 'discovered'
  now: Date
  /** JSON of its custom attributes, checked. */
  attributes?: string
  /** More for the audit trail. */
  details?: Record<string, unknown>
}

/**
 * Takes in a certificate that nobody of ours has issued: it is known in one organization, and vouches for nobody there. Throws Failure: conflict (it is known there
 * already), unavailable.
 */
export async function storeForeign(it: Installation, storing: Storing): Promise<{ id: number; uuid: string }> {
  for (let tries = 0; tries < 5; tries++) {
    try {
      return await transaction(it.db, (db) => insertForeign(db, storing))
    } catch (error) {
      // Another one was faster: of the same certificate, or of the first one in this organization.
      if (!isUniqueViolation(error)) throw error
    }
  }
  throw new Failure('unavailable', 'many certificates are taken in at once; ask again')
}

async function insertForeign(db: Database, storing: Storing): Promise<{ id: number; uuid: string }> {
  const { organizationId, fields, facts, requester, source, now } = storing
  await refuseKnown(db, organizationId, fields.der)
  const authorityId = await foreignAuthority(db, { organizationId, serial: fields.serial, now })
  const profile = { id: await foreignProfile(db, { organizationId, authorityId, now }), organizationId, authorityId }
  const id = await storeRequest(db, { fields, profile, requester, now })
  await withTables<CoreTables>(db)
    .insertInto('certificates')
    .values({
      id,
      organization_id: organizationId,
      // It can be revoked here by nobody, and proves nobody's identity.
      profile_id: null,
      authority_id: authorityId,
      authority_certificate_id: null,
      serial: fields.serial,
      der: fields.der,
      fingerprint: fingerprint(fields.der),
      spki_hash: createHash('sha256').update(fields.spki).digest('hex'),
      subject: facts.subject,
      identifiers: JSON.stringify(fields.identifiers),
      key_algorithm:
        facts.curve ?? (facts.keySize ? `${facts.publicKeyAlgorithm}-${facts.keySize}` : facts.publicKeyAlgorithm),
      not_before: fields.notBefore.getTime(),
      not_after: fields.notAfter.getTime(),
      status: 'issued',
      revoked_at: null,
      revocation_reason: null,
      shard: 0,
      source,
      requester_key: requesterKey(requester),
      renews_id: null,
      created_at: now.getTime(),
    })
    .execute()
  const subjectHash = createHash('sha256').update(fields.subjectDer).digest('hex')
  const { attributes } = storing
  const own = attributes === undefined ? {} : { attributes }
  await writeRecord(db, id, { ca_subject: fields.isCa ? subjectHash : null, ...own })
  await audit(db, requester, now, {
    action: `certificate.${source}`,
    organizationId,
    subject: { kind: 'certificate', id },
    status: 'issued',
    details: {
      serial: fields.serial,
      fingerprint: fingerprint(fields.der),
      subject: facts.subject,
      ...storing.details,
    },
  })
  const { uuid } = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('uuid')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return { id, uuid }
}
