import { z } from 'zod'
import type { ApprovalPlan } from '../../src/core/approval/approvalPlans.ts'
import type { DraftStep, PlanStep } from '../../src/core/profile/approvalPlanVersion.ts'
import { derivedUuid } from './derivedUuid.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { pageFields, pageOf, pageQuery } from './page.ts'
import { text } from './text.ts'

const TAG = 'Approval profiles'
const ALL = '/v1/approvalProfiles'
const ONE = `${ALL}/{uuid}` as const

/** ApprovalProfileDto. */
export const approvalProfile = z.object({
  uuid: z.string(),
  name: z.string(),
  version: z.int(),
  description: z.string(),
  enabled: z.boolean(),
  /** Hours that each step waits. */
  expiry: z.int().optional(),
  numberOfSteps: z.int(),
  /** With how many RA profiles it is associated. */
  associations: z.int(),
})

const approvalProfileDetail = approvalProfile.extend({
  approvalSteps: z.array(
    z.object({
      uuid: z.string(),
      order: z.int(),
      description: z.string(),
      requiredApprovals: z.int(),
      userUuid: z.string().optional(),
      username: z.string().optional(),
      roleUuid: z.string().optional(),
      roleName: z.string().optional(),
      groupUuid: z.string().optional(),
      groupName: z.string().optional(),
    }),
  ),
})

const step = z.object({
  userUuid: text(200).nullish(),
  roleUuid: text(200).nullish(),
  groupUuid: text(200).nullish(),
  description: text(500).nullish(),
  order: z.int().min(0).max(1000),
  requiredApprovals: z.int(),
})

const edited = {
  description: text(500).nullish(),
  /** Hours. */
  expiry: z.int().nullish(),
  approvalSteps: z.array(step).max(100),
}

const uuid = z.object({ uuid: z.string() })

export function approvalProfileView(plan: ApprovalPlan): z.output<typeof approvalProfile> {
  const { uuid, name, version, description, enabled, hours, steps, profiles } = plan
  return {
    uuid,
    name,
    version,
    description,
    enabled,
    ...(hours === undefined ? {} : { expiry: hours }),
    numberOfSteps: steps.length,
    associations: profiles,
  }
}

function detailView(plan: ApprovalPlan): z.output<typeof approvalProfileDetail> {
  return {
    ...approvalProfileView(plan),
    approvalSteps: plan.steps.map((step, index) => ({
      uuid: derivedUuid(`${plan.uuid} ${plan.version} ${index}`),
      order: index + 1,
      description: step.description,
      requiredApprovals: step.quorum,
      ...whoView(step),
    })),
  }
}

function whoView({ who: { kind, uuid, name } }: PlanStep) {
  if (kind === 'user') return { userUuid: uuid, username: name }
  return kind === 'role' ? { roleUuid: uuid, roleName: name } : { groupUuid: uuid, groupName: name }
}

/** Steps in their order, each with the one whom it names. Throws Unprocessable in the contract's words. */
function stepsFrom(
  given: readonly z.output<typeof step>[],
  expiry: number | null | undefined,
): { steps: DraftStep[]; hours?: number } {
  const problems: string[] = []
  const add = (is: boolean, sentence: string) => {
    if (is && !problems.includes(sentence)) problems.push(sentence)
  }
  add(given.length === 0, 'Unable to process approval profile without approval steps.')
  add(given.length > 10, 'An approval profile has at most 10 approval steps.')
  add(new Set(given.map(({ order }) => order)).size < given.length, 'Approval steps must differ in their order.')
  add(expiry != null && expiry <= 0, 'Expiry value (if set) should be greater than 0')
  add(expiry != null && expiry > 87_600, 'Expiry value (if set) should be at most 87600 hours')
  for (const { requiredApprovals, ...who } of given) {
    const named = [who.userUuid, who.roleUuid, who.groupUuid].filter((one) => one != null).length
    add(requiredApprovals <= 0, 'Required approvals value should be greater than 0')
    add(requiredApprovals > 20, 'Required approvals value should be at most 20')
    add(named > 1, 'There is forbidden to have more than one assigned user/role/group.')
    add(named === 0, 'There is required to have assigned one of user/role/group.')
    add(who.userUuid != null && requiredApprovals > 1, 'One user gives one approval: required approvals must be 1.')
  }
  if (problems.length > 0) throw new Unprocessable(problems)
  const steps = [...given]
    .sort((a, b) => a.order - b.order)
    .map(({ userUuid, roleUuid, groupUuid, description, requiredApprovals }): DraftStep => {
      const [kind, uuid] =
        userUuid != null
          ? (['user', userUuid] as const)
          : roleUuid != null
            ? (['role', roleUuid] as const)
            : (['group', groupUuid ?? ''] as const)
      return { who: { kind, uuid }, description: description ?? '', quorum: requiredApprovals }
    })
  return { steps, ...(expiry == null ? {} : { hours: expiry }) }
}

/** Named, versioned lists of approval steps, which RA profiles go by where none of their own rules decides. */
export const approvalProfileOperations = [
  operation({
    method: 'get',
    path: ALL,
    tag: TAG,
    summary: 'Lists approval profiles, by name.',
    query: pageQuery,
    answer: z.object({ approvalProfiles: z.array(approvalProfile), ...pageFields }),
    async run({ door, query }) {
      const all = await door.approvalPlans.list()
      const first = (query.pageNumber - 1) * query.itemsPerPage
      const page = all.slice(first, first + query.itemsPerPage)
      return { body: { approvalProfiles: page.map(approvalProfileView), ...pageOf(query, all.length) } }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    tag: TAG,
    summary: 'Makes an approval profile.',
    body: z.object({ name: text(80).min(1), enabled: z.boolean().default(true), ...edited }),
    status: 201,
    answer: uuid,
    async run({ door, host, body }) {
      const { name, enabled, description, expiry, approvalSteps } = body
      const draft = { name, enabled, description: description ?? '', ...stepsFrom(approvalSteps, expiry) }
      const { uuid } = await door.approvalPlans.create(draft)
      return { body: { uuid }, headers: { Location: `${host.baseUrl}/api${ALL}/${uuid}` } }
    },
  }),
  operation({
    method: 'get',
    path: ONE,
    tag: TAG,
    summary: 'Shows an approval profile, in its latest version or the one that is asked for.',
    query: z.object({ version: z.coerce.number().int().min(1).optional() }),
    answer: approvalProfileDetail,
    run: async ({ door, params, query }) => ({
      body: detailView(await door.approvalPlans.find(params.uuid, query.version)),
    }),
  }),
  operation({
    method: 'put',
    path: ONE,
    tag: TAG,
    summary: 'Changes an approval profile: a new version once somebody was asked by the latest one, else in its place.',
    body: z.object({ enabled: z.boolean().nullish(), ...edited }),
    status: 201,
    answer: uuid,
    conflict: 422,
    async run({ door, params, body }) {
      const { enabled, description, expiry, approvalSteps } = body
      const { uuid } = await door.approvalPlans.change(params.uuid, {
        description: description ?? '',
        ...stepsFrom(approvalSteps, expiry),
        ...(enabled == null ? {} : { enabled }),
      })
      return { body: { uuid } }
    },
  }),
  operation({
    method: 'delete',
    path: ONE,
    tag: TAG,
    summary: 'Deletes an approval profile by which nobody was ever asked, and which no RA profile has.',
    status: 204,
    conflict: 422,
    async run({ door, params }) {
      await door.approvalPlans.remove(params.uuid)
      return undefined
    },
  }),
  ...(['enable', 'disable'] as const).map((verb) =>
    operation({
      method: 'patch',
      path: `${ONE}/${verb}` as const,
      tag: TAG,
      summary: `${verb === 'enable' ? 'Enables' : 'Disables'} an approval profile: a disabled one can be put on no RA profile.`,
      status: 204,
      conflict: 422,
      async run({ door, params }) {
        await door.approvalPlans.enable(params.uuid, verb === 'enable')
        return undefined
      },
    }),
  ),
]
