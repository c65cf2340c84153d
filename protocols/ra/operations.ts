import { attributeOperations, availableOperations } from './attributes.ts'
import { authorityOperations } from './authorities.ts'
import { certificateByUuid } from './certificates.ts'
import { enrolmentOperations } from './enrolment.ts'
import { infoOperations } from './info.ts'
import { issueCertificate } from './issue.ts'
import type { Operation } from './operation.ts'
import { cancelPending, finalizeIssue } from './pending.ts'
import { recordOperations } from './records.ts'
import { createCertificate, issueRequested, registerCertificate } from './register.ts'
import { rekeyCertificate, renewCertificate } from './renew.ts'
import { requestOperations } from './requests.ts'
import { confirmRevocation, revokeCertificate } from './revoke.ts'

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
  ...recordOperations,
  ...authorityOperations,
  ...enrolmentOperations,
]
