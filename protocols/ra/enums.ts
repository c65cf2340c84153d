import { z } from 'zod'
import { approvalStatuses } from './approvalSchema.ts'
import { contentTypes } from './attribute.ts'
import { complianceStatus, validationStatus } from './certificateSchema.ts'
import { certificateEvents } from './inventoryHistory.ts'
import { keyStates, keyTypes } from './keySchema.ts'
import { operation } from './operation.ts'
import { certificateStates } from './state.ts'

const item = z.object({ code: z.string(), label: z.string(), description: z.string().optional() })

/** `pending_approval` and `keyCompromise` as people read them: Pending approval, Key compromise. */
function labelOf(code: string): string {
  const words = code
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .trim()
  const text = /^[A-Z0-9 .]+$/.test(code) ? words : words.toLowerCase()
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** The enumerations of the contract, by the names that its clients ask for. */
const enumerations: Record<string, readonly string[]> = {
  CertificateState: certificateStates,
  CertificateValidationStatus: validationStatus.options,
  CertificateRevocationReason: [
    'unspecified',
    'keyCompromise',
    'cACompromise',
    'affiliationChanged',
    'superseded',
    'cessationOfOperation',
    'certificateHold',
    'privilegeWithdrawn',
    'aACompromise',
  ],
  CertificateRequestFormat: ['pkcs10', 'crmf'],
  CertificateType: ['X.509', 'SSH'],
  CertificateFormat: ['raw', 'pkcs7'],
  CertificateFormatEncoding: ['pem', 'der'],
  CertificateSubjectType: ['endEntity', 'selfSignedEndEntity', 'intermediateCa', 'rootCa'],
  CertificateKeyUsage: [
    'digitalSignature',
    'nonRepudiation',
    'keyEncipherment',
    'dataEncipherment',
    'keyAgreement',
    'keyCertSign',
    'cRLSign',
    'encipherOnly',
    'decipherOnly',
  ],
  ComplianceStatus: complianceStatus.options,
  ComplianceRuleStatus: ['ok', 'nok', 'na', 'not_available'],
  CertificateProtocol: ['acme', 'scep', 'cmp'],
  CertificateRelationType: ['renewal', 'rekey', 'replacement', 'pending'],
  CertificateRegistrationState: ['active', 'expired', 'locked', 'closed'],
  QcType: ['esign', 'eseal', 'web'],
  CertificateValidationCheck: [
    'certificate_chain',
    'signature',
    'certificate_validity',
    'ocsp_verification',
    'crl_verification',
    'basic_constraints',
    'key_usage',
  ],
  CertificateEvent: certificateEvents,
  CertificateEventStatus: ['SUCCESS', 'FAILED'],
  ApprovalStatus: approvalStatuses,
  AttributeType: ['data', 'group', 'info', 'meta', 'custom'],
  AttributeVersion: ['v2', 'v3'],
  ProtectionLevel: ['none', 'encrypted'],
  AttributeConstraintType: ['regExp', 'range', 'dateTime'],
  AttributeValueTarget: ['pathVariable', 'requestParameter', 'body', 'filter'],
  AttributeContentType: contentTypes,
  EndEntityStatus: [
    'NEW',
    'FAILED',
    'INITIALIZED',
    'IN_PROCESS',
    'GENERATED',
    'REVOKED',
    'HISTORICAL',
    'KEY_RECOVERY',
    'WAITING_FOR_ADD_APPROVAL',
  ],
  AcmeAccountStatus: ['valid', 'deactivated', 'revoked'],
  Resource: [
    'certificates',
    'raProfiles',
    'authorities',
    'approvals',
    'approvalProfiles',
    'acmeProfiles',
    'acmeAccounts',
    'scepProfiles',
    'cmpProfiles',
    'groups',
    'users',
    'roles',
  ],
  ResourceAction: [
    'list',
    'detail',
    'create',
    'update',
    'delete',
    'enable',
    'activate',
    'approve',
    'issue',
    'renew',
    'rekey',
    'revoke',
    'export',
    'archive',
    'checkCompliance',
    'members',
  ],
  KeyState: [...keyStates],
  KeyType: [...keyTypes],
  FilterConditionOperator: [
    'EQUALS',
    'NOT_EQUALS',
    'GREATER',
    'GREATER_OR_EQUAL',
    'LESSER',
    'LESSER_OR_EQUAL',
    'CONTAINS',
    'NOT_CONTAINS',
    'STARTS_WITH',
    'ENDS_WITH',
    'EMPTY',
    'NOT_EMPTY',
    'IN_NEXT',
    'IN_PAST',
    'MATCHES',
    'NOT_MATCHES',
  ],
}

const answer = Object.fromEntries(
  Object.entries(enumerations).map(([name, codes]) => [
    name,
    Object.fromEntries(codes.map((code) => [code, { code, label: labelOf(code) }])),
  ]),
)

/** What codes there are, and how people read them. */
export const enumOperations = [
  operation({
    method: 'get',
    path: '/v1/enums',
    tag: 'About',
    summary: 'All enumerations by name, each with its codes and their labels.',
    answer: z.record(z.string(), z.record(z.string(), item)),
    run: async () => ({ body: answer }),
  }),
]
