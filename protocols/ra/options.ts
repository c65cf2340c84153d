import { RE2JS } from '@bufbuild/re2'
import { z } from 'zod'
import { contentTypes } from './attribute.ts'
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

/** What a profile asks of whoever orders over REST, beside the CSR. */
export const attributeDefinition = z.strictObject({
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, 'letters, digits, dots, dashes and underscores'),
  label: text(100).optional(),
  description: text(500).default(''),
  contentType: z.enum(contentTypes).exclude(['credential', 'resource', 'object']),
  required: z.boolean().default(false),
  /** One of these, or several with multiSelect. */
  choices: z
    .array(z.union([text(500), z.number(), z.boolean()]))
    .max(200)
    .optional(),
  multiSelect: z.boolean().default(false),
  constraints: z.array(constraint).max(10).default([]),
})
export type AttributeDefinition = z.output<typeof attributeDefinition>

/** REST's settings on an RA profile: docs/protocols/rest.md. */
export const raOptions = z
  .strictObject({
    description: text(500).default(''),
    issueAttributes: z.array(attributeDefinition).max(50).default([]),
    revokeAttributes: z.array(attributeDefinition).max(50).default([]),
  })
  .prefault({})
export type RaOptions = z.output<typeof raOptions>
