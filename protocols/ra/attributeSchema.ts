import { createHash } from 'node:crypto'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { type BaseAttribute, itemType } from './attribute.ts'
import { type AttributeDefinition, type RaOptions, raOptions } from './options.ts'

const DAY = 86_400_000

/** The name by which clients choose how long a certificate is good for, in days. */
export const VALIDITY = 'validity'
/** The name by which they choose one of the profile's variants. */
export const VARIANT = 'variant'

/** What has to be filled in to order over a profile: what its certificate settings leave open, then what it asks for besides. */
export function issueDefinitions(profile: RaProfile): AttributeDefinition[] {
  return [...fromCertificate(profile), ...optionsOf(profile).issueAttributes]
}

export function revokeDefinitions(profile: RaProfile): AttributeDefinition[] {
  return optionsOf(profile).revokeAttributes
}

function fromCertificate({ settings }: RaProfile): AttributeDefinition[] {
  const { certificate, variants } = settings
  const definitions: AttributeDefinition[] = []
  const days = Math.floor(certificate.validity.max / DAY)
  if (certificate.overrides.includes('validity') && days > 0) {
    definitions.push({
      name: VALIDITY,
      label: 'Validity in days',
      description: `For how long the certificate is good; without it ${certificate.validity.default / DAY} days.`,
      contentType: 'integer',
      required: false,
      multiSelect: false,
      constraints: [{ type: 'range', data: { from: 1, to: days } }],
    })
  }
  const names = Object.keys(variants)
  if (names.length > 0) {
    definitions.push({
      name: VARIANT,
      label: 'Kind of certificate',
      description: names.map((name) => `${name}: ${variants[name]?.description}`).join('; '),
      contentType: 'string',
      required: false,
      choices: names,
      multiSelect: false,
      constraints: [],
    })
  }
  return definitions
}

const parsed = new WeakMap<object, RaOptions>()

/** A profile's settings for this protocol; read once for each version of the profile. */
export function optionsOf(profile: RaProfile): RaOptions {
  const known = parsed.get(profile)
  if (known) return known
  const options = raOptions.parse(profile.protocols.ra)
  parsed.set(profile, options)
  return options
}

/** As the contract writes a schema's entry. */
export function asBaseAttribute(
  profile: Pick<RaProfile, 'uuid'>,
  definition: AttributeDefinition,
  others: readonly AttributeDefinition[] = [],
): BaseAttribute {
  const { type = 'data', name, label, description, contentType, required, multiSelect, constraints } = definition
  const { choices, choicesBy, extensible = false, visible = true, readOnly = false, group, resource } = definition
  const list = (choices ?? choicesBy) !== undefined
  const isGroup = type === 'group'
  // Resources are of the third version of attributes alone.
  const third = contentType === 'resource'
  return {
    uuid: attributeUuid(profile, name),
    name,
    description,
    version: third ? 3 : 2,
    ...(third ? { schemaVersion: 'v3' } : {}),
    type,
    ...(isGroup ? {} : { contentType, ...contentOf(definition) }),
    properties: {
      label: label ?? name,
      visible,
      ...(group === undefined ? {} : { group }),
      ...(resource === undefined ? {} : { resource }),
      required,
      readOnly: readOnly || type === 'info',
      list,
      multiSelect,
      protectionLevel: contentType === 'secret' ? 'encrypted' : 'none',
      extensibleList: extensible,
    },
    ...callbackOf(definition, others),
    ...(constraints.length > 0
      ? {
          constraints: constraints.map(({ type, data, errorMessage }) => ({
            type,
            description: '',
            errorMessage: errorMessage ?? '',
            data,
          })),
        }
      : {}),
  }
}

/** What may be chosen; where nothing is, what holds unless something else is answered. */
function contentOf({ contentType, choices, default: data }: AttributeDefinition): Pick<BaseAttribute, 'content'> {
  if (choices) return { content: choiceItems(choices, contentType) }
  return data === undefined ? {} : { content: choiceItems([data], contentType) }
}

export function choiceItems(
  choices: readonly unknown[],
  contentType: string,
): { reference?: string; data: unknown; contentType?: string }[] {
  const version = contentType === 'resource' ? 'v3' : 'v2'
  return choices.map((data) => ({
    ...(typeof data === 'object' ? {} : { reference: String(data) }),
    data,
    ...itemType(version, contentType),
  }))
}

/** How a client asks what an answer makes of this question. */
function callbackOf(
  { dependsOn, choicesBy, questionsBy }: AttributeDefinition,
  others: readonly AttributeDefinition[],
): Pick<BaseAttribute, 'attributeCallback'> {
  const before = others.find(({ name }) => name === dependsOn)
  if (!before || (choicesBy ?? questionsBy) === undefined) return {}
  const mapping = {
    from: before.name,
    attributeType: 'data',
    attributeContentType: before.contentType,
    to: before.name,
    targets: ['body'],
  }
  return { attributeCallback: { callbackContext: 'raProfiles', callbackMethod: 'POST', mappings: [mapping] } }
}

/** The same for the same profile and name for ever: a UUID of version 8 (RFC 9562 section 5.8) over both. */
export function attributeUuid({ uuid }: Pick<RaProfile, 'uuid'>, name: string): string {
  const hex = createHash('sha256').update(`${uuid} ${name}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
