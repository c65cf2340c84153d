/** What lists of certificates are searched by: the contract's words for the core's fields. */

export interface SearchField {
  label: string
  type: 'string' | 'list' | 'datetime'
  /** Of the core. */
  field: string
  /** Only what was issued has it. */
  issued: boolean
}

const both = (label: string, field: string, type: SearchField['type'] = 'string'): SearchField => ({
  label,
  type,
  field,
  issued: false,
})
const issued = (label: string, field: string, type: SearchField['type'] = 'string'): SearchField => ({
  ...both(label, field, type),
  issued: true,
})

export const STATE = 'CERTIFICATE_STATE'

/** AUTHORITY_NAME, KEY_ALGORITHM, SOURCE, REQUESTER, CREATED, REVOKED and REVOCATION_REASON are ours beside the contract. */
export const searchFields: ReadonlyMap<string, SearchField> = new Map(
  Object.entries({
    COMMON_NAME: both('Common Name', 'commonName'),
    SUBJECTDN: both('Subject DN', 'subject'),
    SUBJECT_ALTERNATIVE_NAMES: both('Subject alternative names', 'names'),
    RA_PROFILE_NAME: both('RA Profile', 'profile'),
    CERTIFICATE_PROTOCOL: both('Certificate protocol', 'protocol'),
    [STATE]: both('State', 'status', 'list'),
    AUTHORITY_NAME: both('Authority', 'issuer'),
    REQUESTER: both('Requester', 'requester'),
    CREATED: both('Ordered at', 'createdAt', 'datetime'),
    SERIAL_NUMBER: issued('Serial number', 'serial'),
    FINGERPRINT: issued('Fingerprint', 'fingerprint'),
    NOT_BEFORE: issued('Valid from', 'notBefore', 'datetime'),
    NOT_AFTER: issued('Expires at', 'notAfter', 'datetime'),
    KEY_ALGORITHM: issued('Key algorithm', 'keyAlgorithm'),
    SOURCE: issued('Source', 'source'),
    REVOKED: issued('Revoked at', 'revokedAt', 'datetime'),
    REVOCATION_REASON: issued('Revocation reason', 'reason'),
  }),
)

/** Statuses of the core by the contract's states; of orders, and of what was issued. */
export const orderStates: Readonly<Record<string, readonly string[]>> = {
  requested: ['draft'],
  pending_approval: ['requested'],
  pending_issue: ['signing'],
  rejected: ['denied', 'expired'],
  failed: ['canceled', 'failed'],
}
export const issuedStates: Readonly<Record<string, readonly string[]>> = {
  issued: ['issued'],
  revoked: ['revoked', 'hold'],
}

const text = [
  'EQUALS',
  'NOT_EQUALS',
  'CONTAINS',
  'NOT_CONTAINS',
  'STARTS_WITH',
  'ENDS_WITH',
  'EMPTY',
  'NOT_EMPTY',
  'MATCHES',
  'NOT_MATCHES',
] as const
const time = [
  'EQUALS',
  'NOT_EQUALS',
  'GREATER',
  'GREATER_OR_EQUAL',
  'LESSER',
  'LESSER_OR_EQUAL',
  'EMPTY',
  'NOT_EMPTY',
  'IN_NEXT',
  'IN_PAST',
] as const
const list = ['EQUALS', 'NOT_EQUALS'] as const

/** The conditions that a field of a type takes. */
export const conditionsOf = { string: text, list, datetime: time } as const satisfies Record<
  SearchField['type'],
  readonly string[]
>
