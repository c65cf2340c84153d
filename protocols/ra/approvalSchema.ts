import { z } from 'zod'
import type { DecisionDetail, DecisionRecord } from '../../src/core/approval/decisionRecords.ts'
import { derivedUuid } from './derivedUuid.ts'

const when = z.iso.datetime()

export const approvalStatuses = ['PENDING', 'APPROVED', 'REJECTED', 'EXPIRED'] as const
const status = z.enum(approvalStatuses)
const action = z.enum(['issue', 'renew', 'rekey', 'revoke', 'export'])

/** ApprovalDto. */
export const approvalLine = z.object({
  approvalUuid: z.string(),
  creatorUuid: z.string(),
  creatorUsername: z.string(),
  version: z.int(),
  createdAt: when,
  expiryAt: when,
  closedAt: when.optional(),
  status,
  resource: z.literal('certificates'),
  resourceAction: action,
  objectUuid: z.string(),
  approvalProfileName: z.string(),
  approvalProfileUuid: z.string(),
})

const recipient = z.object({
  approvalRecipientUuid: z.string(),
  userUuid: z.string(),
  username: z.string(),
  createdAt: when,
  closedAt: when.optional(),
  status,
  comment: z.string().optional(),
})

/** ApprovalDetailDto. */
export const approvalDetail = approvalLine.extend({
  /** Hours that each step waits. */
  expiry: z.int(),
  description: z.string(),
  approvalSteps: z.array(
    z.object({
      uuid: z.string(),
      order: z.int(),
      requiredApprovals: z.int(),
      description: z.string(),
      userUuid: z.string().optional(),
      username: z.string().optional(),
      roleUuid: z.string().optional(),
      roleName: z.string().optional(),
      groupUuid: z.string().optional(),
      groupName: z.string().optional(),
      approvalStepRecipients: z.array(recipient),
    }),
  ),
})

const statuses = {
  waiting: 'PENDING',
  approved: 'APPROVED',
  denied: 'REJECTED',
  expired: 'EXPIRED',
  // Nobody has decided, and nobody will.
  canceled: 'EXPIRED',
} as const satisfies Record<DecisionRecord['status'], (typeof approvalStatuses)[number]>

export function approvalView(record: DecisionRecord): z.output<typeof approvalLine> {
  const { uuid, action, creator, status, rule, plan, createdAt, expiresAt, closedAt, profile } = record
  return {
    approvalUuid: uuid,
    creatorUuid: creator.uuid ?? derivedUuid(`requester ${creator.key}`),
    creatorUsername: creator.name,
    version: plan?.version ?? 1,
    createdAt: createdAt.toISOString(),
    expiryAt: (expiresAt ?? closedAt ?? createdAt).toISOString(),
    ...(closedAt ? { closedAt: closedAt.toISOString() } : {}),
    status: statuses[status],
    resource: 'certificates',
    resourceAction: action,
    objectUuid: record.object,
    approvalProfileName: plan?.name ?? rule,
    approvalProfileUuid: plan?.uuid ?? derivedUuid(`rule ${profile?.uuid ?? ''} ${rule}`),
  }
}

type Step = DecisionDetail['steps'][number]

export function approvalDetailView(detail: DecisionDetail): z.output<typeof approvalDetail> {
  const { steps, step: present } = detail
  return {
    ...approvalView(detail),
    expiry: steps[present]?.hours ?? 0,
    description: steps[present]?.text ?? '',
    approvalSteps: steps.map((step, index) => ({
      uuid: derivedUuid(`${detail.uuid} ${index}`),
      order: index + 1,
      requiredApprovals: step.quorum,
      description: step.text,
      ...namedBy(step),
      approvalStepRecipients: recipientsOf(detail, index),
    })),
  }
}

/** The one whom a step names; the contract has no words for several, for whom `description` stands. */
function namedBy({ users, roles, groups }: Step) {
  if (users.length + roles.length + groups.length !== 1) return {}
  const [[user], [role], [group]] = [users, roles, groups]
  if (user) return { userUuid: user.uuid, username: user.name }
  if (role) return { roleUuid: role.uuid, roleName: role.name }
  return group ? { groupUuid: group.uuid, groupName: group.name } : {}
}

/** Who has voted on a step, and on the present one all who still may. */
function recipientsOf(detail: DecisionDetail, index: number): z.output<typeof recipient>[] {
  const createdAt = detail.createdAt.toISOString()
  const named = ({ uuid, name }: { uuid: string; name: string }) => ({
    approvalRecipientUuid: derivedUuid(`${detail.uuid} ${index} ${uuid}`),
    userUuid: uuid,
    username: name,
    createdAt,
  })
  const voted = detail.votes
    .filter(({ step }) => step === index)
    .map(({ user, verdict, override, reason, at }) => ({
      ...named(user),
      closedAt: at.toISOString(),
      status: verdict === 'approve' ? ('APPROVED' as const) : ('REJECTED' as const),
      ...(override || reason !== undefined
        ? { comment: `${override ? 'Approval flow overridden. ' : ''}${reason ?? ''}`.trim() }
        : {}),
    }))
  const open = index === detail.step ? detail.able.map((user) => ({ ...named(user), status: 'PENDING' as const })) : []
  return [...voted, ...open]
}
