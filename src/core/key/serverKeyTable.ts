import type { Generated } from 'kysely'

/** A private key that the server made for a client. */
export interface ServerKeysTable {
  id: Generated<number>
  uuid: string
  profile_id: number
  organization_id: number
  protocol: string
  /** The adapter's name for whoever asks, and what for. */
  ref: string
  /** Counts the keys that were made under the same ref. */
  number: number
  /** RSA-3072, P-256, Ed25519 …: keyText of serverKeyKind.ts. */
  kind: string
  spki_hash: string
  /** PKCS #8, sealed as keys are; null: forgotten. */
  sealed: Buffer | null
  /** 1: it stays after it was handed over, for who may export it. */
  keep: number
  created_at: number
  /** When it was handed over first. */
  delivered_at: number | null
  /** Until when whoever repeats his request gets it again. */
  repeat_until: number | null
  /** Null: never, or it was. */
  forget_at: number | null
}
