import { z } from 'zod'
import { maybeWhen, moment, name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Delegations'
const ALL = '/v1/countersign/delegations'

const delegation = z.object({
  uuid: z.string(),
  delegator: z.string(),
  delegate: z.string(),
  profile: z.string().nullable(),
  authority: z.string().nullable(),
  from: when,
  until: when,
  reason: z.string().nullable(),
  createdAt: when,
  endedAt: maybeWhen,
})

/** Votes that one gives for another, for a time. */
export const delegationOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary: 'The caller’s own, made and received; all of the organization for its administrator; the newest first.',
    answer: z.object({ delegations: z.array(delegation) }),
    run: async ({ door }) => ({ body: { delegations: await door.delegations.list() } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary: 'Lets another user of the organization give the caller’s votes, for at most a year.',
    body: z.strictObject({
      to: name,
      from: moment.optional(),
      until: moment,
      profile: name.optional(),
      authority: name.optional(),
      reason: text(500).min(1).optional(),
    }),
    status: 201,
    answer: delegation,
    run: async ({ door, body }) => ({ body: await door.delegations.create(defined(body)) }),
  }),
  operation({
    method: 'post',
    path: `${ALL}/{uuid}/end`,
    tag,
    summary: 'Ends a delegation: who made it may, and an administrator. Its votes on what still waits count no more.',
    answer: delegation,
    run: async ({ door, params }) => ({ body: await door.delegations.end(params.uuid) }),
  }),
]
