/** How far a change of the key-encryption key is. */
export interface KeyRotationState {
  /** The key under which is sealed now: 16 lower-case hex digits. */
  current: string
  /** Where this process has it from. */
  source: 'file' | 'environment'
  /** Known, and used once every node knows it. */
  next?: string
  /** Milliseconds until then. */
  wait?: number
  /** What it sealed is sealed anew. */
  old?: string
  /** Whether the secret outside, as this process finds it now, is the old one still. */
  outdated: boolean
}

/** Changing the key-encryption key, whose secret is outside of the database (src/key/keySecret.ts). Each step may be done again after whatever cut it off. */
export interface KeyRotation {
  state(): Promise<KeyRotationState>
  /**
   * Makes another key known. `secret`: as in COUNTERSIGN_KEY_SECRET, where that holds the key; else a new file is made. Does nothing while a change
   * is under way. Throws Failure('malformed' | 'conflict').
   */
  begin(secret?: string): Promise<KeyRotationState>
  /** Seals under the next key from now on. Throws Failure('conflict') before every node can know it. */
  activate(): Promise<KeyRotationState>
  /** Forgets the old key. For when nothing is sealed under it any more. Throws Failure('conflict') where the secret outside is still the old one. */
  finish(): Promise<KeyRotationState>
}
