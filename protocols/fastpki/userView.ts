import { z } from 'zod'
import type { UserView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { when } from './fields.ts'
import type { Call } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

export const roles = ['superuser', 'admin', 'user'] as const
export type Role = (typeof roles)[number]

/** What the contract calls the capabilities that a user may have for all of his organization. */
export const flags = {
  can_create_ca: 'create_ca',
  can_create_cert: 'create_cert',
  can_revoke_cert: 'revoke_cert',
  can_export_private_key: 'export_private_key',
  can_delete_ca: 'delete_ca',
} as const
export type Flag = keyof typeof flags

const flag = z.boolean()

export const user = z.object({
  id: z.int(),
  username: z.string(),
  email: z.string().nullable(),
  role: z.enum(roles),
  is_active: z.boolean(),
  organization_id: z.int(),
  can_create_ca: flag,
  can_create_cert: flag,
  can_revoke_cert: flag,
  can_export_private_key: flag,
  can_delete_ca: flag,
  created_at: when,
  updated_at: when,
})

export function roleOf({ superuser, admin }: Pick<UserView, 'superuser' | 'admin'>): Role {
  if (superuser) return 'superuser'
  return admin ? 'admin' : 'user'
}

/** Which of the flags somebody has, his own or by a role; what he may on one authority or profile alone is none. */
export function flagsOf({ grants }: Pick<UserView, 'grants'>): Record<Flag, boolean> {
  const has = (name: Flag) =>
    grants.some(
      ({ capability, authority, profile }) => capability === flags[name] && authority === null && profile === null,
    )
  return {
    can_create_ca: has('can_create_ca'),
    can_create_cert: has('can_create_cert'),
    can_revoke_cert: has('can_revoke_cert'),
    can_export_private_key: has('can_export_private_key'),
    can_delete_ca: has('can_delete_ca'),
  }
}

/** Users as the contract shows them. */
export async function showUsers(
  { host, door }: Pick<Call, 'host' | 'door'>,
  views: readonly UserView[],
): Promise<z.output<typeof user>[]> {
  if (views.length === 0) return []
  const names = views.map(({ name }) => name)
  const emails = await withTables<FastpkiTables>(host.db)
    .selectFrom('fastpki_emails')
    .selectAll()
    .where('username', 'in', names)
    .execute()
  const organizations = new Map((await door.admin.organizations()).map(({ id, name }) => [name, id]))
  return views.map((view) => {
    const kept = emails.find(({ username }) => username === view.name)
    const changed = kept && kept.updated_at > view.createdAt.getTime() ? new Date(kept.updated_at) : view.createdAt
    return {
      id: view.id,
      username: view.name,
      email: kept?.email ?? (view.name.includes('@') ? view.name : null),
      role: roleOf(view),
      is_active: view.enabled,
      organization_id: organizations.get(view.organization) ?? 0,
      ...flagsOf(view),
      created_at: view.createdAt.toISOString(),
      updated_at: changed.toISOString(),
    }
  })
}

export async function showUser(call: Pick<Call, 'host' | 'door'>, view: UserView): Promise<z.output<typeof user>> {
  const [shown] = await showUsers(call, [view])
  if (!shown) throw new Failure('internal', 'a user is gone')
  return shown
}

/** Oneself, or whom one administers. Throws Failure('notFound'). */
export async function findUser({ door }: Pick<Call, 'door'>, id: number): Promise<UserView> {
  const me = await door.identities.me()
  const found = me.id === id ? me : (await door.admin.users()).find((user) => user.id === id)
  if (!found) throw new Failure('notFound', 'User not found')
  return found
}
