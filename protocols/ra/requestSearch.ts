import { z } from 'zod'
import type { RequestKind } from '../../src/core/approval/approval.ts'
import type { Filter } from '../../src/core/search/searchFilter.ts'
import { maybeWhen } from './fields.ts'
import { operation } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'
import { requestRow } from './requestSchema.ts'
import { text } from './text.ts'

const TAG = 'Requests and decisions'

const conditions = [
  'equals',
  'notEquals',
  'greater',
  'greaterOrEqual',
  'lesser',
  'lesserOrEqual',
  'contains',
  'notContains',
  'startsWith',
  'endsWith',
  'empty',
  'notEmpty',
  'inNext',
  'inPast',
  'matches',
  'notMatches',
] as const satisfies readonly Filter['condition'][]

const value = z.union([text(1000), z.number()])
const filter = z.strictObject({
  /** subject, commonName, names, status, issuer, profile, protocol, reason, requester, action, createdAt, endedAt, expiresAt, duration. */
  field: text(50).min(1),
  condition: z.enum(conditions),
  /** Text; a time as RFC 3339 or milliseconds; a length of time in milliseconds. Of several, one must fit. */
  value: z.union([value, z.array(value).max(100)]).optional(),
})

const found = requestRow.extend({
  action: z.string(),
  authority: z.string(),
  endedAt: maybeWhen,
  /** Milliseconds from the order to its end. */
  duration: z.number().nullable(),
})

const times = new Set(['createdAt', 'endedAt', 'expiresAt'])
const relative = new Set(['inNext', 'inPast'])

/** The core takes a time as a moment. */
function asFilter({ field, condition, value }: z.output<typeof filter>): Filter {
  if (value === undefined) return { field, condition }
  const one = (given: string | number) => (typeof given === 'string' ? readTime(given) : given)
  if (!times.has(field) || relative.has(condition)) return { field, condition, value }
  return { field, condition, value: Array.isArray(value) ? value.map(one) : one(value) }
}

function readTime(given: string): string | number {
  const at = Date.parse(given)
  // What is no time is refused by the core, which says so.
  return Number.isNaN(at) ? given : at
}

function search(kind: RequestKind, name: 'signRequests' | 'revokeRequests') {
  return operation({
    method: 'post',
    path: `/v1/countersign/${name}/search` as const,
    tag: TAG,
    summary: `Lists ${kind === 'sign' ? 'orders for certificates' : 'orders to revoke'} by page number, with filters of which all must hold, the newest first.`,
    body: pageQuery.extend({ filters: z.array(filter).max(50).default([]) }).strict(),
    answer: z.object({
      requests: z.array(found),
      ...pageFields,
      /** There may be more, which narrower filters show. */
      atLeast: z.boolean(),
    }),
    async run({ door, body }) {
      const { itemsPerPage: size, pageNumber: page, filters } = body
      const { rows, total, atLeast } = await door.list.searchRequests({
        kind,
        where: filters.map(asFilter),
        page,
        size,
      })
      return { body: { requests: rows, ...pageOf(body, total), atLeast } }
    },
  })
}

export const requestSearchOperations = [search('sign', 'signRequests'), search('revoke', 'revokeRequests')]
