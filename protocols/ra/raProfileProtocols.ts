import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import type { Host } from '../../src/protocol.ts'
import { requestAttributes, responseAttribute } from './attribute.ts'
import { NO_CMP_PROFILES } from './cmpProfiles.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { protocolUrl } from './protocolUrl.ts'
import { profileAt, RA_PROFILE } from './raProfilePlace.ts'
import { fitsAuthority } from './scepProfileOptions.ts'

const TAG = 'Protocols of RA profiles'
const PROTOCOLS = `${RA_PROFILE}/protocols` as const

const named = { uuid: z.string().optional(), name: z.string().optional() }
const attributes = { issueCertificateAttributes: z.array(responseAttribute) }
const revoking = { revokeCertificateAttributes: z.array(responseAttribute) }

const acmeDetail = z.object({
  ...named,
  acmeAvailable: z.boolean(),
  directoryUrl: z.string().optional(),
  ...attributes,
  ...revoking,
})
const scepDetail = z.object({ ...named, scepAvailable: z.boolean(), url: z.string().optional(), ...attributes })
const cmpDetail = z.object({
  ...named,
  cmpAvailable: z.boolean(),
  cmpUrl: z.string().optional(),
  ...attributes,
  ...revoking,
})
const estDetail = z.object({ ...named, estAvailable: z.boolean(), url: z.string().optional(), ...attributes })

const activation = z.object({
  issueCertificateAttributes: requestAttributes.nullish(),
  revokeCertificateAttributes: requestAttributes.nullish(),
})

type Spoken = keyof typeof protocolUrl

async function detailOf(door: Door, profile: ProfileRecord, protocol: Spoken) {
  const available = Object.hasOwn(profile.protocols, protocol)
  const set = await door.optionSets.of(protocol, profile)
  return { available, ...(set ? { uuid: set.uuid, name: set.name } : {}), issueCertificateAttributes: [] }
}

async function acmeView(door: Door, host: Host, profile: ProfileRecord): Promise<z.output<typeof acmeDetail>> {
  const { available, ...rest } = await detailOf(door, profile, 'acme')
  const url = available ? { directoryUrl: protocolUrl.acme(host, profile.name) } : {}
  return { ...rest, acmeAvailable: available, ...url, revokeCertificateAttributes: [] }
}

async function scepView(door: Door, host: Host, profile: ProfileRecord): Promise<z.output<typeof scepDetail>> {
  const { available, ...rest } = await detailOf(door, profile, 'scep')
  return { ...rest, scepAvailable: available, ...(available ? { url: protocolUrl.scep(host, profile.name) } : {}) }
}

async function cmpView(door: Door, host: Host, profile: ProfileRecord): Promise<z.output<typeof cmpDetail>> {
  const { available, ...rest } = await detailOf(door, profile, 'cmp')
  const url = available ? { cmpUrl: protocolUrl.cmp(host, profile.name) } : {}
  return { ...rest, cmpAvailable: available, ...url, revokeCertificateAttributes: [] }
}

async function estView(door: Door, host: Host, profile: ProfileRecord): Promise<z.output<typeof estDetail>> {
  const { available, ...rest } = await detailOf(door, profile, 'est')
  return { ...rest, estAvailable: available, ...(available ? { url: protocolUrl.est(host, profile.name) } : {}) }
}

/** What a profile would have clients of a protocol fill in: those fill in nothing. */
function refuseAttributes(given: z.output<typeof activation> | undefined): void {
  const problems = Object.entries(given ?? {}).flatMap(([name, list]) =>
    list && list.length > 0 ? [`${name}: orders over this protocol carry no attributes; send an empty list`] : [],
  )
  if (problems.length > 0) throw new Unprocessable(problems)
}

/** Which protocols an RA profile is served over. */
export const raProfileProtocolOperations = [
  operation({
    method: 'get',
    path: `${PROTOCOLS}/acme`,
    tag: TAG,
    summary: 'Whether ACME clients are served, where they find the directory, and which ACME profile says how.',
    answer: acmeDetail,
    run: async (call) => ({ body: await acmeView(call.door, call.host, await profileAt(call)) }),
  }),
  operation({
    method: 'patch',
    path: `${PROTOCOLS}/acme/activate/{acmeProfileUuid}`,
    tag: TAG,
    summary: 'Has ACME clients served by the options of an ACME profile. Options that the RA profile has besides stay.',
    body: activation,
    bodyOptional: true,
    answer: acmeDetail,
    async run(call) {
      refuseAttributes(call.body)
      const { uuid } = await profileAt(call)
      const profile = await call.door.optionSets.activate('acme', uuid, call.params.acmeProfileUuid)
      return { body: await acmeView(call.door, call.host, profile) }
    },
  }),
  operation({
    method: 'get',
    path: `${PROTOCOLS}/scep`,
    tag: TAG,
    summary: 'Whether SCEP clients are served, and where.',
    answer: scepDetail,
    run: async (call) => ({ body: await scepView(call.door, call.host, await profileAt(call)) }),
  }),
  operation({
    method: 'patch',
    path: `${PROTOCOLS}/scep/activate/{scepProfileUuid}`,
    tag: TAG,
    summary: 'Has SCEP clients served by the options of a SCEP profile. Options that the RA profile has besides stay.',
    body: activation,
    bodyOptional: true,
    answer: scepDetail,
    async run(call) {
      refuseAttributes(call.body)
      const profile = await profileAt(call)
      await fitsAuthority(call.door, profile, await call.door.optionSets.find('scep', call.params.scepProfileUuid))
      const active = await call.door.optionSets.activate('scep', profile.uuid, call.params.scepProfileUuid)
      return { body: await scepView(call.door, call.host, active) }
    },
  }),
  operation({
    method: 'get',
    path: `${PROTOCOLS}/cmp`,
    tag: TAG,
    summary: 'Whether CMP clients are served, and where.',
    answer: cmpDetail,
    run: async (call) => ({ body: await cmpView(call.door, call.host, await profileAt(call)) }),
  }),
  operation({
    method: 'patch',
    path: `${PROTOCOLS}/cmp/activate/{cmpProfileUuid}`,
    tag: TAG,
    summary: 'Always 422: there are no CMP profiles.',
    answer: cmpDetail,
    async run(call) {
      await profileAt(call)
      throw new Unprocessable([NO_CMP_PROFILES])
    },
  }),
  operation({
    method: 'patch',
    path: `${PROTOCOLS}/cmp/activate`,
    tag: TAG,
    summary: 'Has CMP clients served by the options that the RA profile has, or had. Ours, beside the contract.',
    answer: cmpDetail,
    async run(call) {
      const { uuid } = await profileAt(call)
      return { body: await cmpView(call.door, call.host, await call.door.optionSets.activate('cmp', uuid)) }
    },
  }),
  operation({
    method: 'get',
    path: `${PROTOCOLS}/est`,
    tag: TAG,
    summary: 'Whether EST clients are served, and where. Ours, beside the contract.',
    answer: estDetail,
    run: async (call) => ({ body: await estView(call.door, call.host, await profileAt(call)) }),
  }),
  operation({
    method: 'patch',
    path: `${PROTOCOLS}/est/activate`,
    tag: TAG,
    summary: 'Has EST clients served by the options that the RA profile has, or had. Ours, beside the contract.',
    answer: estDetail,
    async run(call) {
      const { uuid } = await profileAt(call)
      return { body: await estView(call.door, call.host, await call.door.optionSets.activate('est', uuid)) }
    },
  }),
  ...(['acme', 'scep', 'cmp', 'est'] as const).map((protocol) =>
    operation({
      method: 'patch',
      path: `${PROTOCOLS}/${protocol}/deactivate` as const,
      tag: TAG,
      summary: 'Has clients of this protocol served no more. Its options are kept for another time.',
      status: 204,
      async run(call) {
        await call.door.optionSets.deactivate(protocol, (await profileAt(call)).uuid)
        return undefined
      },
    }),
  ),
]
