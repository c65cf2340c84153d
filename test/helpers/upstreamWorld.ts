import { loadAuthority } from '../../src/core/authority/authority.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import { runUpstream } from '../../src/core/upstream/upstream.ts'
import type { NewUpstreamAuthority } from '../../src/core/upstream/upstreamAdmin.ts'
import { type SmallAcme, startSmallAcme } from './smallAcme.ts'
import { acmeAccount, newCsr, type World } from './world.ts'

let made = 0

/** An authority that a small ACME CA signs for, with a profile of its own. */
export interface UpstreamWorld {
  small: SmallAcme
  name: string
  id: number
  profile: RaProfile
  /** An order as an adapter hands it in. */
  order(names: string[], more?: { profile?: RaProfile; csrNames?: string[] }): Promise<SignRequest>
  read(request: { id: number }): Promise<SignRequest>
  /** Lets time pass and does what is due at the CA. */
  run(milliseconds?: number): Promise<number>
}

export async function upstreamWorld(world: World, draft: Partial<NewUpstreamAuthority> = {}): Promise<UpstreamWorld> {
  const small = await startSmallAcme(world.time.now)
  made += 1
  const name = draft.name ?? `upstream-${made}`
  await world.core.as(system('test')).admin.addUpstreamAuthority({
    name,
    directory: small.directory,
    contact: ['pki@example.org'],
    agreeTerms: true,
    ...draft,
  })
  const { id } = await loadAuthority(world.it, name)
  const profile = await world.save(name, { authority: id })
  const door = world.core.as(acmeAccount())
  return {
    small,
    name,
    id,
    profile,
    async order(names, { profile: other = profile, csrNames = names } = {}) {
      const csr = await newCsr(csrNames)
      const identifiers = names.map((value) => ({ type: 'dns', value }) as const)
      const asked = { identifiers, validated: identifiers, refusal: 'throw' } as const
      return (await door.sign({ profile: other, protocol: 'acme', action: 'issue', csr, ...asked })).request
    },
    read: ({ id }) => readSignRequest(world.it.db, id),
    run(milliseconds = 0) {
      world.time.pass(milliseconds)
      return runUpstream(world.it)
    },
  }
}
