import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import type { Name } from '../../pki/name.ts'
import type { NameConstraints } from '../../pki/nameConstraints.ts'
import type { KeptWithOrder } from '../inventory/inventoryOrdered.ts'
import type { CertificateType, RaProfile } from '../profile/profile.ts'
import type { Action } from '../profile/rule.ts'
import type { Requester } from '../requester.ts'

export const signStatuses = [
  'draft',
  'requested',
  'signing',
  'signed',
  'denied',
  'expired',
  'canceled',
  'failed',
] as const
export type SignStatus = (typeof signStatuses)[number]

export const revokeStatuses = ['requested', 'revoking', 'revoked', 'denied', 'expired', 'canceled', 'failed'] as const
export type RevokeStatus = (typeof revokeStatuses)[number]

/**
 * Which wire record an order belongs to. At most one open request per protocol and ref; a repeat gets that one back
 * while it is open and for the profile's repeatWindow after it ended. The ref's form is the adapter's.
 */
export interface Origin {
  protocol: string
  ref: string
}

/** An order as an adapter hands it in. */
export interface SignDraft {
  profile: RaProfile
  protocol: string
  action: Action
  /** Absent: no repeat is recognised. */
  origin?: Origin
  /** The origin is good for one request for ever: no repeatWindow, no new generation. */
  once?: boolean
  /** Parsed, and possession of its key proved. Absent only in a draft that is parked. */
  csr?: Csr
  /** Exactly the names to certify; absent: those of the CSR. */
  identifiers?: readonly Identifier[]
  /** Those of the names whose control the adapter has proved. */
  validated?: readonly Identifier[]
  /** Bound to the names asked: a one-time challenge, credential or grant that an administrator made for them. */
  entitled?: boolean
  notBefore?: Date
  notAfter?: Date
  subject?: Name
  /** What the template of the profile takes for the CSR's subject: other names that the message asks for beside it (RFC 6402 section 2.8). */
  requestedSubject?: Name
  /** For a CA certificate, narrower than the profile's. */
  pathLength?: number
  nameConstraints?: NameConstraints
  /**
   * Which certificate of the authority signs: its prepared next one, or, for what is the installation's own, any. Absent:
   * the one that is active when it is signed.
   */
  issuer?: number
  /** Id of the certificate that this one renews: its key authenticated the order, or whoever ordered it did. */
  renews?: number
  /**
   * Nothing ties whoever orders to the certificate that is renewed: neither its key nor that he ordered it. For rules it then
   * has not the same names, so that nobody takes over another's names unasked.
   */
  unproved?: boolean
  /** Its certificate takes the places of the one that it renews, in all its locations. */
  replaceInLocations?: boolean
  /** What whoever orders says about the certificate for the inventory; what is absent is as of the one that it renews. */
  kept?: KeptWithOrder
  /** What becomes of an order that a hard policy refuses: thrown back (the client's record lives on) or stored as denied. */
  refusal: 'throw' | 'store'
  /**
   * Its names and subject may be changed while it waits (Door.revise). Absent: they are what the client's own message says, and the client
   * would not know the certificate for its own.
   */
  editable?: boolean
}

/** What policy made of an order: all that issuing needs beside the authority. Stored as JSON with the request. */
export interface WantedCertificate {
  type: CertificateType
  subject: Name
  identifiers: readonly Identifier[]
  /** Epoch milliseconds; absent: from the moment of issuing on, for `validity`. */
  notBefore?: number
  notAfter?: number
  /** Milliseconds. */
  validity: number
  backdate: number
  mustStaple: boolean
  /** Nothing is published about its revocation (RFC 9608). */
  noRevAvail?: boolean
  pathLength?: number
  nameConstraints?: NameConstraints
  /** As in SignDraft. One that was next and has taken over since is simply the active one, or an earlier. */
  issuer?: number
}

/** Something noticed on the way: by a soft policy, a warn rule or the lint. */
export interface Finding {
  by: 'policy' | 'rule' | 'lint'
  check: string
  detail: string
}

/** The record of one order to sign, whatever way it came. */
export interface SignRequest {
  id: number
  uuid: string
  organizationId: number
  profileId: number
  authorityId: number
  status: SignStatus
  revision: number
  action: Action
  protocol: string
  origin?: Origin
  requester: Requester
  /** DER of the request: a CertificationRequest of PKCS #10, or a CertReqMsg of CRMF. */
  csr?: Buffer
  wanted: WantedCertificate
  findings: Finding[]
  renews?: number
  /** Number of the attempt that may store its certificate; 0 before the first. */
  attempt: number
  /** Passing trouble while it stays in `signing`. */
  lastError?: string
  /** For the requester: why it was denied, expired, canceled or failed. Names nobody. */
  reason?: string
  createdAt: Date
  updatedAt: Date
  expiresAt?: Date
  endedAt?: Date
}

/** A request given by its id or its uuid. */
export type RequestRef = number | string

/** An order to revoke. The adapter says on what grounds; the core authorises by the rules. */
export interface RevokeDraft {
  protocol: string
  /** Id of the certificate (the id of its SignRequest). */
  certificate: number
  /** The profile over which it was asked, if any. */
  profile?: RaProfile
  reason?: string
  /** Since when the key is thought to be known by others (RFC 5280 section 5.3.2); not in the future. */
  invalidityDate?: Date
  /**
   * account: the requester ordered this certificate; names: it has proved control of all its names; key: the message is
   * signed with the certificate's own key; user: a person or token of ours, whose revoke_cert the core looks up;
   * registrationAuthority: a client whose certificate makes it one for this authority, and which ordered something else.
   */
  grounds: 'account' | 'names' | 'key' | 'user' | 'registrationAuthority'
  comment?: string
  /** The private key of the certificate, which is held here, is destroyed in the moment of the revocation. */
  destroyKey?: boolean
}

export interface RevokeRequest {
  id: number
  uuid: string
  organizationId: number
  authorityId: number
  certificateId: number
  status: RevokeStatus
  revision: number
  protocol: string
  requester: Requester
  /** RFC 5280 section 5.3.1 name. */
  code?: string
  /** As in RevokeDraft. */
  invalidityDate?: Date
  /** As in RevokeDraft. */
  destroyKey?: true
  findings: Finding[]
  lastError?: string
  reason?: string
  createdAt: Date
  updatedAt: Date
  expiresAt?: Date
  endedAt?: Date
}
