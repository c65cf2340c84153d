import type { VoteInput } from '../../src/core/approval/approval.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import type { SignStatus } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import type { World } from './world.ts'

export type Driven = Exclude<SignStatus, 'draft'>

/** What people say when they end a request: it reaches the client. */
export const reasons: Partial<Record<SignStatus, string>> = {
  denied: 'this name belongs to another team',
  canceled: 'ordered by mistake',
  failed: 'the authority is being moved',
}

/** How a waiting request gets into a status, by what people and time do. `vote` votes on the newest. */
export function statusDrive(
  world: World,
  vote: (input?: Partial<VoteInput>) => Promise<unknown>,
): Record<Driven, (id: number) => Promise<unknown>> {
  const door = () => world.core.as(system('test'))
  return {
    requested: async () => {},
    // The authority is switched off meanwhile, so that what is approved cannot be signed.
    async signing() {
      await door().admin.changeAuthority('issuing', { enabled: false })
      await vote().finally(() => door().admin.changeAuthority('issuing', { enabled: true }))
    },
    signed: () => vote(),
    denied: () => vote({ verdict: 'deny', reason: reasons.denied ?? '' }),
    expired: () => expireWaiting(world.it.db, new Date(world.time.now.getTime() + 8 * 86_400_000)),
    canceled: (id) => door().approvals.cancel('sign', id, reasons.canceled),
    failed: (id) => door().approvals.markFailed('sign', id, reasons.failed ?? ''),
  }
}
