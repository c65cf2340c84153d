import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, requireSuperuser, seesOrganization } from '../adminActor.ts'
import type { CoreTables } from '../tables.ts'
import { createOrganization } from './identity.ts'

/** A tenant: whose users, authorities and profiles see nothing of another's. */
export interface OrganizationView {
  id: number
  name: string
  uuid: string
  createdAt: Date
}

/** See Admin.organizations. By name. */
export async function viewOrganizations({ it, requester }: AdminContext): Promise<OrganizationView[]> {
  const actor = await actorOf(it.db, requester)
  const rows = await withTables<CoreTables>(it.db).selectFrom('organizations').selectAll().orderBy('name').execute()
  return rows
    .filter(({ id }) => seesOrganization(actor, id))
    .map(({ id, name, uuid, created_at }) => ({ id, name, uuid, createdAt: new Date(created_at) }))
}

/** See Admin.createOrganization. Throws Failure('conflict') when the name is taken. */
export async function newOrganization({ it, requester }: AdminContext, name: string): Promise<OrganizationView> {
  const at = it.clock()
  const made = await transaction(it.db, async (db) => {
    requireSuperuser(await actorOf(db, requester))
    return createOrganization(db, { actor: requester, at }, name)
  })
  return { id: made.id, name: made.name, uuid: made.uuid, createdAt: at }
}
