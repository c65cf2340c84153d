/** Empty until the key-encryption key is changed for the first time (src/key/keySecret.ts). */
export interface KeySecretTables {
  key_secrets: {
    /** 16 lower-case hex digits that follow from the secret and do not betray it. */
    key_id: string
    /** next: known, and nothing is sealed under it; current; old: what it sealed is being sealed anew. */
    state: 'next' | 'current' | 'old'
    /** 1: it sealed in the format that names no key. */
    first: number
    created_at: number
  }
  /** For who has the secret of one key: parts of others, sealed. */
  key_secret_wraps: {
    under_id: string
    /** `root`, of which all other secrets derive, or the key_id of another key. */
    part: string
    sealed: Buffer
  }
}
