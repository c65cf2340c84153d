import { auditOperations } from './auditLogs.ts'
import { authOperations } from './auth.ts'
import { authorityOperations } from './cas.ts'
import { certificateOperations } from './certificates.ts'
import { exportOperations } from './export.ts'
import type { Operation } from './operation.ts'
import { organizationOperations } from './organizations.ts'
import { userOperations } from './users.ts'

/** The contract, below /fastpki/api/v1; a new operation is a line here. */
export const operations: readonly Operation[] = [
  ...authOperations,
  ...userOperations,
  ...organizationOperations,
  ...authorityOperations,
  ...certificateOperations,
  ...exportOperations,
  ...auditOperations,
]
