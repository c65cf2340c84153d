import { attributeOperations, availableOperations } from './attributes.ts'
import { authorityOperations } from './authorities.ts'
import { certificateByUuid } from './certificates.ts'
import { endEntityOperations } from './endEntities.ts'
import { enrolmentOperations } from './enrolment.ts'
import { infoOperations } from './info.ts'
import { issueCertificate } from './issue.ts'
import { legacyIssue } from './legacyIssue.ts'
import { legacyLookups } from './legacyLookups.ts'
import { legacyRevoke } from './legacyRevoke.ts'
import type { Operation } from './operation.ts'
import { cancelPending, finalizeIssue } from './pending.ts'
import { recordOperations } from './records.ts'
import { createCertificate, issueRequested, registerCertificate } from './register.ts'
import { rekeyCertificate, renewCertificate } from './renew.ts'
import { requestOperations } from './requests.ts'
import { confirmRevocation, revokeCertificate } from './revoke.ts'
import { simulateOrder } from './simulate.ts'

/** All that the API does; a new operation is a line here. */
export const operations: readonly Operation[] = [
  ...infoOperations,
  ...attributeOperations,
  availableOperations,
  issueCertificate,
  registerCertificate,
  createCertificate,
  issueRequested,
  finalizeIssue,
  renewCertificate,
  rekeyCertificate,
  cancelPending,
  revokeCertificate,
  confirmRevocation,
  certificateByUuid,
  ...requestOperations,
  simulateOrder,
  ...recordOperations,
  ...authorityOperations,
  ...enrolmentOperations,
  ...endEntityOperations,
  legacyIssue,
  legacyRevoke,
  ...legacyLookups,
]
