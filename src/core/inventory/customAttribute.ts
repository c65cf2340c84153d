import { z } from 'zod'
import { Failure } from '../failure.ts'
import { text } from '../text.ts'

export const attributeContentTypes = [
  'string',
  'text',
  'integer',
  'boolean',
  'float',
  'date',
  'time',
  'datetime',
  'file',
  'codeblock',
  'object',
  'resource',
] as const
export type AttributeContentType = (typeof attributeContentTypes)[number]

const MOST = 100
/** Octets of the JSON of all attributes of one certificate, group or location. */
const LARGEST = 65_536
const DEEPEST = 20

const item = z.strictObject({ reference: z.string().max(1000).optional(), data: z.unknown() })

const attribute = z.strictObject({
  uuid: z.uuid().optional(),
  name: text(200),
  label: text(200).optional(),
  contentType: z.enum(attributeContentTypes, {
    error: ({ input }) =>
      input === 'secret' || input === 'credential'
        ? `a ${input} is kept with nothing that people read`
        : `one of ${attributeContentTypes.join(', ')}`,
  }),
  /** Of the form in which it came, for who reads it back. */
  version: z.enum(['v2', 'v3']).optional(),
  content: z.array(item).max(MOST),
})

/** Something that people or programs note about a certificate, group or location. Never a secret. */
export type CustomAttribute = z.output<typeof attribute>

/**
 * Reads attributes as a client gives them. Throws Failure('malformed'), with a problem for each thing that is wrong, also for more than 100, for more than 64 KiB
 * in all, and for two of one name.
 */
export function readAttributes(given: unknown): CustomAttribute[] {
  if (Array.isArray(given) && given.length > MOST) throw new Failure('malformed', `at most ${MOST} attributes`)
  refuseDeep(given)
  const parsed = z.array(attribute).safeParse(given)
  if (!parsed.success)
    throw asFailure(parsed.error.issues.map(({ path, message }) => ({ at: path.join('.'), detail: message })))
  if (Buffer.byteLength(JSON.stringify(parsed.data)) > LARGEST)
    throw new Failure('tooLarge', `attributes have at most ${LARGEST / 1024} KiB together`)
  const problems = parsed.data.flatMap(contentProblems)
  const names = parsed.data.map(({ name }) => name)
  const twice = names.filter((name, index) => names.indexOf(name) !== index)
  problems.push(...twice.map((name) => ({ at: name, detail: `the attribute ${name} is given twice` })))
  if (problems.length > 0) throw asFailure(problems)
  return parsed.data
}

export interface AttributeProblem {
  at: string
  detail: string
}

export function asFailure(problems: AttributeProblem[]): Failure {
  const [first] = problems
  return new Failure('malformed', `attributes: ${first?.at}: ${first?.detail}`, {
    problems: problems.slice(0, MOST).map(({ at, detail }) => ({ at, code: 'malformed' as const, detail })),
  })
}

/** Before anything that would follow the nesting by calling itself. */
function refuseDeep(given: unknown): void {
  let level = [given]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw new Failure('malformed', `attributes are nested deeper than ${DEEPEST} levels`)
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

function contentProblems({ name, contentType, content }: CustomAttribute): AttributeProblem[] {
  const fits = checks[contentType]
  return content.flatMap(({ data }, index) =>
    fits(data) ? [] : [{ at: `${name}.content.${index}`, detail: `this is no ${contentType}` }],
  )
}

const isText = (data: unknown): data is string => typeof data === 'string'
const matches = (pattern: RegExp) => (data: unknown) => isText(data) && pattern.test(data)
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

const checks = {
  string: isText,
  text: isText,
  integer: Number.isSafeInteger,
  float: Number.isFinite,
  boolean: (data) => typeof data === 'boolean',
  date: (data) => matches(/^\d{4}-\d\d-\d\d$/)(data) && isDay(String(data)),
  time: matches(/^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?$/),
  datetime: (data) =>
    matches(dateTime)(data) && isDay(String(data).slice(0, 10)) && !Number.isNaN(Date.parse(String(data))),
  file: (data) => z.object({ content: z.base64(), fileName: z.string(), mimeType: z.string() }).safeParse(data).success,
  codeblock: (data) => z.object({ language: z.string(), code: z.string() }).safeParse(data).success,
  object: () => true,
  resource: (data) => z.looseObject({ uuid: z.uuid() }).safeParse(data).success,
} as const satisfies Record<AttributeContentType, (data: unknown) => boolean>

/** JavaScript takes 30 February for 1 March. */
function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}
