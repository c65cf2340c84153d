import { Failure } from '../../src/core/failure.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import type { Call } from './operation.ts'

export const RA_PROFILES = '/v1/authorities/{authorityUuid}/raProfiles'
export const RA_PROFILE = `${RA_PROFILES}/{raProfileUuid}` as const

type Below = Pick<Call<'authorityUuid' | 'raProfileUuid'>, 'door' | 'params'>

/** The profile that a path names, enabled or not, under the authority that it names. Throws Failure('notFound'). */
export async function profileAt({ door, params }: Below): Promise<ProfileRecord> {
  const profile = await door.raProfiles.find(params.raProfileUuid)
  if (profile.authorityUuid !== params.authorityUuid) throw new Failure('notFound', 'there is no such RA profile')
  return profile
}

/** The authority that a path names. Throws Failure('notFound'). */
export async function authorityAt({ door, params }: Pick<Call<'authorityUuid'>, 'door' | 'params'>) {
  const authority = (await door.admin.authorities()).find(({ uuid }) => uuid === params.authorityUuid)
  if (!authority) throw new Failure('notFound', 'there is no such authority')
  return authority
}
