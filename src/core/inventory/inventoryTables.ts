import type { Generated } from 'kysely'

export interface InventoryTables {
  inventory_records: InventoryRecordsTable
  certificate_groups: CertificateGroupsTable
  certificate_relations: CertificateRelationsTable
  attribute_definitions: AttributeDefinitionsTable
  locations: LocationsTable
  certificate_locations: CertificateLocationsTable
  profile_validations: ProfileValidationsTable
}

/** What people keep about a certificate, or about the request that it will come of. A row is made when there is something to say. */
interface InventoryRecordsTable {
  /** Of the sign_requests row, and so of the certificate. */
  id: number
  owner_id: number | null
  /** JSON of CustomAttribute[]. */
  attributes: string
  /** JSON of CustomAttribute[]: what programs note. */
  metadata: string
  archived_at: number | null
  /** It is shown nowhere any more; of what was uploaded the certificate itself is gone. */
  deleted_at: number | null
  /** 1: an uploaded CA certificate that chains may end at. */
  trusted_ca: number
  /** Of an uploaded CA certificate: SHA-256 of the DER of its subject, by which issuers are looked for. */
  ca_subject: string | null
  /** ValidationStatus. */
  validation_status: string
  /** JSON of StoredValidation; null: never validated. */
  validation: string | null
  validated_at: number | null
}

/** The group is looked up with each read: a group that is gone leaves rows that nobody sees. */
interface CertificateGroupsTable {
  certificate_id: number
  group_id: number
}

/** Relations that people made; those of renewals stand in sign_requests.renews_id. */
interface CertificateRelationsTable {
  successor_id: number
  predecessor_id: number
  created_at: number
}

interface AttributeDefinitionsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  name: string
  label: string
  description: string | null
  /** AttributeContentType. */
  content_type: string
  required: number
  /** 1: it may have more than one value. */
  list: number
  /** JSON of AttributeConstraints. */
  constraints: string
  /** JSON of AttributeResource[]. */
  resources: Generated<string>
  created_at: number
}

/** Where certificates are put when they are issued. */
interface LocationsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  name: string
  description: string | null
  /** JSON of CustomAttribute[]. */
  attributes: Generated<string>
  /** LocationKind. */
  kind: string
  /** JSON, by kind. */
  settings: string
  /** Of a webhook: what its messages are signed with, sealed as keys are. */
  secret: Buffer | null
  enabled: number
  /** 1: it takes more than one certificate. */
  multiple: number
  created_at: number
  /** When something was put there last. */
  delivered_at: number | null
}

interface CertificateLocationsTable {
  id: Generated<number>
  /** Of the sign_requests row: it may be associated before it is issued. */
  certificate_id: number
  location_id: number
  /** Its name there: of the file, for one. */
  entry: string
  /** The certificate whose place it takes when it is there. */
  replaces_id: number | null
  /** waiting (to be issued), queued, pushed, failed. */
  status: string
  last_error: string | null
  created_at: number
  pushed_at: number | null
  /** JSON of Delivered: what is known of it where it was put last. */
  delivered: string | null
}

/** How the certificates of a profile are validated again and again. */
interface ProfileValidationsTable {
  profile_id: number
  enabled: number
  /** Days. */
  frequency: number
  /** Days before its end in which a certificate is expiring. */
  expiring_threshold: number
  /** Raised with each walk over the certificates, and with each change: jobs of an earlier one end. */
  round: number
  updated_at: number
}
