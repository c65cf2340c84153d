import { z } from 'zod'
import { maybeWhen, moment, name, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { text } from './text.ts'

const tag = 'Standing approvals'
const ALL = '/v1/countersign/standingApprovals'

const patterns = (longest: number) => z.array(text(longest).min(1)).max(50)

const standing = z.object({
  uuid: z.string(),
  profile: z.string(),
  action: z.string(),
  rule: z.string(),
  requester: z.string().nullable(),
  requesterUser: z.string().nullable(),
  names: z.looseObject({}),
  days: z.int().nullable(),
  uses: z.int(),
  usesLeft: z.int(),
  until: when,
  reason: z.string(),
  approvers: z.array(z.object({ user: z.string(), step: z.int() })),
  /** How many approvers each step of the rule still lacks. */
  lacking: z.array(z.int()),
  state: z.enum(['open', 'waits', 'used', 'over', 'ended', 'outdated']),
  createdAt: when,
  endedAt: maybeWhen,
})

const draft = z.strictObject({
  profile: name,
  action: z.enum(['issue', 'renew', 'rekey']),
  rule: text(100).optional(),
  names: z.strictObject({
    dns: patterns(300).optional(),
    wildcards: z.boolean().optional(),
    ip: patterns(60).optional(),
    email: patterns(300).optional(),
    uri: patterns(300).optional(),
  }),
  uses: z.int().min(1).max(10_000),
  until: moment,
  days: z.int().min(1).max(100_000).optional(),
  /** `kind:ref` of the only one whose orders it is for. */
  requester: text(300).optional(),
  requesterUser: name.optional(),
  reason: text(2000).min(1),
})

/** Approvals given before the orders: so many certificates with such names, until then. */
export const standingApprovalOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag,
    summary:
      'Those of the profiles that the caller may read, approve or manage, and those that he gave; the newest first.',
    answer: z.object({ standingApprovals: z.array(standing) }),
    run: async ({ door }) => ({ body: { standingApprovals: await door.standingApprovals.list() } }),
  }),
  operation({
    method: 'post',
    path: ALL,
    tag,
    summary:
      'Approves orders that will come. Only somebody whom a step of the rule names may; he is the first of its approvers.',
    body: draft,
    status: 201,
    answer: standing,
    async run({ door, body }) {
      const { names, ...rest } = body
      return { body: await door.standingApprovals.create({ ...defined(rest), names: defined(names) }) }
    },
  }),
  operation({
    method: 'post',
    path: `${ALL}/{uuid}/confirm`,
    tag,
    summary: 'Seconds it, for a step of the rule that still lacks an approver.',
    answer: standing,
    run: async ({ door, params }) => ({ body: await door.standingApprovals.confirm(params.uuid) }),
  }),
  operation({
    method: 'post',
    path: `${ALL}/{uuid}/end`,
    tag,
    summary: 'Ends it: one of its approvers may, and who manages the profile. What has passed stays.',
    answer: standing,
    run: async ({ door, params }) => ({ body: await door.standingApprovals.end(params.uuid) }),
  }),
]
