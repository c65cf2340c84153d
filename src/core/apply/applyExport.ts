import { withTables } from '../../db/tables.ts'
import { actorOf, organizationFor, requireAdministrator } from '../adminActor.ts'
import { viewRoles } from '../identity/roleAdmin.ts'
import { viewUsers } from '../identity/userView.ts'
import { definitionsOf } from '../inventory/attributeDefinition.ts'
import { locationsOf } from '../inventory/location.ts'
import { createGroups } from '../login/groups.ts'
import { listProfiles } from '../profile/profileAdmin.ts'
import type { ProfileContext } from '../profile/raProfiles.ts'
import type { CoreTables } from '../tables.ts'
import { listWebhooks } from '../webhook/webhookEndpoint.ts'
import { ownGrants, plain } from './applyPeople.ts'
import type { ApplyDocument } from './applySchema.ts'

/** See Configuration.export. Read as it stands while it is read: not in one moment. */
export async function exportDocument(context: ProfileContext, named?: string): Promise<Partial<ApplyDocument>> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const { id } = await organizationFor(it.db, actor, named)
  requireAdministrator(actor, id)
  const organizations = withTables<CoreTables>(it.db).selectFrom('organizations').select('name')
  const { name: organization } = await organizations.where('id', '=', id).executeTakeFirstOrThrow()
  const own = <T extends { organization: string }>(views: T[]) =>
    views.filter((view) => view.organization === organization)
  const document = {
    organization,
    users: own(await viewUsers(context)).map((view) => ({
      name: view.name,
      enabled: view.enabled,
      admin: view.admin,
      superuser: view.superuser,
      grants: ownGrants(view),
    })),
    roles: own(await viewRoles(context)).map(({ name, members, capabilities }) => ({
      name,
      members,
      grants: plain(capabilities),
    })),
    groups: own(await createGroups(context).list()).map(({ name, description, email, members }) => ({
      name,
      description,
      email,
      members: members ?? [],
    })),
    authorities: await authoritiesOf(context, id),
    profiles: own(await listProfiles(context)).map(({ name, authority, enabled, settings, protocols, rules }) => ({
      name,
      authority,
      enabled,
      settings: settings as Record<string, unknown>,
      protocols,
      rules,
    })),
    attributes: (await definitionsOf(it.db, id)).map(({ uuid: _, ...definition }) => definition),
    locations: (await locationsOf(it.db, id)).map(
      ({ uuid: _, settings, attributes: __, deliveredAt: ___, ...location }) => ({
        ...location,
        settings: { ...settings },
      }),
    ),
    webhooks: (await listWebhooks(context, organization)).map(
      ({ name, url, ca, events, profiles, csr, enabled, decidesAs }) => ({
        ...{ name, url, ca, events, profiles, csr, enabled },
        ...(decidesAs === null ? {} : { decidesAs }),
      }),
    ),
  }
  const said = Object.entries(document).filter(([, value]) => typeof value === 'string' || value.length > 0)
  return Object.fromEntries(said) as Partial<ApplyDocument>
}

async function authoritiesOf(
  { it: { db } }: ProfileContext,
  organizationId: number,
): Promise<ApplyDocument['authorities']> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .leftJoin('users', 'users.id', 'authorities.owner_id')
    .select(['authorities.name', 'authorities.enabled', 'authorities.settings', 'users.name as owner'])
    .where('authorities.organization_id', '=', organizationId)
    .where('authorities.name', 'not like', '@%')
    .orderBy('authorities.name')
    .execute()
  return rows.map(({ name, enabled, settings, owner }) => ({
    name,
    ...(owner === null ? {} : { owner }),
    enabled: enabled === 1,
    settings: JSON.parse(settings),
  }))
}
