import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { OptionSet } from '../../src/core/profile/optionSets.ts'
import type { Host } from '../../src/protocol.ts'
import { responseAttribute } from './attribute.ts'
import { caCertificateView } from './caCertificate.ts'
import { certificateEntry } from './certificateSchema.ts'
import { flag } from './fields.ts'
import { operation } from './operation.ts'
import { activateOn, mainProfile, sharedOperations, simpleRaProfile, simpleView, TAG } from './protocolProfile.ts'
import { protocolUrl } from './protocolUrl.ts'
import { editedScepProfile, fitsAuthority, messageCas, newScepProfile, scepOptionsOf } from './scepProfileOptions.ts'

const ALL = '/v1/scepProfiles'

const detail = z.object({
  uuid: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  description: z.string(),
  raProfile: simpleRaProfile.optional(),
  raProfileUuid: z.string().optional(),
  raProfileName: z.string().optional(),
  includeCaCertificate: z.boolean(),
  includeCaCertificateChain: z.boolean(),
  enableChallengePassword: z.boolean(),
  renewalThreshold: z.int(),
  enableIntune: z.boolean(),
  /** Absent: a key that the RA profile has for itself. */
  caCertificateUuid: z.string(),
  caCertificate: certificateEntry.optional(),
  scepUrl: z.string().optional(),
  issueCertificateAttributes: z.array(responseAttribute),
  customAttributes: z.array(responseAttribute),
})

async function detailView(door: Door, host: Host, set: OptionSet): Promise<z.output<typeof detail>> {
  const { uuid, name, enabled, description, options, details } = set
  const profile = mainProfile(set)
  const ca = (await messageCas(door)).find((ca) => ca.uuid === details.caCertificateUuid)
  return {
    uuid,
    name,
    enabled,
    description,
    ...(profile ? { raProfile: simpleView(profile), raProfileUuid: profile.uuid, raProfileName: profile.name } : {}),
    includeCaCertificate: options.answer === 'chain',
    includeCaCertificateChain: options.answer === 'chain',
    enableChallengePassword: options.withoutChallenge === 'refuse',
    renewalThreshold: 0,
    enableIntune: false,
    caCertificateUuid: String(details.caCertificateUuid),
    ...(ca ? { caCertificate: caCertificateView(ca.der) } : {}),
    ...(profile && enabled ? { scepUrl: protocolUrl.scep(host, profile.name) } : {}),
    issueCertificateAttributes: [],
    customAttributes: [],
  }
}

/** Named options of SCEP, which RA profiles use. */
export const scepProfileOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists SCEP profiles, by name.',
    answer: z.array(detail),
    async run({ door, host }) {
      const sets = await door.optionSets.list('scep')
      return { body: await Promise.all(sets.map((set) => detailView(door, host, set))) }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/caCertificates`,
    tag: TAG,
    summary: 'Lists the CA certificates that a SCEP profile may name: with RSA keys that are here.',
    query: z.object({ intuneEnabled: flag.optional() }),
    answer: z.array(certificateEntry),
    run: async ({ door }) => ({ body: (await messageCas(door)).map(({ der }) => caCertificateView(der)) }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary:
      'Makes a SCEP profile, disabled; what cannot be had is refused by name. With raProfileUuid that RA profile uses it.',
    body: newScepProfile,
    status: 201,
    answer: detail,
    async run({ door, host, body }) {
      const { name, caCertificateUuid, raProfileUuid } = body
      const options = await scepOptionsOf(door, body)
      const details = { caCertificateUuid }
      if (raProfileUuid != null)
        await fitsAuthority(door, await door.raProfiles.requireManage(raProfileUuid), { name, details })
      const draft = { protocol: 'scep', name, description: body.description ?? '', options, details }
      const set = await door.optionSets.create(draft)
      await activateOn(door, set, raProfileUuid)
      const made = await detailView(door, host, await door.optionSets.find('scep', set.uuid))
      return { body: made, headers: { Location: `${host.baseUrl}/api${ALL}/${set.uuid}` } }
    },
  }),
  operation({
    method: 'get',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary: 'Shows a SCEP profile.',
    answer: detail,
    run: async ({ door, host, params }) => ({
      body: await detailView(door, host, await door.optionSets.find('scep', params.uuid)),
    }),
  }),
  operation({
    method: 'put',
    path: `${ALL}/{uuid}`,
    tag: TAG,
    summary: 'Changes a SCEP profile, and with it the RA profiles that use it. What is absent gets its default.',
    body: editedScepProfile,
    answer: detail,
    async run({ door, host, params, body }) {
      const { caCertificateUuid, raProfileUuid } = body
      const options = await scepOptionsOf(door, body)
      const before = await door.optionSets.find('scep', params.uuid)
      const details = { ...before.details, caCertificateUuid }
      const using = [...before.profiles]
      if (raProfileUuid != null) using.push(await door.raProfiles.requireManage(raProfileUuid))
      for (const profile of using) await fitsAuthority(door, profile, { name: before.name, details })
      const set = await door.optionSets.change('scep', params.uuid, {
        options,
        details,
        ...(body.description == null ? {} : { description: body.description }),
      })
      await activateOn(door, set, raProfileUuid)
      return { body: await detailView(door, host, await door.optionSets.find('scep', set.uuid)) }
    },
  }),
  ...sharedOperations('scep', ALL),
]
