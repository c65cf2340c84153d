import type { Database } from '../../db/open.ts'
import { checkAttributes } from './attributeDefinition.ts'
import { assignOne, type Belonging } from './inventoryBelonging.ts'
import { writeRecord } from './inventoryItem.ts'

/** What is kept in the inventory about a certificate from the moment on when it is ordered. */
export interface KeptWithOrder extends Pick<Belonging, 'owner' | 'groups'> {
  /** All its custom attributes. */
  attributes?: unknown
}

/**
 * Writes it down in the transaction that makes the record: who may order a certificate says so of it once, and changes it afterwards with `manage` alone.
 * Throws Failure: malformed with a problem for each attribute that does not fit, tooLarge, notFound for a user or group that is not of the organization.
 */
export async function keepOrdered(
  db: Database,
  { id, profile, kept }: { id: number; profile: { organizationId: number }; kept: KeptWithOrder },
): Promise<void> {
  const { organizationId } = profile
  const { attributes, ...belonging } = kept
  if (attributes !== undefined) {
    const checked = await checkAttributes(db, organizationId, attributes)
    await writeRecord(db, id, { attributes: JSON.stringify(checked) })
  }
  await assignOne(db, { id, organizationId, foreign: false }, belonging)
}
