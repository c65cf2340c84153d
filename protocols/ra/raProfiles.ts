import { z } from 'zod'
import { baseAttribute } from './attribute.ts'
import { asBaseAttribute, issueDefinitions, revokeDefinitions } from './attributeSchema.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { placeOf } from './place.ts'
import { authorityAt, profileAt, RA_PROFILE, RA_PROFILES } from './raProfilePlace.ts'
import {
  editedRaProfile,
  newRaProfile,
  raProfile,
  raProfileView,
  refuseCustomAttributes,
  settingsFrom,
} from './raProfileSchema.ts'
import { requestAttributesChange, withRequestAttributes } from './requestAttributes.ts'

const TAG = 'RA profiles'

/** RA profiles below the authority that signs for them. */
export const raProfileOperations = [
  operation({
    method: 'get',
    path: RA_PROFILES,
    tag: TAG,
    summary: 'Lists the RA profiles of an authority, by name.',
    answer: z.array(raProfile),
    async run(call) {
      const { uuid } = await authorityAt(call)
      const profiles = (await call.door.raProfiles.list()).filter(({ authorityUuid }) => authorityUuid === uuid)
      return { body: await Promise.all(profiles.map((profile) => raProfileView(call.door, profile))) }
    },
  }),
  operation({
    method: 'post',
    path: RA_PROFILES,
    tag: TAG,
    summary:
      'Makes an RA profile that serves REST. It has no approval rules yet: the owner of the authority decides on every order, until an approval profile or rules say otherwise.',
    body: newRaProfile,
    status: 201,
    answer: z.object({ uuid: z.string() }),
    async run(call) {
      const { name, description, attributes, customAttributes, enabled } = call.body
      refuseCustomAttributes(customAttributes, 'an RA profile')
      const settings = settingsFrom(attributes) ?? {}
      const authority = await authorityAt(call)
      const { uuid } = await call.door.raProfiles.create({
        name,
        authority: authority.name,
        organization: authority.organization,
        enabled,
        settings,
        protocols: { ra: { description: description ?? '' } },
        rules: {},
      })
      const location = `${call.host.baseUrl}/api/v1/authorities/${authority.uuid}/raProfiles/${uuid}`
      return { body: { uuid }, headers: { Location: location } }
    },
  }),
  operation({
    method: 'get',
    path: RA_PROFILE,
    tag: TAG,
    summary: 'Shows an RA profile.',
    answer: raProfile,
    run: async (call) => ({ body: await raProfileView(call.door, await profileAt(call)) }),
  }),
  operation({
    method: 'put',
    path: RA_PROFILE,
    tag: TAG,
    summary: 'Changes the description and the settings of an RA profile. Without the attribute `settings` these stay.',
    body: editedRaProfile,
    answer: raProfile,
    async run(call) {
      const { description, attributes, customAttributes, enabled } = call.body
      refuseCustomAttributes(customAttributes, 'an RA profile')
      const settings = settingsFrom(attributes)
      const { uuid } = await profileAt(call)
      const profile = await call.door.raProfiles.change(uuid, ({ name, protocols }) => ({
        ...(settings === undefined ? {} : { settings }),
        ...(enabled == null ? {} : { enabled }),
        ...(description == null ? {} : { protocols: described(name, protocols, description) }),
      }))
      return { body: await raProfileView(call.door, profile) }
    },
  }),
  operation({
    method: 'delete',
    path: RA_PROFILE,
    tag: TAG,
    summary: 'Deletes an RA profile over which nothing was ever ordered; 422 for any other, which can be disabled.',
    status: 204,
    conflict: 422,
    async run(call) {
      await call.door.raProfiles.remove((await profileAt(call)).uuid)
      return undefined
    },
  }),
  ...(['enable', 'disable'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${RA_PROFILE}/${verb}` as const,
      tag: TAG,
      summary: `${verb === 'enable' ? 'Enables' : 'Disables'} an RA profile.`,
      status: 204,
      async run(call) {
        const { uuid } = await profileAt(call)
        await call.door.raProfiles.change(uuid, () => ({ enabled: verb === 'enable' }))
        return undefined
      },
    }),
  ),
  operation({
    method: 'patch',
    path: `${RA_PROFILE}/validation`,
    tag: TAG,
    summary: 'Says whether and how often, in days, the certificates of an RA profile are validated unasked.',
    body: z.object({
      enabled: z.boolean().nullish(),
      frequency: z.int().min(1).max(366).default(1),
      expiringThreshold: z.int().min(1).max(3660).default(30),
    }),
    answer: raProfile,
    async run(call) {
      const profile = await profileAt(call)
      const { enabled, ...settings } = call.body
      const before = await call.door.inventory.validation(profile.name)
      await call.door.inventory.setValidation(profile.name, { enabled: enabled ?? before.enabled, ...settings })
      return { body: await raProfileView(call.door, profile) }
    },
  }),
  operation({
    method: 'patch',
    path: `${RA_PROFILE}/requestAttributes`,
    tag: TAG,
    summary:
      'Says what certificate requests say over an RA profile: what clients fill in or, strictly, bring. What is absent stays.',
    body: requestAttributesChange,
    answer: raProfile,
    async run(call) {
      const { uuid } = await profileAt(call)
      const profile = await call.door.raProfiles.change(uuid, (before) => ({
        protocols: withRequestAttributes(before, call.body),
      }))
      return { body: await raProfileView(call.door, profile) }
    },
  }),
  ...(['issue', 'revoke'] as const).map((what) =>
    operation({
      method: 'get',
      path: `${RA_PROFILE}/attributes/${what}` as const,
      tag: TAG,
      summary: `What a client fills in to ${what === 'issue' ? 'order' : 'revoke'} a certificate over this RA profile.`,
      answer: z.array(baseAttribute),
      async run(call) {
        const { profile } = await placeOf(call)
        const definitions = what === 'issue' ? issueDefinitions(profile) : revokeDefinitions(profile)
        return { body: definitions.map((definition) => asBaseAttribute(profile, definition, definitions)) }
      },
    }),
  ),
  operation({
    method: 'get',
    path: `${RA_PROFILE}/complianceProfiles`,
    tag: TAG,
    summary: 'Always empty: what a certificate must be like is part of the RA profile’s own settings.',
    answer: z.array(z.unknown()),
    async run(call) {
      await profileAt(call)
      return { body: [] }
    },
  }),
]

function described(name: string, protocols: Record<string, unknown>, description: string): Record<string, unknown> {
  const { ra } = protocols
  if (ra === undefined)
    throw new Unprocessable([`description: the RA profile ${name} does not serve REST, which is where it is kept`])
  return { ...protocols, ra: { ...(ra as object), description } }
}
