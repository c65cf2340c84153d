import type { UserView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Call } from './operation.ts'

type Asking = Pick<Call, 'door' | 'requester'>

/** For what this adapter alone keeps about a user. A token that is limited changes it only with `admin` in its scope. Throws Failure('forbidden'). */
export async function requireOver({ door, requester }: Asking, user: UserView): Promise<void> {
  requireUnlimited(requester)
  const me = await door.identities.me()
  if (me.id === user.id || me.superuser) return
  if (me.admin && me.organization === user.organization && !user.superuser) return
  throw new Failure('forbidden', 'Not enough permissions: this is for himself and for who administers him')
}

/** The same for an organization. */
export async function requireAdministrator({ door, requester }: Asking, organization: string): Promise<void> {
  requireUnlimited(requester)
  const me = await door.identities.me()
  if (me.superuser || (me.admin && me.organization === organization)) return
  throw new Failure('forbidden', 'Not enough permissions: this is for administrators of the organization')
}

function requireUnlimited({ scope }: Asking['requester']): void {
  if (!scope || (scope.capabilities.includes('admin') && scope.readOnly !== true)) return
  throw new Failure('forbidden', 'Not enough permissions: this token is limited to other things')
}
