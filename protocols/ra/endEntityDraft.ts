import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type Name, nameProblems, parseNameText } from '../../src/pki/name.ts'
import type { RequestAttribute } from './attribute.ts'
import { attributeProblems, firstValue } from './attributeCheck.ts'
import { everyQuestion } from './attributeDepends.ts'
import { issueDefinitions, VARIANT } from './attributeSchema.ts'
import { Unprocessable } from './errors.ts'
import type { AttributeDefinition } from './options.ts'
import { isEmail, parseSubjectAltName } from './subjectAltName.ts'
import { text } from './text.ts'

/** What Add and Edit have in common, beside the password. */
export const endEntityFields = {
  raProfile: z.object({ uuid: z.string().nullish(), name: z.string().nullish() }),
  subjectDN: text(4096).min(1),
  subjectAltName: text(65_536).nullish(),
  email: text(320).nullish(),
  extensionData: z
    .array(z.object({ name: text(200), value: text(4000) }))
    .max(100)
    .nullish(),
}
export type EndEntityBody = z.output<z.ZodObject<typeof endEntityFields>>

/** What an end entity gets certified, as it is stored. */
export interface EndEntityDraft {
  subject: string
  names?: string
  email?: string
  extensionData: { name: string; value: string }[]
}

/** Throws Unprocessable with one sentence for each thing that cannot be certified, or that the profile does not take. */
export function readDraft(door: Door, profile: RaProfile, given: EndEntityBody): EndEntityDraft {
  const extensionData = given.extensionData ?? []
  const draft: EndEntityDraft = {
    subject: given.subjectDN,
    ...(given.subjectAltName ? { names: given.subjectAltName } : {}),
    ...(given.email ? { email: given.email } : {}),
    extensionData,
  }
  const attributes = attributesOf(profile, draft)
  const problems = [
    ...otherProfile(profile, given.raProfile),
    ...problemsIn('subjectDN', () => nameProblems(parseNameText(draft.subject))),
    ...problemsIn('subjectAltName', () => parseSubjectAltName(draft.names ?? '') && []),
    ...(draft.email !== undefined && !isEmail(draft.email) ? ['email: is no e-mail address'] : []),
    ...attributeProblems(issueDefinitions(profile), attributes).map((one) => `extensionData: ${one}`),
  ]
  if (problems.length > 0) throw new Unprocessable(problems)
  const variant = firstValue(attributes, VARIANT)
  const chosen = variant === undefined ? profile : door.variant(profile, String(variant))
  door.admitNames(chosen, wantedOf(door, chosen, draft).identifiers)
  return draft
}

function otherProfile(profile: RaProfile, { uuid, name }: EndEntityBody['raProfile']): string[] {
  const other = (uuid && uuid.toLowerCase() !== profile.uuid) || (name && name !== profile.name)
  return other ? [`raProfile: the path names the profile ${profile.name} (${profile.uuid})`] : []
}

function problemsIn(field: string, look: () => string[]): string[] {
  try {
    return look().map((problem) => `${field}: ${problem}`)
  } catch (error) {
    if (error instanceof PkiError) return [`${field}: ${error.message}`]
    throw error
  }
}

/** The subject and the names of its certificates: of the subject where it names itself there only, as devices do in a CSR. */
export function wantedOf(
  door: Door,
  profile: RaProfile,
  { subject: text, names }: Pick<EndEntityDraft, 'subject' | 'names'>,
): { subject: Name; identifiers: readonly Identifier[] } {
  const subject = parseNameText(text)
  return {
    subject,
    identifiers: door.requestedNames(profile, { subject, identifiers: parseSubjectAltName(names ?? '') }),
  }
}

/** Extension data as the attributes that an order over this profile takes: texts become what their definition asks for. None of it is kept secret. */
export function attributesOf(
  profile: RaProfile,
  { extensionData }: Pick<EndEntityDraft, 'extensionData'>,
): RequestAttribute[] {
  const definitions = new Map(
    everyQuestion(issueDefinitions(profile)).map((definition) => [definition.name, definition]),
  )
  const attributes = new Map<string, RequestAttribute>()
  for (const { name, value } of extensionData) {
    const definition = definitions.get(name)
    const content = [...(attributes.get(name)?.content ?? []), { data: typed(definition, value) }]
    attributes.set(name, { name, content, version: 'v2' })
  }
  return [...attributes.values()]
}

function typed(definition: AttributeDefinition | undefined, value: string): unknown {
  switch (definition?.contentType) {
    case 'integer':
    case 'float':
      return /^-?\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : value
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
    default:
      return value
  }
}
