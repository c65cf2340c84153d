import { duration } from './profile.ts'
import type { ApprovalStep } from './rule.ts'

/** What a step of a decision has done while it waited. Epoch milliseconds. */
export interface Attended {
  /** Index of the step. */
  step: number
  reminded?: number
  escalated?: number
}

/** The steps as they stand: one that was escalated names those of its escalation too, and asks for its quorum. */
export function stepsNow(steps: readonly ApprovalStep[], attended: readonly Attended[]): ApprovalStep[] {
  return steps.map((step, index) => {
    const { escalate } = step
    if (!escalate || attended.find((done) => done.step === index)?.escalated === undefined) return step
    return {
      ...step,
      users: [...step.users, ...escalate.users],
      roles: [...step.roles, ...escalate.roles],
      groups: [...(step.groups ?? []), ...(escalate.groups ?? [])],
      owner: step.owner || escalate.owner,
      quorum: escalate.quorum ?? step.quorum,
    }
  })
}

/** When a step that began then reminds, and when it escalates; undefined: never, or done. */
export function dueOf(
  step: ApprovalStep,
  begins: Date,
  done: Attended | undefined,
): { remind: number | undefined; escalate: number | undefined } {
  const after = (wait: string | undefined, earlier: number | undefined) =>
    wait === undefined || earlier !== undefined ? undefined : begins.getTime() + duration.parse(wait)
  return { remind: after(step.remind, done?.reminded), escalate: after(step.escalate?.after, done?.escalated) }
}

/** When somebody has to look at a step that began then, for decisions.attend_at. */
export function attendAt(step: ApprovalStep, begins: Date, done?: Attended): number | null {
  const { remind, escalate } = dueOf(step, begins, done)
  const next = Math.min(remind ?? Number.POSITIVE_INFINITY, escalate ?? Number.POSITIVE_INFINITY)
  return Number.isFinite(next) ? next : null
}

/** Those whom a step names, in words. */
export function stepText({
  users,
  roles,
  groups = [],
  owner,
}: Pick<ApprovalStep, 'users' | 'roles' | 'groups' | 'owner'>): string {
  const named = [
    ...users,
    ...roles.map((role) => `role ${role}`),
    ...groups.map((group) => `group ${group}`),
    ...(owner ? ['the authority’s owner'] : []),
  ]
  return named.join(', ')
}
