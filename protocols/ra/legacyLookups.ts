import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { ServingProfile } from '../../src/core/enrolment/servingProfile.ts'
import { Failure } from '../../src/core/failure.ts'
import { type Call, operation } from './operation.ts'
import { V1_TAG } from './v1Place.ts'

const PATH = '/v1/authorities/{authorityUuid}/endentityprofiles'
const tag = V1_TAG
const named = z.array(z.object({ id: z.int(), name: z.string() }))

/** The RA profiles that serve REST under an authority, by name. Throws Failure('notFound') for an authority that the requester does not see. */
async function profilesUnder(door: Door, authorityUuid: string): Promise<ServingProfile[]> {
  const authority = (await door.admin.authorities()).find(({ uuid }) => uuid === authorityUuid)
  if (!authority) throw new Failure('notFound', 'there is no such authority')
  const served = (await door.admin.profiles()).filter(
    ({ authority: name, enabled, protocols }) => name === authority.name && enabled && Object.hasOwn(protocols, 'ra'),
  )
  return Promise.all(served.map(({ uuid }) => door.serving({ uuid }, 'ra')))
}

async function profileUnder({ door, params }: Pick<Call<'authorityUuid' | 'endEntityProfileId'>, 'door' | 'params'>) {
  const all = await profilesUnder(door, params.authorityUuid)
  const found = all.find(({ profile }) => String(profile.id) === params.endEntityProfileId)
  if (!found) throw new Failure('notFound', 'there is no such end entity profile')
  return found
}

/** What older clients fill their forms with. An end entity profile is an RA profile here, and that has one CA. */
export const legacyLookups = [
  operation({
    method: 'get',
    path: PATH,
    tag,
    summary: 'The RA profiles of an authority, as end entity profiles.',
    answer: named,
    async run({ door, params }) {
      const all = await profilesUnder(door, params.authorityUuid)
      return { body: all.map(({ profile: { id, name } }) => ({ id, name })) }
    },
  }),
  operation({
    method: 'get',
    path: `${PATH}/{endEntityProfileId}/certificateprofiles`,
    tag,
    summary:
      'The kinds of certificate of an RA profile: its own settings with the id 0, then its variants, numbered by name.',
    answer: named,
    async run(call) {
      const { profile } = await profileUnder(call)
      const variants = Object.keys(profile.settings.variants).sort()
      return { body: [profile.name, ...variants].map((name, id) => ({ id, name })) }
    },
  }),
  operation({
    method: 'get',
    path: `${PATH}/{endEntityProfileId}/cas`,
    tag,
    summary: 'The authority that signs what is ordered over an RA profile.',
    answer: named,
    async run(call) {
      const { id, name } = (await profileUnder(call)).authority
      return { body: [{ id, name }] }
    },
  }),
]
