import { RE2JS } from '@bufbuild/re2'
import { z } from 'zod'
import { contentTypes } from './attribute.ts'
import { csrNames } from './csrNames.ts'
import { text } from './text.ts'

/** Patterns run in time that grows with the text alone, and are small. */
const pattern = text(500).refine((given) => {
  try {
    return RE2JS.compile(given).re2().prog.numInst() <= 2000
  } catch {
    return false
  }
}, 'a regular expression as RE2 reads it, without look-around and back-references, and not too large')

const constraint = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('regExp'), data: pattern, errorMessage: text(200).optional() }),
  z.strictObject({
    type: z.literal('range'),
    data: z.strictObject({ from: z.number().optional(), to: z.number().optional() }),
    errorMessage: text(200).optional(),
  }),
  z.strictObject({
    type: z.literal('dateTime'),
    data: z.strictObject({ from: z.iso.datetime().optional(), to: z.iso.datetime().optional() }),
    errorMessage: text(200).optional(),
  }),
])

const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, 'letters, digits, dots, dashes and underscores')
const choices = z.array(z.union([text(500), z.number(), z.boolean()])).max(200)

/** A question, whatever was answered before. */
const question = z.strictObject({
  /** data: answered; info: only read; group: brings further questions. */
  type: z.enum(['data', 'info', 'group']).optional(),
  name,
  label: text(100).optional(),
  description: text(500).default(''),
  /** Under which heading a form shows it. */
  group: text(100).optional(),
  /** False: for programs, and not for forms. */
  visible: z.boolean().optional(),
  contentType: z.enum(contentTypes),
  required: z.boolean().default(false),
  /** One of these, or several with multiSelect. */
  choices: choices.optional(),
  /** Beside the choices anything else of the type. */
  extensible: z.boolean().optional(),
  multiSelect: z.boolean().default(false),
  /** What holds where nothing is answered; of `info` what is to be read. */
  default: z.unknown().optional(),
  /** Nothing but the default is an answer. */
  readOnly: z.boolean().optional(),
  /** Of contentType resource: of what. */
  resource: z
    .enum(['certificates', 'raProfiles', 'authorities', 'groups', 'users', 'locations', 'keys', 'tokenProfiles'])
    .optional(),
  constraints: z.array(constraint).max(10).default([]),
})

/** What a profile asks of whoever orders over REST, beside the CSR. */
export const attributeDefinition = question.extend({
  contentType: z.enum(contentTypes).default('string'),
  /** The question before, on whose answer it depends what may be chosen, or asked, here. */
  dependsOn: name.optional(),
  /** What may be chosen, by that answer. */
  choicesBy: z.record(text(500), choices).optional(),
  /** Of a group: what is asked besides, by that answer. */
  questionsBy: z.record(text(500), z.array(question).max(20)).optional(),
})
export type AttributeDefinition = z.output<typeof attributeDefinition>

/** Definitions that go together. */
const definitions = z
  .array(attributeDefinition)
  .max(50)
  .default([])
  .superRefine((all, context) => {
    for (const [index, definition] of all.entries()) {
      const message = definitionProblem(definition, all.slice(0, index))
      if (message !== undefined) context.addIssue({ code: 'custom', path: [index], message })
    }
  })

function definitionProblem(
  { type, name, dependsOn, choicesBy, questionsBy, readOnly, default: value }: AttributeDefinition,
  before: readonly AttributeDefinition[],
): string | undefined {
  if (before.some((other) => other.name === name)) return `the name ${name} is there already`
  if (dependsOn !== undefined && !before.some((other) => other.name === dependsOn && (other.type ?? 'data') === 'data'))
    return `dependsOn names a question before this one, which ${dependsOn} is not`
  if ((choicesBy ?? questionsBy) !== undefined && dependsOn === undefined)
    return 'choicesBy and questionsBy need dependsOn: the question on whose answer they depend'
  if ((type === 'group') !== (questionsBy !== undefined)) return 'questionsBy belongs to the type group, and that to it'
  if ((type === 'info' || readOnly) && value === undefined) return 'what is only read needs a default, which is shown'
  return undefined
}

/** REST's settings on an RA profile: docs/protocols/rest.md. */
export const raOptions = z
  .strictObject({
    description: text(500).default(''),
    issueAttributes: definitions,
    revokeAttributes: definitions,
    /** What certificate requests say, which clients fill in or bring signed: csrNames.ts has the names. */
    requestAttributes: z
      .strictObject({
        attributes: definitions.refine(
          (all) =>
            all.every(({ name, dependsOn, type = 'data', contentType }) => {
              return csrNames.includes(name) && dependsOn === undefined && type === 'data' && contentType === 'string'
            }),
          `texts named ${csrNames.join(', ')}, none of which depends on another`,
        ),
        /** merge: what is not among them may be filled in as ever; staticOnly: nothing else is asked for. */
        mergeMode: z.enum(['merge', 'staticOnly']).default('merge'),
        /** Whether a request that a client brings is held against them. */
        strict: z.boolean().default(false),
      })
      .prefault({}),
    /** Whether end entities of v1 wait for somebody else than who added or changed them. */
    approveEndEntities: z.boolean().default(false),
  })
  .prefault({})
export type RaOptions = z.output<typeof raOptions>
