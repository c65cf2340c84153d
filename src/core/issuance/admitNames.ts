import type { Door } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { orderProblems } from '../profile/policy.ts'
import type { RaProfile } from '../profile/profile.ts'

/** See Door.admitNames. Throws Failure with a problem for each name that a hard policy of the profile refuses. */
export function admitNames(
  it: Installation,
  profile: RaProfile,
  identifiers: Parameters<Door['admitNames']>[1],
  period: Parameters<Door['admitNames']>[2],
): void {
  const problems = orderProblems(profile.settings, identifiers, period ?? {}, it.clock()).filter(
    ({ policy }) => profile.settings.enforcement[policy] !== 'soft',
  )
  const [first] = problems
  if (!first) return
  const code = problems.every((problem) => problem.code === first.code) ? first.code : 'malformed'
  throw new Failure(code, problems.map(({ detail }) => detail).join('; '), { problems })
}
