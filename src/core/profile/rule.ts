import { z } from 'zod'
import { text } from '../text.ts'
import { duration } from './profile.ts'

export const actions = ['issue', 'renew', 'rekey', 'revoke', 'export'] as const
export type Action = (typeof actions)[number]

/** Lengths of time in rules stay text until they are used, so that a rule reads back as it was written. */
const wait = z.string().regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 90d, 12h or 30m')

/** Absent and empty are the same; without a default, so that rules written before there were groups keep their version. */
const groups = z.array(text(100)).max(50).optional()

const circle = {
  users: z.array(text(100)).max(50).default([]),
  roles: z.array(text(100)).max(50).default([]),
  groups,
  owner: z.boolean().default(false),
}

type Named = { users: string[]; roles: string[]; groups?: string[] | undefined; owner: boolean }

const namesSomebody = ({ users, roles, groups = [], owner }: Named): boolean =>
  owner || users.length + roles.length + groups.length > 0

/** Who may vote beside those whom the step names, when it has waited for `after`, and how many are then enough. */
const escalation = z
  .strictObject({ after: wait, ...circle, quorum: z.int().min(1).max(20).optional() })
  .refine(namesSomebody, 'an escalation names users, roles, groups or the owner')

/** Who decides one step: `quorum` different people among those named, and how long they have. */
const approvalStep = z
  .strictObject({
    ...circle,
    quorum: z.int().min(1).max(20).default(1),
    expires: wait.default('7d'),
    /** An alert says that the step waits when it has done so for this long. */
    remind: wait.optional(),
    escalate: escalation.optional(),
  })
  .refine(namesSomebody, 'a step names users, roles, groups or the owner')
  .superRefine(({ expires, remind, escalate }, context) => {
    const inTime = (given: string | undefined, path: string[]) => {
      if (given === undefined || milliseconds(given) < milliseconds(expires)) return
      const message = `after ${given} the step has expired (expires: ${expires}): say a shorter time`
      context.addIssue({ code: 'custom', path, message })
    }
    inTime(remind, ['remind'])
    inTime(escalate?.after, ['escalate', 'after'])
  })

const milliseconds = (given: string): number => duration.safeParse(given).data ?? 0

export type ApprovalStep = z.output<typeof approvalStep>
export type Escalation = z.output<typeof escalation>

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
