import { z } from 'zod'
import { text } from './text.ts'

export const actions = ['issue', 'renew', 'rekey', 'revoke', 'export'] as const
export type Action = (typeof actions)[number]

/** Lengths of time in rules stay text until they are used, so that a rule reads back as it was written. */
const wait = z.string().regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 90d, 12h or 30m')

/** Who decides one step: `quorum` different people among those named, and how long they have. */
const approvalStep = z
  .strictObject({
    users: z.array(text(100)).max(50).default([]),
    roles: z.array(text(100)).max(50).default([]),
    owner: z.boolean().default(false),
    quorum: z.int().min(1).max(20).default(1),
    expires: wait.default('7d'),
  })
  .refine((step) => step.owner || step.users.length + step.roles.length > 0, 'a step names users, roles or the owner')

export type ApprovalStep = z.output<typeof approvalStep>

const condition = { name: text(100), when: z.string().min(1).max(4000).default('true') }

/** `when` is a CEL expression (condition.ts lists what it sees). Exactly one outcome a rule. */
export const approvalRule = z.union([
  z.strictObject({ ...condition, auto: z.literal(true) }),
  z.strictObject({ ...condition, deny: text(500) }),
  z.strictObject({ ...condition, warn: text(500) }),
  z.strictObject({
    ...condition,
    require: z.array(approvalStep).min(1).max(10),
    /** The longest for which an approver may have the approval remembered; absent: not at all. */
    remember: wait.optional(),
  }),
])

export type ApprovalRule = z.output<typeof approvalRule>

export const approvalRules = z.strictObject({
  issue: z.array(approvalRule).max(100).default([]),
  renew: z.array(approvalRule).max(100).default([]),
  rekey: z.array(approvalRule).max(100).default([]),
  revoke: z.array(approvalRule).max(100).default([]),
  export: z.array(approvalRule).max(100).default([]),
})

export type ApprovalRules = z.output<typeof approvalRules>
