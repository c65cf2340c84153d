import { transaction } from '../db/transaction.ts'
import type { AdminContext } from './adminActor.ts'
import { checkAttributes } from './attributeDefinition.ts'
import { audit } from './audit.ts'
import { readAttributes } from './customAttribute.ts'
import { manageItem, subjectOfItem, writeRecord } from './inventoryItem.ts'
import type { RequestRef } from './request.ts'

/** See Inventory.setAttributes. */
export async function setAttributes({ it, requester }: AdminContext, ref: RequestRef, given: unknown): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const item = await manageItem(db, requester, ref)
    const attributes = await checkAttributes(db, item.organizationId, given)
    await writeRecord(db, item.id, { attributes: JSON.stringify(attributes) })
    await audit(db, requester, at, {
      action: 'certificate.attributes',
      organizationId: item.organizationId,
      subject: subjectOfItem(item),
      details: { names: attributes.map(({ name }) => name) },
    })
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
