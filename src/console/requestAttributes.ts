import { RE2JS } from '@bufbuild/re2'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import type { AttributeContentType, CustomAttribute } from '../core/inventory/customAttribute.ts'
import type { RaProfile } from '../core/profile/profile.ts'
import type { Visit } from './page.ts'

/** Something to fill in beside the names: what the profile asks of programs over REST, and what the organization notes of every certificate. */
export interface Asked {
  name: string
  label: string
  description: string
  contentType: Fillable
  required: boolean
  choices?: (string | number | boolean)[]
  /** Several values, a line each. */
  several: boolean
  check(value: string | number | boolean): string | undefined
}

/** What a form without scripts can take. A secret is never kept with a certificate. */
const fillable = ['string', 'text', 'integer', 'float', 'boolean', 'date', 'time', 'datetime'] as const
type Fillable = Extract<AttributeContentType, (typeof fillable)[number]>

/** As REST has checked it when the profile was written; what is not understood here is not asked here. */
const definition = z.object({
  name: z.string(),
  label: z.string().optional(),
  description: z.string().default(''),
  contentType: z.enum(fillable),
  required: z.boolean().default(false),
  choices: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
  multiSelect: z.boolean().default(false),
  constraints: z
    .array(z.object({ type: z.string(), data: z.unknown(), errorMessage: z.string().optional() }))
    .default([]),
})

const options = z.object({ issueAttributes: z.array(z.unknown()).default([]) })

function ofProfile({ protocols }: Pick<RaProfile, 'protocols'>): Asked[] {
  const read = options.safeParse(protocols.ra)
  if (!read.success) return []
  return read.data.issueAttributes.flatMap((given): Asked[] => {
    const one = definition.safeParse(given)
    if (!one.success) return []
    const { label, choices, multiSelect, constraints, ...rest } = one.data
    return [
      {
        ...rest,
        label: label ?? rest.name,
        ...(choices ? { choices } : {}),
        several: multiSelect,
        check: (value) => constraints.map((constraint) => broken(constraint, value)).find((text) => text !== undefined),
      },
    ]
  })
}

const range = z.object({ from: z.number().optional(), to: z.number().optional() })

function broken(
  { type, data, errorMessage }: z.output<typeof definition>['constraints'][number],
  value: string | number | boolean,
) {
  if (type === 'regExp' && typeof data === 'string')
    return RE2JS.compile(data).matches(String(value)) ? undefined : (errorMessage ?? `does not match ${data}`)
  const limits = type === 'range' ? range.safeParse(data).data : undefined
  if (!limits) return undefined
  const { from = -Infinity, to = Infinity } = limits
  return Number(value) >= from && Number(value) <= to ? undefined : (errorMessage ?? `is from ${from} to ${to}`)
}

/** What is to be filled in for an order over a profile; without one what the organization notes of every certificate. */
export async function askedAttributes(
  { door }: Pick<Visit, 'door'>,
  profile?: Pick<RaProfile, 'protocols'>,
): Promise<Asked[]> {
  const own = profile ? ofProfile(profile) : []
  const names = new Set(own.map(({ name }) => name))
  const common = (await door.inventory.attributes.list()).flatMap((one): Asked[] => {
    const { name, label, description = '', contentType, required, list } = one
    const known = fillable.find((type) => type === contentType)
    if (!known || names.has(name)) return []
    // What else is wrong with it the core says.
    return [{ name, label, description, contentType: known, required, several: list, check: () => undefined }]
  })
  return [...own, ...common]
}

/** What was filled in, as custom attributes of the certificate. Throws Failure('malformed') with a problem for each that does not fit. */
export async function attributesOf(visit: Visit, profile?: Pick<RaProfile, 'protocols'>) {
  const asked = await askedAttributes(visit, profile)
  const problems: { at: string; code: 'malformed'; detail: string }[] = []
  const attributes = asked.flatMap((one) => {
    const say = (detail: string) => problems.push({ at: one.label, code: 'malformed', detail })
    const values = textsOf(visit, one).map((text) => readValue(one, text))
    if (values.length === 0) {
      if (one.required) say('is needed')
      return []
    }
    for (const value of values) {
      const wrong = value === undefined ? `is no ${one.contentType}` : one.check(value)
      if (wrong !== undefined) say(wrong)
      else if (one.choices && !one.choices.some((choice) => choice === value)) say('is none of the choices')
    }
    const { name, label, contentType } = one
    return [{ name, label, contentType, content: values.map((data) => ({ data })) }]
  })
  if (problems.length > 0)
    throw new Failure('malformed', 'something that this profile asks for does not fit', { problems })
  return attributes
}

/** What a form shows of attributes that are there: by field, several in a line each. */
export function filledIn(asked: readonly Asked[], attributes: readonly CustomAttribute[]): Record<string, string> {
  const known = new Map(attributes.map(({ name, content }) => [name, content.map(({ data }) => String(data))]))
  return Object.fromEntries(
    asked.flatMap((one) => {
      const values = known.get(one.name)
      if (!values) return []
      const text = values.join('\n')
      // A browser's fields have neither seconds nor a zone.
      return [
        [
          fieldOf(one),
          one.contentType === 'time' || one.contentType === 'datetime' ? text.replace(/:\d\d(?:\.\d+)?Z?$/, '') : text,
        ],
      ]
    }),
  )
}

/** The name of the field of an attribute. */
export const fieldOf = ({ name }: Pick<Asked, 'name'>): string => `attribute-${name}`

function textsOf({ form }: Visit, one: Asked): string[] {
  if (one.several && one.choices) return form.all(fieldOf(one), 200)
  const text = form.text(fieldOf(one), 10_000)
  if (text === undefined) return []
  return one.several
    ? text
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '')
    : [text]
}

function readValue({ contentType }: Asked, text: string): string | number | boolean | undefined {
  switch (contentType) {
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'float':
      return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : undefined
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'time':
      return /^\d\d:\d\d$/.test(text) ? `${text}:00` : text
    case 'datetime':
      // What a browser's field gives is read as UTC.
      return /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) ? `${text}:00Z` : text
    case 'string':
    case 'text':
    case 'date':
      return text
  }
}
