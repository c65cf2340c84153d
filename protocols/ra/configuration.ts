import { z } from 'zod'
import { name } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Configuration'

const report = z.object({
  applied: z.boolean(),
  /** Names exactly these changes: hand it back, and others than those are refused with 409. */
  plan: z.string(),
  changes: z.array(
    z.object({
      kind: z.string(),
      name: z.string(),
      organization: z.string(),
      change: z.enum(['create', 'change', 'delete', 'same']),
      fields: z.array(z.object({ field: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })),
    }),
  ),
  warnings: z.array(z.string()),
  /** Of webhooks that were made: shown here and never again. */
  secrets: z.array(
    z.object({ kind: z.string(), name: z.string(), secret: z.string(), inboundSecret: z.string().optional() }),
  ),
})

/** An organization as one document. */
export const configurationOperations = [
  operation({
    method: 'post',
    path: '/v1/countersign/apply',
    tag,
    summary:
      'Brings about what a document says that there shall be, all of it or nothing: people, roles, groups, authorities, profiles with their rules, attributes, locations. With dryRun=true only tells what would change.',
    query: z.object({ dryRun: z.enum(['true', 'false']).optional(), plan: text(64).optional() }),
    bodyText: ['application/yaml', 'application/json', 'application/x-yaml', 'text/yaml'],
    bodyLimit: 8 * 2 ** 20,
    answer: report,
    async run({ door, query, body }) {
      const { dryRun, plan } = query
      return { body: await door.configuration.apply(String(body), { dryRun: dryRun === 'true', ...defined({ plan }) }) }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/export',
    tag,
    summary: 'An organization as a document for which apply finds nothing to do. Holds no secrets.',
    query: z.object({ organization: name.optional() }),
    answer: z.looseObject({ organization: z.string() }),
    run: async ({ door, query }) => ({ body: await door.configuration.export(query.organization) }),
  }),
]
