import { deletedRole, viewRoles } from '../identity/roleAdmin.ts'
import { definitionsOf, removeDefinition } from '../inventory/attributeDefinition.ts'
import { locationsOf, removeLocation } from '../inventory/location.ts'
import { createGroups } from '../login/groups.ts'
import type { Prunable } from './applySchema.ts'
import { homeOf, type Work } from './applyWork.ts'

interface Found {
  name: string
  uuid: string
}

/** Deletes what the document's organization has of the kinds that `prune` names and the file has not. */
export async function applyPrune(work: Work): Promise<void> {
  const home = await homeOf(work)
  const { context, db, document } = work
  const own = (views: readonly (Found & { organization: string })[]) =>
    views.filter(({ organization }) => organization === home.name)
  const prunes = {
    roles: { found: async () => own(await viewRoles(context)), remove: (uuid) => deletedRole(context, uuid) },
    groups: {
      found: async () => own(await createGroups(context).list()),
      remove: (uuid) => createGroups(context).delete({ uuid }),
    },
    attributes: { found: () => definitionsOf(db, home.id), remove: (uuid) => removeDefinition(context, uuid) },
    locations: { found: () => locationsOf(db, home.id), remove: (uuid) => removeLocation(context, uuid) },
  } satisfies Record<Prunable, { found(): Promise<Found[]>; remove(uuid: string): Promise<void> }>
  for (const [kind, { found, remove }] of Object.entries(prunes) as [Prunable, (typeof prunes)[Prunable]][]) {
    if (!document.prune[kind]) continue
    const kept = new Set(document[kind].map(({ name }) => name))
    for (const { name, uuid } of await found()) {
      if (kept.has(name)) continue
      await remove(uuid)
      work.changes.push({ kind, name, organization: home.name, change: 'delete', fields: [] })
    }
  }
}
