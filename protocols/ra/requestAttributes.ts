import { z } from 'zod'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { baseAttribute } from './attribute.ts'
import { asBaseAttribute } from './attributeSchema.ts'
import { csrNames } from './csrNames.ts'
import { Unprocessable } from './errors.ts'
import { raOptions } from './options.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const mergeMode = z.enum(['staticOnly', 'merge'])

/** RaProfileCertificateRequestAttributesDto. */
export const certificateRequestAttributes = z.object({
  requestAttributes: z.array(baseAttribute),
  mergeMode,
  valueSourceBindings: z.array(z.unknown()),
  externalCsrValidationStrict: z.boolean(),
})

// What the contract has in these places beside what is heeded here comes with what was shown before.
const item = z.looseObject({ data: z.unknown() })
const ignoredOfItem = ['reference', 'contentType']

const properties = z.looseObject({
  label: text(100).nullish(),
  visible: z.boolean().nullish(),
  group: text(100).nullish(),
  required: z.boolean().nullish(),
  readOnly: z.boolean().nullish(),
  list: z.boolean().nullish(),
  multiSelect: z.boolean().nullish(),
  extensibleList: z.boolean().nullish(),
})
const ignoredOfProperties = ['resource', 'protectionLevel']

const constraint = z.looseObject({ type: text(50), data: z.unknown(), errorMessage: z.string().max(200).nullish() })
const ignoredOfConstraint = ['description']

const authored = z.looseObject({
  name: text(200),
  description: z.string().max(500).nullish(),
  type: text(50).nullish(),
  contentType: text(50).nullish(),
  content: z.array(item).max(200).nullish(),
  properties: properties.nullish(),
  constraints: z.array(constraint).max(10).nullish(),
  fieldMapping: z.unknown().optional(),
  valueSource: z.unknown().optional(),
  attributeCallback: z.unknown().optional(),
})
const ignoredOfAttribute = ['uuid', 'version', 'schemaVersion']

/** What is absent stays as it is. */
export const requestAttributesChange = z.looseObject({
  requestAttributes: z.array(authored).max(csrNames.length).nullish(),
  mergeMode: mergeMode.nullish(),
  valueSourceBindings: z.array(z.unknown()).nullish(),
  externalCsrValidationStrict: z.boolean().nullish(),
})

/** The names in an object that mean nothing in its place. */
function unknownIn(
  given: object | null | undefined,
  { shape }: z.ZodObject,
  ignored: readonly string[] = [],
): string[] {
  return Object.keys(given ?? {}).filter((name) => !Object.hasOwn(shape, name) && !ignored.includes(name))
}

function misspelled({ content, constraints, ...attribute }: z.output<typeof authored>): string[] {
  const below = (place: string, names: string[]) => names.map((name) => `${place}.${name}`)
  const names = [
    ...unknownIn(attribute, authored, ignoredOfAttribute),
    ...below('properties', unknownIn(attribute.properties, properties, ignoredOfProperties)),
    ...below(
      'content',
      (content ?? []).flatMap((each) => unknownIn(each, item, ignoredOfItem)),
    ),
    ...below(
      'constraints',
      (constraints ?? []).flatMap((each) => unknownIn(each, constraint, ignoredOfConstraint)),
    ),
  ]
  return [...new Set(names)]
}

/** Throws Unprocessable with a sentence for each thing that nothing here would heed. */
function refuseForeign(change: z.output<typeof requestAttributesChange>): void {
  const problems = (change.requestAttributes ?? []).flatMap((attribute) => {
    const { name, type, contentType, properties, ...more } = attribute
    return [
      ...(csrNames.includes(name) ? [] : [`Attribute ${name}: a certificate request has ${csrNames.join(', ')}`]),
      ...((type ?? 'data') === 'data' ? [] : [`Attribute ${name}: its type is data`]),
      ...((contentType ?? 'string') === 'string' ? [] : [`Attribute ${name}: its content type is string`]),
      ...(properties?.multiSelect ? [`Attribute ${name}: takes one value`] : []),
      ...(more.fieldMapping == null ? [] : [`Attribute ${name}: its name says what it is: leave fieldMapping out`]),
      ...(more.valueSource == null ? [] : [`Attribute ${name}: clients fill it in: leave valueSource out`]),
      ...(more.attributeCallback == null
        ? []
        : [`Attribute ${name}: attributeCallback is asked by nobody: leave it out`]),
      ...misspelled(attribute).map((unknown) => `Attribute ${name}: ${unknown} is not known here`),
    ]
  })
  problems.push(...unknownIn(change, requestAttributesChange).map((name) => `${name} is not known here`))
  if (change.valueSourceBindings?.length)
    problems.push('valueSourceBindings: clients fill in what is asked: leave them out')
  if (problems.length > 0) throw new Unprocessable(problems)
}

function definitionOf({ name, description, content, properties, constraints }: z.output<typeof authored>) {
  const { label, visible, group, required, readOnly, list, extensibleList } = properties ?? {}
  const data = (content ?? []).map((item) => item.data)
  return defined({
    name,
    description: description ?? undefined,
    label: label ?? undefined,
    group: group ?? undefined,
    visible: visible ?? undefined,
    required: required ?? undefined,
    readOnly: readOnly ?? undefined,
    ...(list ? { choices: data, extensible: extensibleList ?? undefined } : { default: data[0] }),
    constraints: (constraints ?? []).map(({ type, data, errorMessage }) =>
      defined({ type, data, errorMessage: errorMessage || undefined }),
    ),
  })
}

/** The options of REST with the change. Throws Unprocessable. */
export function withRequestAttributes(
  { name, protocols }: Pick<ProfileRecord, 'name' | 'protocols'>,
  change: z.output<typeof requestAttributesChange>,
): Record<string, unknown> {
  refuseForeign(change)
  if (!Object.hasOwn(protocols, 'ra'))
    throw new Unprocessable([`the RA profile ${name} does not serve REST, which is where this is kept`])
  const before = raOptions.parse(protocols.ra).requestAttributes
  const { requestAttributes: attributes, mergeMode, externalCsrValidationStrict: strict } = change
  const requestAttributes = {
    attributes: attributes ? attributes.map(definitionOf) : before.attributes,
    mergeMode: mergeMode ?? before.mergeMode,
    strict: strict ?? before.strict,
  }
  const ra = { ...(protocols.ra as object), requestAttributes }
  const read = raOptions.safeParse(ra)
  if (!read.success)
    throw new Unprocessable(read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`))
  return { ...protocols, ra }
}

export function requestAttributesView({
  uuid,
  protocols,
}: Pick<ProfileRecord, 'uuid' | 'protocols'>): z.output<typeof certificateRequestAttributes> {
  const options = raOptions.parse(Object.hasOwn(protocols, 'ra') ? protocols.ra : {})
  const { attributes, mergeMode, strict } = options.requestAttributes
  return {
    requestAttributes: attributes.map((definition) => asBaseAttribute({ uuid }, definition)),
    mergeMode,
    valueSourceBindings: [],
    externalCsrValidationStrict: strict,
  }
}
