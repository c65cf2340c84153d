import type { Digest } from '../../src/core/keyPairOrder.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { Name } from '../../src/pki/name.ts'
import type { RequestAttribute, ResponseAttribute } from './attribute.ts'
import { checkAttributes, firstValue } from './attributeCheck.ts'
import type { AttributeDefinition } from './options.ts'
import { parseSubjectAltName } from './subjectAltName.ts'

/** The contract's names of a subject's attributes, most significant first. */
const subjectParts = {
  country: ['C', 'Country', 2],
  state: ['ST', 'State', 128],
  locality: ['L', 'Locality', 128],
  organization: ['O', 'Organization', 64],
  organizationalUnit: ['OU', 'Organizational unit', 64],
  commonName: ['CN', 'Common name', 64],
} as const satisfies Record<string, readonly [type: string, label: string, longest: number]>

const NAMES = 'subjectAltName'

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

/** The subject and names that a client filled in. Throws Unprocessable, PkiError('malformed'). */
export function namesOf(given: readonly RequestAttribute[]): { subject: Name; identifiers: readonly Identifier[] } {
  checkAttributes(csrDefinitions, given)
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
