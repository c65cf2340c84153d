import type { ProfileView } from '../../src/core/admin.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { takesOrders } from './authorityView.ts'
import { Invalid } from './errors.ts'

/**
 * The profile of the requester's organization to which an order goes, among those that serve this contract (and have that authority, by id or name):
 * the one that takes orders, else `default`, else the only one. Throws Failure('unsupported' | 'conflict'), Invalid for an authority that has none.
 */
export async function orderProfile(door: Door, authority?: string): Promise<RaProfile> {
  const [me, profiles] = await Promise.all([door.identities.me(), door.admin.profiles()])
  const serving = profiles.filter(
    ({ enabled, organization, protocols }) =>
      enabled && organization === me.organization && Object.hasOwn(protocols, 'alpacon'),
  )
  const fitting = authority === undefined ? serving : serving.filter(await under(door, authority))
  const marked = fitting.filter(({ protocols }) => takesOrders(protocols.alpacon))
  const [one, another] = marked.length > 0 ? marked : fallback(fitting)
  if (one && !another) return (await door.serving({ name: one.name }, 'alpacon')).profile
  if (authority !== undefined)
    throw new Invalid({ authority: ['No profile of yours under this authority takes orders over this contract.'] })
  if (!one)
    throw new Failure(
      'unsupported',
      'no profile of your organization takes orders over this contract: an administrator sets protocols.alpacon.takesOrders on one',
    )
  const names = (marked.length > 0 ? marked : fitting).map(({ name }) => name).join(', ')
  throw new Failure(
    'conflict',
    `several profiles take orders over this contract: ${names}; give authority, or leave it to one`,
  )
}

function fallback(profiles: readonly ProfileView[]): readonly ProfileView[] {
  const usual = profiles.filter(({ name }) => name === 'default')
  return usual.length > 0 ? usual : profiles
}

async function under(door: Door, given: string): Promise<(profile: ProfileView) => boolean> {
  const found = (await door.admin.authorities()).find(
    ({ uuid, name }) => uuid === given.toLowerCase() || name === given,
  )
  return ({ authority }) => authority === found?.name
}
