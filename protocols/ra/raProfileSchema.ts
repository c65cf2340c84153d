import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { type RequestAttribute, requestAttributes, responseAttribute } from './attribute.ts'
import { derivedUuid } from './derivedUuid.ts'
import { Unprocessable } from './errors.ts'
import { raOptions } from './options.ts'
import { certificateRequestAttributes, requestAttributesView } from './requestAttributes.ts'
import { text } from './text.ts'

const validationSettings = z.object({
  enabled: z.boolean(),
  /** Days. */
  frequency: z.int(),
  expiringThreshold: z.int(),
})

/** RaProfileDto. */
export const raProfile = z.object({
  uuid: z.string(),
  name: z.string(),
  description: z.string(),
  authorityInstanceUuid: z.string(),
  authorityInstanceName: z.string(),
  legacyAuthority: z.boolean(),
  enabled: z.boolean(),
  attributes: z.array(responseAttribute),
  customAttributes: z.array(responseAttribute),
  /** EST is ours beside the contract's ACME and SCEP. */
  enabledProtocols: z.array(z.enum(['ACME', 'SCEP', 'CMP', 'EST'])),
  certificateValidationSettings: validationSettings,
  certificateRequestAttributes,
})

const protocolNames = { acme: 'ACME', scep: 'SCEP', cmp: 'CMP', est: 'EST' } as const

export async function raProfileView(door: Door, profile: ProfileRecord): Promise<z.output<typeof raProfile>> {
  return {
    uuid: profile.uuid,
    name: profile.name,
    description: descriptionOf(profile),
    authorityInstanceUuid: profile.authorityUuid,
    authorityInstanceName: profile.authority,
    legacyAuthority: false,
    enabled: profile.enabled,
    attributes: [settingsAttribute(profile)],
    customAttributes: [],
    enabledProtocols: (['acme', 'scep', 'cmp', 'est'] as const)
      .filter((protocol) => Object.hasOwn(profile.protocols, protocol))
      .map((protocol) => protocolNames[protocol]),
    certificateValidationSettings: await door.inventory.validation(profile.name),
    certificateRequestAttributes: requestAttributesView(profile),
  }
}

function descriptionOf({ protocols }: ProfileRecord): string {
  return Object.hasOwn(protocols, 'ra') ? raOptions.parse(protocols.ra).description : ''
}

/** The one attribute that an RA profile has: its settings, as `countersign profile set` reads them. */
const SETTINGS = 'settings'

function settingsAttribute({ uuid, settings }: ProfileRecord): z.output<typeof responseAttribute> {
  return {
    uuid: derivedUuid(`${uuid} ${SETTINGS}`),
    name: SETTINGS,
    label: 'Settings of its certificates',
    type: 'data',
    contentType: 'object',
    content: [{ data: settings }],
    version: 'v2',
  }
}

/** The settings among the attributes of a profile; undefined where they are not there. Throws Unprocessable for any other attribute. */
export function settingsFrom(attributes: readonly RequestAttribute[]): unknown {
  const problems = attributes.flatMap(({ name, content }, index) => {
    if (name !== SETTINGS)
      return [`Attribute ${name} is not known here: an RA profile has the attribute ${SETTINGS}, an object`]
    if (attributes.findIndex((other) => other.name === name) < index) return [`Attribute ${name} comes twice`]
    const [item, ...more] = content ?? []
    const isObject = typeof item?.data === 'object' && item.data !== null && !Array.isArray(item.data)
    return isObject && more.length === 0 ? [] : [`Attribute ${name}: is one object`]
  })
  if (problems.length > 0) throw new Unprocessable(problems)
  return attributes[0]?.content?.[0]?.data
}

/** What is kept nowhere is not taken in silence. Throws Unprocessable. */
export function refuseCustomAttributes(given: readonly unknown[] | null | undefined, of: string): void {
  if (given && given.length > 0)
    throw new Unprocessable([`customAttributes: ${of} has none here; leave them out, or send an empty list`])
}

const edited = {
  description: text(500).nullish(),
  attributes: requestAttributes,
  customAttributes: z.array(z.unknown()).nullish(),
}

/** AddRaProfileRequestDto. */
export const newRaProfile = z.object({ name: text(63), ...edited, enabled: z.boolean().default(false) })

/** EditRaProfileRequestDto. */
export const editedRaProfile = z.object({ ...edited, enabled: z.boolean().nullish() })
