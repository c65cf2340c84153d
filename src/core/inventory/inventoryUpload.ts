import { certificateFacts } from '../../pki/certificateFacts.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { PkiError } from '../../pki/error.ts'
import { hasNoRevAvail } from '../../pki/extensions.ts'
import { type AdminContext, actorOf, organizationFor, requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { Failure } from '../failure.ts'
import { checkAttributes } from './attributeDefinition.ts'
import { refuseKnown, storeForeign } from './foreignCertificate.ts'
import { importCertificate } from './importedCertificate.ts'
import { authorityCertificates } from './inventoryIssuers.ts'

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
  // Both are stored, or neither.
  const own = checked && JSON.stringify(checked)
  const storing = { organizationId, fields, facts, requester, source: 'uploaded', now: it.clock() } as const
  const { id, uuid } =
    ours === undefined
      ? await storeForeign(it, { ...storing, ...(own === undefined ? {} : { attributes: own }) })
      : await importCertificate(context, ours, der, own)
  return { id, uuid }
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

/** Also false for what cannot be verified. */
export function wasIssuedBy(fields: CertificateFields, issuer: CertificateFields): boolean {
  try {
    return verifyIssuedBy(fields, issuer)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}
