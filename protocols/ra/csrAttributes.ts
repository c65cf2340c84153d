import type { Digest } from '../../src/core/key/keyPairOrder.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { Name } from '../../src/pki/name.ts'
import type { RequestAttribute, ResponseAttribute } from './attribute.ts'
import { checkAttributes, firstValue, withTypes } from './attributeCheck.ts'
import { optionsOf } from './attributeSchema.ts'
import { NAMES, subjectParts } from './csrNames.ts'
import { Unprocessable } from './errors.ts'
import type { AttributeDefinition } from './options.ts'
import { parseSubjectAltName } from './subjectAltName.ts'

const optional = { required: false, multiSelect: false, constraints: [] }

/** What is filled in where a key of the keystore signs the certificate request. */
export const csrDefinitions: AttributeDefinition[] = [
  ...Object.entries(subjectParts)
    .reverse()
    .map(([name, [, label, longest]]) => ({
      ...optional,
      name,
      label,
      description: '',
      contentType: 'string' as const,
      constraints: [
        {
          type: 'regExp' as const,
          data: `.{1,${longest}}`,
          errorMessage: `has 1 to ${longest} characters`,
        },
      ],
    })),
  {
    ...optional,
    name: NAMES,
    label: 'Subject alternative names',
    description: 'DNS:a.example,IP:192.0.2.1,email:x@a.example,URI:https://a.example',
    contentType: 'string',
  },
]

/** The same for an RA profile: narrowed by what that says of them, and perhaps without the others. */
export function csrDefinitionsOf(profile: RaProfile): AttributeDefinition[] {
  const { attributes, mergeMode } = optionsOf(profile).requestAttributes
  return csrDefinitions.flatMap((standard) => {
    const own = attributes.find(({ name }) => name === standard.name)
    if (!own) return mergeMode === 'merge' ? [standard] : []
    const constraints = [...standard.constraints, ...own.constraints]
    return [
      { ...own, label: own.label ?? standard.label, description: own.description || standard.description, constraints },
    ]
  })
}

/** Holds a request that a client brought against what the profile asks of requests, where that says so. Throws Unprocessable. */
export function refuseOther(profile: RaProfile, { subject, identifiers }: Csr): void {
  if (!optionsOf(profile).requestAttributes.strict) return
  const parts = subject.flat()
  const named = Object.entries(subjectParts).flatMap(([name, [type]]): RequestAttribute[] => {
    const content = parts.filter((part) => part.type === type).map(({ value }) => ({ data: value }))
    return content.length > 0 ? [{ name, contentType: 'string', content, version: 'v2' }] : []
  })
  const types: readonly string[] = Object.values(subjectParts).map(([type]) => type)
  const other = parts.find(({ type }) => !types.includes(type))
  if (other) throw new Unprocessable([`request: its subject has ${other.type}, which this RA profile does not ask for`])
  const names = identifiers.map(({ type, value }) => `${written[type]}:${value}`).join(',')
  const content = [{ data: names }]
  checkAttributes(csrDefinitionsOf(profile), [
    ...named,
    ...(names === '' ? [] : [{ name: NAMES, contentType: 'string' as const, content, version: 'v2' as const }]),
  ])
}

const written = { dns: 'DNS', ip: 'IP', email: 'email', uri: 'URI' } as const satisfies Record<
  Identifier['type'],
  string
>

/** The subject and names that a client filled in, or that hold where it says nothing. Throws Unprocessable, PkiError('malformed'). */
export function namesOf(
  profile: RaProfile,
  filledIn: readonly RequestAttribute[],
): { subject: Name; identifiers: readonly Identifier[] } {
  const definitions = csrDefinitionsOf(profile)
  checkAttributes(definitions, filledIn)
  const given = withTypes(definitions, filledIn)
  const names = firstValue(given, NAMES)
  return {
    subject: Object.entries(subjectParts).flatMap(([name, [type]]) => {
      const value = firstValue(given, name)
      return value === undefined ? [] : [[{ type, value: String(value) }]]
    }),
    identifiers: names === undefined ? [] : parseSubjectAltName(String(names)),
  }
}

const digests = { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' } as const satisfies Record<
  string,
  Digest
>
const DIGEST = 'data_sigDigest'
const SCHEME = 'data_rsaSigScheme'

const signatureDefinitions: AttributeDefinition[] = [
  {
    ...optional,
    name: DIGEST,
    label: 'Digest Algorithm',
    description: '',
    contentType: 'string',
    choices: Object.keys(digests),
  },
  {
    ...optional,
    name: SCHEME,
    label: 'RSA Signature Scheme',
    description: '',
    contentType: 'string',
    choices: ['PKCS1-v1_5'],
  },
]

/** How a request was signed, as it would be asked for: of RSA alone there is a choice. */
export function signatureView(algorithm: string): ResponseAttribute[] {
  const digest = Object.entries(digests).find(([, hash]) => algorithm === `${hash}WithRSAEncryption`)?.[0]
  if (digest === undefined) return []
  const chosen: Record<string, string> = { [DIGEST]: digest, [SCHEME]: 'PKCS1-v1_5' }
  return signatureDefinitions.map(({ name, label = name, contentType }) => {
    const content = [{ reference: chosen[name], data: chosen[name] }]
    return { name, label, type: 'data', contentType, content, version: 'v2' }
  })
}

/** By which digest the request is to be signed, where a client says so. Throws Unprocessable. */
export function digestOf(given: readonly RequestAttribute[]): { digest?: Digest } {
  checkAttributes(signatureDefinitions, given)
  const chosen = firstValue(given, DIGEST)
  return chosen === undefined ? {} : { digest: digests[chosen as keyof typeof digests] }
}
