import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { approvalProfile, approvalProfileView } from './approvalProfiles.ts'
import { operation } from './operation.ts'
import { simpleRaProfile, simpleView } from './protocolProfile.ts'
import { profileAt, RA_PROFILE } from './raProfilePlace.ts'

const TAG = 'Approval profiles'
const ALL = '/v1/approvalProfiles'
const ONE = `${ALL}/{uuid}` as const

const association = z.object({
  resource: z.literal('raProfiles'),
  objectUuid: z.string(),
  objectName: z.string(),
  raProfile: simpleRaProfile,
})

/** Only RA profiles have approval profiles. Throws Failure('notFound'). */
function requireRaProfiles(resource: string): void {
  if (resource !== 'raProfiles')
    throw new Failure('notFound', 'approval profiles are associated with raProfiles, and with nothing else')
}

/** Which RA profiles have which approval profile: seen as the last rule of issue, renew, rekey and revoke. */
export const approvalAssociationOperations = [
  operation({
    method: 'get',
    path: `${ONE}/associations`,
    tag: TAG,
    summary: 'Lists the RA profiles that have an approval profile.',
    answer: z.array(association),
    async run({ door, params }) {
      const profiles = await door.approvalPlans.profiles(params.uuid)
      return {
        body: profiles.map((profile) => ({
          resource: 'raProfiles',
          objectUuid: profile.uuid,
          objectName: profile.name,
          raProfile: simpleView(profile),
        })),
      }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/associations/{resource}/{objectUuid}`,
    tag: TAG,
    summary: 'Lists the approval profiles that an RA profile has: one at most.',
    answer: z.array(approvalProfile),
    async run({ door, params }) {
      requireRaProfiles(params.resource)
      return { body: (await door.approvalPlans.of(params.objectUuid)).map(approvalProfileView) }
    },
  }),
  operation({
    method: 'get',
    path: `${RA_PROFILE}/approvalProfiles`,
    tag: TAG,
    summary: 'Lists the approval profiles that an RA profile has: one at most.',
    answer: z.array(approvalProfile),
    run: async (call) => ({
      body: (await call.door.approvalPlans.of((await profileAt(call)).uuid)).map(approvalProfileView),
    }),
  }),
  ...(['patch', 'delete'] as const).flatMap((method) => [
    operation({
      method,
      path: `${RA_PROFILE}/approvalProfiles/{approvalProfileUuid}`,
      tag: TAG,
      summary: method === 'patch' ? 'Puts an approval profile on an RA profile.' : 'Takes one off.',
      status: 204,
      async run(call) {
        const { uuid } = await profileAt(call)
        const { approvalPlans } = call.door
        if (method === 'patch') await approvalPlans.associate(call.params.approvalProfileUuid, uuid)
        else await approvalPlans.dissociate(call.params.approvalProfileUuid, uuid)
        return undefined
      },
    }),
    operation({
      method,
      path: `${ONE}/associations/{resource}/{objectUuid}`,
      tag: TAG,
      summary: method === 'patch' ? 'Puts an approval profile on an RA profile.' : 'Takes one off.',
      status: 204,
      async run({ door, params }) {
        requireRaProfiles(params.resource)
        if (method === 'patch') await door.approvalPlans.associate(params.uuid, params.objectUuid)
        else await door.approvalPlans.dissociate(params.uuid, params.objectUuid)
        return undefined
      },
    }),
  ]),
]
