import { type AdminContext, actorOf, seesOrganization } from '../adminActor.ts'
import { describeLifetime, type LifetimeView, revocationLifetimes } from './lifetime.ts'

/** See RevocationAdmin.revocationLifetimes. Throws Failure('forbidden') for who is no user. */
export async function viewLifetimes({ it, requester }: AdminContext): Promise<LifetimeView[]> {
  const actor = await actorOf(it.db, requester)
  const all = await revocationLifetimes(it.db, it.clock())
  return all
    .filter(({ organizationId }) => seesOrganization(actor, organizationId))
    .map((lifetime) => ({ ...lifetime, detail: describeLifetime(lifetime) }))
}
