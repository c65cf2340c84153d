import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { type SeenAuthority, servingProfiles } from './authorityView.ts'
import type { Call } from './operation.ts'
import { type FastpkiOptions, fastpkiOptions } from './options.ts'

/** The RA profile over which an authority takes orders: the one of its own that serves this contract, of several the first by name. */
export async function orderProfile(
  { door }: Pick<Call, 'door'>,
  { view, name, kept }: SeenAuthority,
): Promise<{ profile: RaProfile; options: FastpkiOptions }> {
  if (kept?.allow_leaf_certs === 0)
    throw new Failure('malformed', `CA ${name} does not allow issuing leaf certificates`)
  const [first] = (await servingProfiles({ door })).filter(({ authorityId }) => authorityId === view.id)
  if (!first)
    throw new Failure(
      'malformed',
      `CA ${name} does not allow issuing leaf certificates: none of its RA profiles that you may use serves fastpki, and an administrator adds that to one`,
    )
  const { profile } = await door.serving({ uuid: first.uuid }, 'fastpki')
  return { profile, options: fastpkiOptions.parse(profile.protocols.fastpki) }
}
