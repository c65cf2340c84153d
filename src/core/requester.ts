import type { TokenScope } from './identity/tokenScope.ts'

/** Who asks, as the adapter that authenticated him states it. The core authorises. */
export type RequesterKind =
  | 'acme-account'
  | 'client-certificate'
  | 'challenge'
  | 'credential'
  | 'token'
  | 'user'
  | 'key-holder'
  | 'system'

export interface Requester {
  kind: RequesterKind
  /** Stable within its kind: an account's uuid, a certificate's fingerprint, a user's uuid, the hash of a key. */
  ref: string
  /** For people to read. */
  name: string
  /**
   * Ids of the users behind this requester: whoever holds the token or session, made the credential, or owns the
   * account. None of them votes on what it asks for.
   */
  people: number[]
  /** Id of the credential that it enrolled with. */
  credential?: number
  /** The address that the order came from, as the listener saw it or as a configured proxy stated it. */
  source?: string
  /** Of a token that is limited. */
  scope?: TokenScope
  /**
   * Ids of RA profiles whose certificates his contract shows to every member of their organization. It widens reading alone, of his own organization, and
   * nothing that a limited token may.
   */
  memberProfiles?: readonly number[]
}

/** One text for a requester, the same for the same party: what remembered approvals and look-ups go by. */
export function requesterKey(requester: Pick<Requester, 'kind' | 'ref'>): string {
  return `${requester.kind}:${requester.ref}`
}

/** Its scope, if it has one. */
export function scopeOf({ scope }: Requester): { scope?: TokenScope } {
  return scope ? { scope } : {}
}

/** The installation acting for itself: its TLS certificate, responders, first authorities, jobs. */
export function system(part: string): Requester {
  return { kind: 'system', ref: part, name: `countersign ${part}`, people: [] }
}
