import { isDeepStrictEqual } from 'node:util'
import { RE2JS } from '@bufbuild/re2'
import { z } from 'zod'
import type { RequestAttribute } from './attribute.ts'
import { askedOf } from './attributeDepends.ts'
import { Unprocessable } from './errors.ts'
import type { AttributeDefinition } from './options.ts'

type Datum = unknown

/**
 * One sentence for each thing in which attributes are not what a schema asks for; none: they are good. Pure.
 * `part`: others were given before, so that none is missing.
 */
export function attributeProblems(
  definitions: readonly AttributeDefinition[],
  given: readonly RequestAttribute[],
  { part = false } = {},
): string[] {
  const asked = askedOf(definitions, given)
  const known = new Map(asked.map((definition) => [definition.name, definition]))
  const seen = new Set<string>()
  const problems: string[] = []
  for (const attribute of given) {
    const definition = known.get(attribute.name)
    if (!definition) problems.push(`Attribute ${attribute.name} is not known here`)
    else if (seen.has(attribute.name)) problems.push(`Attribute ${attribute.name} comes twice`)
    else problems.push(...problemsOf(definition, attribute))
    seen.add(attribute.name)
  }
  if (part) return problems
  for (const { name, required, default: value } of asked)
    if (required && value === undefined && !seen.has(name)) problems.push(`Attribute ${name} is required`)
  return problems
}

/** Throws Unprocessable with what attributeProblems finds. */
export function checkAttributes(
  definitions: readonly AttributeDefinition[],
  given: readonly RequestAttribute[],
  how?: { part: boolean },
): void {
  const problems = attributeProblems(definitions, given, how)
  if (problems.length > 0) throw new Unprocessable(problems)
}

/**
 * The same with the types that their definitions say, whether or not a client names them: by these secrets are told from the rest.
 * What has a default and is not among them follows, unless they are only a part.
 */
export function withTypes(
  definitions: readonly AttributeDefinition[],
  given: readonly RequestAttribute[] | null | undefined,
  { part = false } = {},
): RequestAttribute[] {
  const asked = askedOf(definitions, given ?? [])
  const types = new Map(asked.map(({ name, contentType }) => [name, contentType]))
  const typed = (given ?? []).map((attribute) => {
    const contentType = types.get(attribute.name) ?? attribute.contentType
    return contentType ? { ...attribute, contentType } : attribute
  })
  if (part) return typed
  const names = new Set(typed.map(({ name }) => name))
  return [
    ...typed,
    ...asked.flatMap(({ type, name, contentType, default: data }): RequestAttribute[] =>
      data === undefined || type === 'info' || names.has(name)
        ? []
        : [{ name, contentType, content: [{ data }], version: 'v2' }],
    ),
  ]
}

/** The one value of an attribute. */
export function firstValue(given: readonly RequestAttribute[], name: string): Datum {
  return given.find((attribute) => attribute.name === name)?.content?.[0]?.data
}

function problemsOf(definition: AttributeDefinition, { content, contentType }: RequestAttribute): string[] {
  const { type, name, required, multiSelect, readOnly } = definition
  const say = (what: string) => `Attribute ${name}: ${what}`
  if (type === 'info') return [say('is only read: leave it out')]
  if (contentType && contentType !== definition.contentType)
    return [say(`content type is ${definition.contentType}, not ${contentType}`)]
  const data = (content ?? []).map((item) => item.data)
  if (data.length === 0) return required ? [say('a value is required')] : []
  if (data.length > 1 && !multiSelect) return [say('takes one value')]
  if (readOnly && !data.every((datum) => isDeepStrictEqual(datum, definition.default)))
    return [say('is fixed: leave it out')]
  return data.flatMap((datum) => valueProblems(definition, datum)).map(say)
}

function valueProblems(definition: AttributeDefinition, datum: Datum): string[] {
  const { contentType, choices, constraints, extensible, dependsOn, choicesBy } = definition
  const wrong = forms[contentType](datum)
  if (wrong !== undefined) return [wrong]
  if (choicesBy && !choices) return [`cannot be chosen before ${dependsOn} is answered`]
  if (choices && !extensible && !choices.some((choice) => choice === datum))
    return [choices.length > 0 ? `is one of ${choices.join(', ')}` : `has nothing to choose with this ${dependsOn}`]
  return constraints.flatMap((constraint) => {
    const broken = constraintProblem(constraint, datum)
    return broken === undefined ? [] : [constraint.errorMessage ?? broken]
  })
}

function constraintProblem(constraint: AttributeDefinition['constraints'][number], datum: Datum): string | undefined {
  switch (constraint.type) {
    case 'regExp':
      return RE2JS.compile(constraint.data).matches(String(datum)) ? undefined : `does not match ${constraint.data}`
    case 'range': {
      const { from, to } = constraint.data
      const value = Number(datum)
      if (from !== undefined && value < from) return `is at least ${from}`
      return to !== undefined && value > to ? `is at most ${to}` : undefined
    }
    case 'dateTime': {
      const { from, to } = constraint.data
      const at = Date.parse(String(datum))
      if (from !== undefined && at < Date.parse(from)) return `is not before ${from}`
      return to !== undefined && at > Date.parse(to) ? `is not after ${to}` : undefined
    }
  }
}

type Form = (datum: Datum) => string | undefined

const isText: Form = (datum) =>
  typeof datum === 'string' && datum.length <= 65_536 && /^[^\0\p{Cs}]*$/u.test(datum) ? undefined : 'is a text'
const isObject = (datum: Datum): datum is Record<string, unknown> =>
  typeof datum === 'object' && datum !== null && !Array.isArray(datum)
const matching =
  (pattern: RegExp, what: string): Form =>
  (datum) =>
    typeof datum === 'string' && pattern.test(datum) ? undefined : what

const isDate: Form = (datum) =>
  typeof datum === 'string' && /^\d{4}-\d\d-\d\d$/.test(datum) && realDate(datum) ? undefined : 'is a date: yyyy-MM-dd'

function realDate(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text)
}

const forms: Record<AttributeDefinition['contentType'], Form> = {
  string: isText,
  text: isText,
  integer: (datum) => (Number.isSafeInteger(datum) ? undefined : 'is a whole number'),
  float: (datum) => (typeof datum === 'number' ? undefined : 'is a number'),
  boolean: (datum) => (typeof datum === 'boolean' ? undefined : 'is true or false'),
  date: isDate,
  time: matching(/^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/, 'is a time: HH:mm:ss'),
  datetime: (datum) =>
    typeof datum === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(datum) &&
    realDate(datum.slice(0, 10)) &&
    !Number.isNaN(Date.parse(datum))
      ? undefined
      : 'is a date and time: yyyy-MM-ddTHH:mm:ss.SSSXXX',
  secret: (datum) => (isObject(datum) ? isText(datum.secret) : 'is a secret: {"secret": "…"}'),
  file: (datum) =>
    isObject(datum) && isText(datum.content) === undefined && isText(datum.fileName) === undefined
      ? undefined
      : 'is a file: content in base64, fileName, mimeType',
  credential: (datum) =>
    isObject(datum) && isText(datum.uuid) === undefined && isText(datum.name) === undefined
      ? undefined
      : 'is a credential: uuid, name, kind',
  object: (datum) =>
    isObject(datum) && JSON.stringify(datum).length <= 65_536 ? undefined : 'is an object of at most 64 KiB',
  resource: (datum) =>
    isObject(datum) && z.guid().safeParse(datum.uuid).success ? undefined : 'is a resource: uuid, name',
  codeblock: (datum) =>
    isObject(datum) && isText(datum.language) === undefined && isText(datum.code) === undefined
      ? undefined
      : 'is a code block: language, code in base64',
}
