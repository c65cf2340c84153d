import { createHash } from 'node:crypto'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { isUniqueViolation, transaction } from '../db/transaction.ts'
import { type CertificateFacts, certificateFacts } from '../pki/certificateFacts.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../pki/certificateReader.ts'
import { verifyIssuedBy } from '../pki/chain.ts'
import { PkiError } from '../pki/error.ts'
import { hasNoRevAvail } from '../pki/extensions.ts'
import { type AdminContext, actorOf, organizationFor, requireCapability } from './adminActor.ts'
import { asMalformed } from './asMalformed.ts'
import { checkAttributes } from './attributeDefinition.ts'
import { audit } from './audit.ts'
import { Failure } from './failure.ts'
import { foreignAuthority, foreignProfile } from './foreignAuthority.ts'
import { importCertificate, storeRequest } from './importedCertificate.ts'
import { authorityCertificates } from './inventoryIssuers.ts'
import { writeRecord } from './inventoryItem.ts'
import { type Requester, requesterKey } from './requester.ts'
import type { CoreTables } from './tables.ts'

const LARGEST = 65_536

export interface UploadedCertificate {
  /** DER. */
  der: Buffer
  attributes?: unknown
  /** Name of the organization; absent: the requester's. */
  organization?: string
}

/** See Inventory.upload. */
export async function uploadCertificate(
  context: AdminContext,
  { der, attributes, organization }: UploadedCertificate,
): Promise<{ id: number; uuid: string }> {
  const { it, requester } = context
  if (der.length > LARGEST) throw new Failure('tooLarge', `a certificate has at most ${LARGEST / 1024} KiB`)
  const actor = await actorOf(it.db, requester)
  const { id: organizationId } = await organizationFor(it.db, actor, organization)
  await requireCapability(it.db, actor, 'manage', { organizationId })
  const fields = asMalformed(() => readCertificate(der))
  const facts = asMalformed(() => certificateFacts(fields))
  const checked = attributes === undefined ? undefined : await checkAttributes(it.db, organizationId, attributes)
  await refuseKnown(it.db, organizationId, der)
  const ours = await importable(context, organizationId, fields)
  const storing = { organizationId, fields, facts, requester, now: it.clock() }
  const { id, uuid } =
    ours === undefined ? await storeForeign(context, storing) : await importCertificate(context, ours, der)
  if (checked) await transaction(it.db, (db) => writeRecord(db, id, { attributes: JSON.stringify(checked) }))
  return { id, uuid }
}

async function refuseKnown(db: Database, organizationId: number, der: Buffer): Promise<void> {
  const known = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select('sign_requests.uuid')
    .where('fingerprint', '=', fingerprint(der))
    .where('certificates.organization_id', '=', organizationId)
    .executeTakeFirst()
  if (known) throw new Failure('conflict', `this certificate is in the inventory already, as ${known.uuid}`)
}

/** The authority of ours, of the same organization, whose key has signed it, if its revocation can be told: then it is imported under that. */
async function importable(
  { it }: AdminContext,
  organizationId: number,
  fields: CertificateFields,
): Promise<string | undefined> {
  if (fields.notAfter <= it.clock() || fields.serial.length > 40 || hasNoRevAvail(fields.extensions)) return undefined
  const authorities = await authorityCertificates(it.db, organizationId)
  const own = authorities.find(({ certificate }) => certificate.der.equals(fields.der))
  if (own) throw new Failure('conflict', `this is a certificate of the authority ${own.name} itself`)
  return authorities.find(({ certificate }) => wasIssuedBy(fields, certificate))?.name
}

function wasIssuedBy(fields: CertificateFields, issuer: CertificateFields): boolean {
  try {
    return verifyIssuedBy(fields, issuer)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

interface Storing {
  organizationId: number
  fields: CertificateFields
  facts: CertificateFacts
  requester: Requester
  now: Date
}

async function storeForeign({ it }: AdminContext, storing: Storing): Promise<{ id: number; uuid: string }> {
  for (let tries = 0; tries < 5; tries++) {
    try {
      return await transaction(it.db, (db) => insertForeign(db, storing))
    } catch (error) {
      // Another upload was faster: of the same certificate, or of the first one in this organization.
      if (!isUniqueViolation(error)) throw error
    }
  }
  throw new Failure('unavailable', 'many certificates are uploaded at once; ask again')
}

async function insertForeign(db: Database, storing: Storing): Promise<{ id: number; uuid: string }> {
  const { organizationId, fields, facts, requester, now } = storing
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
      source: 'uploaded',
      requester_key: requesterKey(requester),
      renews_id: null,
      created_at: now.getTime(),
    })
    .execute()
  const subjectHash = createHash('sha256').update(fields.subjectDer).digest('hex')
  await writeRecord(db, id, { ca_subject: fields.isCa ? subjectHash : null })
  await audit(db, requester, now, {
    action: 'certificate.uploaded',
    organizationId,
    subject: { kind: 'certificate', id },
    status: 'issued',
    details: { serial: fields.serial, fingerprint: fingerprint(fields.der), subject: facts.subject },
  })
  const { uuid } = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('uuid')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return { id, uuid }
}
