import type { Database } from '../../db/open.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import type { Change } from '../identity/identity.ts'
import type { RequestRef } from '../request/request.ts'
import { checkAttributes } from './attributeDefinition.ts'
import { readAttributes } from './customAttribute.ts'
import { manageItem, subjectOfItem, writeRecord } from './inventoryItem.ts'

/** See Inventory.setAttributes. */
export async function setAttributes({ it, requester }: AdminContext, ref: RequestRef, given: unknown): Promise<void> {
  await transaction(it.db, (db) => writeAttributes(db, { actor: requester, at: it.clock() }, ref, given))
}

/** The same in the caller's transaction. */
export async function writeAttributes(
  db: Database,
  { actor, at }: Change,
  ref: RequestRef,
  given: unknown,
): Promise<void> {
  const item = await manageItem(db, actor, ref)
  const attributes = await checkAttributes(db, item.organizationId, given)
  await writeRecord(db, item.id, { attributes: JSON.stringify(attributes) })
  await audit(db, actor, at, {
    action: 'certificate.attributes',
    organizationId: item.organizationId,
    subject: subjectOfItem(item),
    details: { names: attributes.map(({ name }) => name) },
  })
}

/** See Inventory.setMetadata. */
export async function setMetadata({ it, requester }: AdminContext, ref: RequestRef, given: unknown): Promise<void> {
  const metadata = readAttributes(given)
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const item = await manageItem(db, requester, ref)
    await writeRecord(db, item.id, { metadata: JSON.stringify(metadata) })
    await audit(db, requester, at, {
      action: 'certificate.metadata',
      organizationId: item.organizationId,
      subject: subjectOfItem(item),
      details: { names: metadata.map(({ name }) => name) },
    })
  })
}
