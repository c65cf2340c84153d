import { aboutOperations } from './about.ts'
import { accountOperations } from './accounts.ts'
import { authorityOperations } from './authorities.ts'
import type { NotaryMetrics } from './metrics.ts'
import type { Operation } from './operation.ts'
import { requestOperations } from './requests.ts'
import { sessionOperations } from './sessions.ts'

/** The contract's table: who may call what, and what it answers. */
export function operations(metrics: NotaryMetrics): Operation[] {
  return [
    ...aboutOperations(metrics),
    ...sessionOperations,
    ...requestOperations,
    ...authorityOperations,
    ...accountOperations,
  ]
}
