import type { KeyObject } from 'node:crypto'
import type { Identifier } from '../../pki/identifier.ts'

/** The account of an authority at an upstream CA, as it is used. */
export interface UpstreamAccount {
  /** URL of its directory (RFC 8555 section 7.1.1). */
  directory: string
  /** PEM; absent: the roots of the system. */
  caPem?: string
  key: KeyObject
  /** Account URL; absent before it is registered. */
  url?: string
}

/** The binding to an account that the CA's owner keeps (RFC 8555 section 7.3.4). */
export interface ExternalAccount {
  kid: string
  /** The MAC key itself. */
  secret: Buffer
}

export interface Registration {
  /** mailto: URLs. */
  contact: string[]
  /** That somebody has read and agrees to the terms of the CA. */
  agreeTerms: boolean
  externalAccount?: ExternalAccount
}

/** What a directory says of its CA. */
export interface UpstreamDirectory {
  termsOfService?: string
  externalAccountRequired: boolean
  /** Whether it can be asked to revoke. */
  revokes: boolean
}

/** An order as the CA shows it (RFC 8555 section 7.1.3). */
export interface UpstreamOrder {
  url: string
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  authorizations: string[]
  finalize: string
  certificate?: string
  /** Why it is invalid. */
  error?: string
  /** Seconds. */
  retryAfter?: number
}

/** RFC 8555 section 7.1.4. */
export interface UpstreamAuthorization {
  url: string
  status: string
  name: string
  wildcard: boolean
  challenges: UpstreamChallenge[]
}

export interface UpstreamChallenge {
  type: string
  url: string
  status: string
  /** Absent or no token of RFC 8555: it cannot be answered. */
  token?: string
  error?: string
}

/**
 * A CA that signs for an authority, over RFC 8555. Implemented in src/authorities. Every method throws Failure:
 * `unavailable` for what may pass, with retryAfter where the CA names a time; any other code is its refusal, in its words.
 */
export interface Upstream {
  /** Asks anew. */
  directory(): Promise<UpstreamDirectory>
  /** Answers the account's URL; of a key that has an account, that one's. */
  register(registration: Registration): Promise<string>
  /** Whether the CA knows the account's key. */
  isKnown(): Promise<boolean>
  newOrder(identifiers: readonly Identifier[]): Promise<UpstreamOrder>
  /** Throws notFound for an order that the CA does not know any more. */
  order(url: string): Promise<UpstreamOrder>
  authorization(url: string): Promise<UpstreamAuthorization>
  /** What answers a challenge with this token, RFC 8555 section 8.1. */
  keyAuthorization(token: string): string
  /** Tells the CA that a challenge can be looked at. */
  answerChallenge(url: string): Promise<void>
  /** `csr`: DER. */
  finalize(order: UpstreamOrder, csr: Buffer): Promise<UpstreamOrder>
  /** The certificate and those above it, as DER. */
  download(url: string): Promise<Buffer[]>
  /** Gives up an authorization, and with it the order. */
  deactivate(authorization: string): Promise<void>
  /** `certificate`: DER; `reason`: the number of RFC 5280 section 5.3.1. Throws alreadyRevoked. */
  revoke(certificate: Buffer, reason: number | undefined): Promise<void>
}
