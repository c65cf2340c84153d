import { z } from 'zod'
import { operation } from '../operation.ts'
import { name } from './fields.ts'

/** The text of a file of 8 MiB, every octet of it escaped. */
const largest = 50 * 2 ** 20

export const apply = operation({
  name: 'configuration.apply',
  input: z.strictObject({ text: z.string(), dryRun: z.boolean().optional(), plan: z.string().max(64).optional() }),
  largest,
  run: ({ door }, { text, ...options }) => door.configuration.apply(text, options),
})

export const show = operation({
  name: 'configuration.export',
  input: z.strictObject({ organization: name.optional() }),
  run: ({ door }, { organization }) => door.configuration.export(organization),
})
