import type { Identifier } from '../../pki/identifier.ts'
import type { Name } from '../../pki/name.ts'
import type { Requester } from '../requester.ts'

/** What somebody asks for with a challenge. */
export interface ChallengeAsked {
  /** Of the CSR. */
  subject: Name
  /** Exactly those that `sign` will be handed. */
  identifiers: readonly Identifier[]
  /** The client's own word for its transaction. */
  transactionId: string
  /** Of the CSR's public key, as Csr.publicKey.spkiHash: lower-case hex. */
  spkiHash: string
  /** What else makes another order of the same transaction, as the protocol tells them apart: who signed it, the kind of certificate. */
  order?: string
}

/** What a challenge is good for, as `Door.challenge` found it; it is used by `Door.redeemChallenge`. */
export interface ChallengeGrant {
  /** For `core.as`: of the kind `challenge`, with the people behind it. */
  requester: Requester
  /** For SignDraft.entitled: the challenge was made for these names. */
  entitled: boolean
  /** What redeemChallenge goes by. */
  use: ChallengeUse
  /** A system outside allowed it, which should hear what becomes of it. */
  elsewhere?: true
}

export interface ChallengeUse {
  /** Absent: decided elsewhere, nothing is used up. */
  challengeId?: number
  profileId: number
  /** SHA-256 in hex of the transaction's id and what it asks for: another order under the same id is another use. */
  order: string
  spkiHash: string
  /** This key had used it before it was asked. */
  again: boolean
}

/** The word of a system outside that decides on challenges. */
export interface ElsewhereAnswer {
  allow: boolean
  /** Whom or what it is for, for people to read. */
  identity?: string
  /** For the audit trail; the client never reads it. */
  reason?: string
}

/**
 * Asks a system outside, with the secret of the profile under which the question is signed. What it throws is no refusal:
 * nothing is counted, and the client gets Failure('unavailable').
 */
export type AskElsewhere = (secret: Buffer) => Promise<ElsewhereAnswer>

/** Tells a system outside something, signed with the secret of the profile. */
export type TellElsewhere = (secret: Buffer) => Promise<void>
