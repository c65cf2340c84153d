import { acmeAccountOperations } from './acmeAccounts.ts'
import { acmeProfileOperations } from './acmeProfiles.ts'
import { approvalAssociationOperations } from './approvalAssociations.ts'
import { approvalProfileOperations } from './approvalProfiles.ts'
import { approvalOperations } from './approvals.ts'
import { attributeOperations, availableOperations } from './attributes.ts'
import { authorityOperations } from './authorities.ts'
import { authorityInstanceOperations } from './authorityInstances.ts'
import { blockedKeyOperations } from './blockedKeys.ts'
import { attributeCallback } from './callback.ts'
import { certificateByUuid } from './certificates.ts'
import { cmpProfileOperations } from './cmpProfiles.ts'
import { configurationOperations } from './configuration.ts'
import { customAttributeOperations } from './customAttributes.ts'
import { delegationOperations } from './delegations.ts'
import { discoveryOperations } from './discoveries.ts'
import { endEntityOperations } from './endEntities.ts'
import { enrolmentOperations } from './enrolment.ts'
import { enumOperations } from './enums.ts'
import { groupOperations } from './groups.ts'
import { infoOperations } from './info.ts'
import { inventoryAboutOperations } from './inventoryAbout.ts'
import { inventoryChangeOperations } from './inventoryChange.ts'
import { inventoryContentOperations } from './inventoryContent.ts'
import { inventoryListOperations } from './inventoryList.ts'
import { inventoryUploadOperations } from './inventoryUpload.ts'
import { issueCertificate } from './issue.ts'
import { keyProfileOperations } from './keyProfiles.ts'
import { keyOperations } from './keys.ts'
import { legacyIssue } from './legacyIssue.ts'
import { legacyLookups } from './legacyLookups.ts'
import { legacyRevoke } from './legacyRevoke.ts'
import { limitOperations } from './limits.ts'
import { locationOperations } from './locations.ts'
import type { Operation } from './operation.ts'
import { organizationOperations } from './organizations.ts'
import { cancelPending, finalizeIssue } from './pending.ts'
import { peopleOperations } from './people.ts'
import { platformOperations } from './platform.ts'
import { profileOperations } from './profiles.ts'
import { raProfileListOperations } from './raProfileList.ts'
import { raProfileProtocolOperations } from './raProfileProtocols.ts'
import { raProfileOperations } from './raProfiles.ts'
import { recordOperations } from './records.ts'
import { createCertificate, issueRequested, registerCertificate } from './register.ts'
import { rememberedOperations } from './remembered.ts'
import { rekeyCertificate, renewCertificate } from './renew.ts'
import { renewalWindowOperations } from './renewalWindows.ts'
import { requestSearchOperations } from './requestSearch.ts'
import { requestOperations } from './requests.ts'
import { reviseOperations } from './revise.ts'
import { confirmRevocation, revokeCertificate } from './revoke.ts'
import { roleOperations } from './roles.ts'
import { scepProfileOperations } from './scepProfiles.ts'
import { sessionOperations } from './sessions.ts'
import { simulateOrder } from './simulate.ts'
import { standingApprovalOperations } from './standingApprovals.ts'
import { tokenOperations } from './tokens.ts'
import { userOperations } from './users.ts'
import { webhookOperations } from './webhooks.ts'

/** All that the API does; a new operation is a line here. */
export const operations: readonly Operation[] = [
  ...infoOperations,
  ...platformOperations,
  ...enumOperations,
  ...peopleOperations,
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
  ...inventoryListOperations,
  ...inventoryChangeOperations,
  ...inventoryUploadOperations,
  ...inventoryContentOperations,
  ...inventoryAboutOperations,
  ...locationOperations,
  ...keyProfileOperations,
  ...keyOperations,
  ...customAttributeOperations,
  ...requestOperations,
  simulateOrder,
  ...recordOperations,
  ...sessionOperations,
  ...userOperations,
  ...roleOperations,
  ...tokenOperations,
  ...organizationOperations,
  ...authorityOperations,
  ...enrolmentOperations,
  ...endEntityOperations,
  legacyIssue,
  legacyRevoke,
  ...legacyLookups,
  attributeCallback,
  ...raProfileListOperations,
  ...raProfileOperations,
  ...raProfileProtocolOperations,
  ...authorityInstanceOperations,
  ...acmeAccountOperations,
  ...acmeProfileOperations,
  ...scepProfileOperations,
  ...cmpProfileOperations,
  ...approvalProfileOperations,
  ...approvalAssociationOperations,
  ...approvalOperations,
  ...webhookOperations,
  ...blockedKeyOperations,
  ...configurationOperations,
  ...delegationOperations,
  ...discoveryOperations,
  ...groupOperations,
  ...limitOperations,
  ...profileOperations,
  ...rememberedOperations,
  ...renewalWindowOperations,
  ...requestSearchOperations,
  ...reviseOperations,
  ...standingApprovalOperations,
]
