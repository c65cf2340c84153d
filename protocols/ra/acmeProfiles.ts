import { z } from 'zod'
import type { OptionSet } from '../../src/core/profile/optionSets.ts'
import type { Host } from '../../src/protocol.ts'
import {
  acmeOptionsOf,
  DEFAULT_DNS_PORT,
  DEFAULT_RETRY,
  editedAcmeProfile,
  newAcmeProfile,
  secondsOf,
} from './acmeProfileOptions.ts'
import { responseAttribute } from './attribute.ts'
import { operation } from './operation.ts'
import { activateOn, mainProfile, sharedOperations, simpleRaProfile, simpleView, TAG } from './protocolProfile.ts'
import { protocolUrl } from './protocolUrl.ts'

const ALL = '/v1/acmeProfiles'

const line = z.object({
  uuid: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  description: z.string(),
  raProfileUuid: z.string().optional(),
  raProfileName: z.string().optional(),
  directoryUrl: z.string().optional(),
})

const detail = z.object({
  uuid: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  description: z.string(),
  termsOfServiceUrl: z.string().optional(),
  websiteUrl: z.string().optional(),
  dnsResolverPort: z.string(),
  retryInterval: z.int(),
  validity: z.number(),
  requireContact: z.boolean(),
  requireTermsOfService: z.boolean(),
  termsOfServiceChangeDisable: z.boolean(),
  raProfile: simpleRaProfile.optional(),
  directoryUrl: z.string().optional(),
  issueCertificateAttributes: z.array(responseAttribute),
  revokeCertificateAttributes: z.array(responseAttribute),
  customAttributes: z.array(responseAttribute),
})

function directoryOf(host: Host, set: OptionSet): { directoryUrl?: string } {
  const profile = mainProfile(set)
  return profile && set.enabled ? { directoryUrl: protocolUrl.acme(host, profile.name) } : {}
}

function lineView(host: Host, set: OptionSet): z.output<typeof line> {
  const { uuid, name, enabled, description } = set
  const profile = mainProfile(set)
  return {
    uuid,
    name,
    enabled,
    description,
    ...(profile ? { raProfileUuid: profile.uuid, raProfileName: profile.name } : {}),
    ...directoryOf(host, set),
  }
}

function detailView(host: Host, set: OptionSet): z.output<typeof detail> {
  const { uuid, name, enabled, description, options } = set
  const profile = mainProfile(set)
  const { termsOfService, website, orderLifetime } = options
  return {
    uuid,
    name,
    enabled,
    description,
    ...(typeof termsOfService === 'string' ? { termsOfServiceUrl: termsOfService } : {}),
    ...(typeof website === 'string' ? { websiteUrl: website } : {}),
    dnsResolverPort: DEFAULT_DNS_PORT,
    retryInterval: DEFAULT_RETRY,
    validity: secondsOf(orderLifetime),
    requireContact: false,
    requireTermsOfService: typeof termsOfService === 'string',
    termsOfServiceChangeDisable: false,
    ...(profile ? { raProfile: simpleView(profile) } : {}),
    ...directoryOf(host, set),
    issueCertificateAttributes: [],
    revokeCertificateAttributes: [],
    customAttributes: [],
  }
}

/** Named options of ACME, which RA profiles use. */
export const acmeProfileOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists ACME profiles, by name.',
    answer: z.array(line),
    run: async ({ door, host }) => ({ body: (await door.optionSets.list('acme')).map((set) => lineView(host, set)) }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary:
      'Makes an ACME profile, disabled; what cannot be had is refused by name. With raProfileUuid that RA profile uses it.',
    body: newAcmeProfile,
    status: 201,
    answer: detail,
    async run({ door, host, body }) {
      const options = acmeOptionsOf(body)
      if (body.raProfileUuid != null) await door.raProfiles.requireManage(body.raProfileUuid)
      const draft = { protocol: 'acme', name: body.name, description: body.description ?? '', options }
      const set = await door.optionSets.create(draft)
      await activateOn(door, set, body.raProfileUuid)
      const made = detailView(host, await door.optionSets.find('acme', set.uuid))
      return { body: made, headers: { Location: `${host.baseUrl}/api${ALL}/${set.uuid}` } }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary: 'Shows an ACME profile.',
    answer: detail,
    run: async ({ door, host, params }) => ({
      body: detailView(host, await door.optionSets.find('acme', params.uuid)),
    }),
  }),
  operation({
    method: 'put',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary: 'Changes an ACME profile, and with it the RA profiles that use it. What is absent gets its default.',
    body: editedAcmeProfile,
    answer: detail,
    async run({ door, host, params, body }) {
      const options = acmeOptionsOf(body)
      const set = await door.optionSets.change('acme', params.uuid, {
        options,
        ...(body.description == null ? {} : { description: body.description }),
      })
      await activateOn(door, set, body.raProfileUuid)
      return { body: detailView(host, await door.optionSets.find('acme', set.uuid)) }
    },
  }),
  operation({
    method: 'patch',
    path: `${ALL}/{uuid}/raprofile/{raProfileUuid}`,
    tag: TAG,
    summary: 'Has an RA profile use an ACME profile, as the one that it was made for.',
    status: 204,
    async run({ door, params }) {
      await activateOn(door, await door.optionSets.find('acme', params.uuid), params.raProfileUuid)
      return undefined
    },
  }),
  ...sharedOperations('acme', ALL),
]
