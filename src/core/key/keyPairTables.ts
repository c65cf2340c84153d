import type { Generated } from 'kysely'

export interface KeyPairTables {
  key_profiles: KeyProfilesTable
  key_pairs: KeyPairsTable
  /** Groups by uuid; one that was deleted since is passed over. */
  key_pair_groups: { key_pair_id: number; group_uuid: string }
}

/** Which keys may be made in an organization's keystore, under a name. */
interface KeyProfilesTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Unique in its organization among those that are not deleted. */
  name: string
  description: string
  /** JSON of KeySpec[]. */
  specs: string
  enabled: number
  created_at: number
  /** The row stays for destroyed keys that were made under it. */
  deleted_at: number | null
}

interface KeyPairsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  key_profile_id: number
  /** Unique in its organization among those that are not destroyed. */
  name: string
  description: string
  /** KeySpec. */
  spec: string
  /** DER SubjectPublicKeyInfo. */
  spki: Buffer
  spki_hash: string
  /** PKCS #8, sealed as keys are; null: destroyed. */
  sealed: Buffer | null
  enabled: number
  /** Null: made for nobody in particular. */
  owner_id: number | null
  created_at: number
  destroyed_at: number | null
}
