import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CustomAttribute } from '../inventory/customAttribute.ts'
import type { CoreTables } from '../tables.ts'

/** A group as what belongs to it shows it. */
export interface InventoryGroup {
  uuid: string
  name: string
  description?: string
  email?: string
  attributes: CustomAttribute[]
}

interface GroupRow {
  uuid: string
  name: string
  description: string | null
  email: string | null
  attributes: string
}

export function asGroup({ uuid, name, description, email, attributes }: GroupRow): InventoryGroup {
  return {
    uuid,
    name,
    ...(description === null ? {} : { description }),
    ...(email === null ? {} : { email }),
    attributes: JSON.parse(attributes),
  }
}

/** Those of each item, by name; of an item without any there is no entry. */
export async function groupsOf(db: Database, ids: readonly number[]): Promise<Map<number, InventoryGroup[]>> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificate_groups')
    .innerJoin('groups', 'groups.id', 'certificate_groups.group_id')
    .select(['certificate_id', 'uuid', 'name', 'description', 'email', 'attributes'])
    .where('certificate_id', 'in', ids)
    .orderBy('name')
    .execute()
  const groups = new Map<number, InventoryGroup[]>()
  for (const { certificate_id, ...row } of rows)
    groups.set(certificate_id, [...(groups.get(certificate_id) ?? []), asGroup(row)])
  return groups
}
