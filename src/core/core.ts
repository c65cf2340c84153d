import type { Database } from '../db/open.ts'
import type { Csr } from '../pki/csr.ts'
import type { CsrWishes } from '../pki/csrAttributes.ts'
import type { Identifier } from '../pki/identifier.ts'
import type { Admin } from './admin.ts'
import type { Configuration } from './apply/configuration.ts'
import type { Approvals } from './approval/approval.ts'
import type { ApprovalPlans } from './approval/approvalPlans.ts'
import type { Decisions } from './approval/decisionRecords.ts'
import type { Delegations } from './approval/delegations.ts'
import type { StandingApprovals } from './approval/standingApprovals.ts'
import type { AccountEvent } from './audit/audit.ts'
import type { AlternateChain } from './authority/alternateChain.ts'
import type { CaChain } from './authority/authority.ts'
import type { LinkCertificates } from './authority/rollover.ts'
import type { Certificate, CertificateRef } from './certificate.ts'
import type { CrlRef } from './crl/crl.ts'
import type { Discoveries } from './discovery/discovery.ts'
import type { AskElsewhere, ChallengeAsked, ChallengeGrant, TellElsewhere } from './enrolment/challenge.ts'
import type { Credential, CredentialKind } from './enrolment/credential.ts'
import type { Enrolment } from './enrolment/enrolment.ts'
import type { Limits } from './enrolment/limits.ts'
import type { ProfileRef, ServingProfile } from './enrolment/servingProfile.ts'
import type { Inventory } from './inventory/inventory.ts'
import type { ForeseenDraft } from './issuance/foresee.ts'
import type { ParkDraft } from './issuance/park.ts'
import type { Registration } from './issuance/registration.ts'
import type { CertId, RenewalWindow } from './issuance/renewal.ts'
import type { Revision } from './issuance/revise.ts'
import type { Asker, Simulation } from './issuance/simulate.ts'
import type { SubmitDraft } from './issuance/submit.ts'
import type { Succession, SuccessorDraft } from './issuance/successor.ts'
import type { KeyPairs } from './key/keyPairs.ts'
import type { MessageKeySource, MessageKeys } from './key/messageKey.ts'
import type { NextCa } from './key/nextCa.ts'
import type { ServerKeys } from './key/serverKeys.ts'
import type { Listing } from './listing/listing.ts'
import type { Overview } from './listing/overview.ts'
import type { Authentication } from './login/authentication.ts'
import type { Groups } from './login/groups.ts'
import type { Identities } from './login/identities.ts'
import type { Shown, SignInPlace } from './login/signIn.ts'
import type { AnswerOcsp } from './ocsp/ocsp.ts'
import type { CsrAttributesAsk } from './profile/csrAttributes.ts'
import type { OptionSets } from './profile/optionSets.ts'
import type { RaProfile } from './profile/profile.ts'
import type { RaProfiles } from './profile/raProfiles.ts'
import type { Origin, RequestRef, RevokeDraft, RevokeRequest, SignDraft, SignRequest } from './request/request.ts'
import type { Requester } from './requester.ts'
import type { Unheld } from './revocation/hold.ts'
import type { RevocationCodes } from './revocation/revocationCode.ts'
import type { SavedViews } from './search/savedViews.ts'
import type { Custody } from './upkeep/custody.ts'
import type { Webhooks } from './webhook/webhooks.ts'

/** Runs in the transaction that creates the record; what it throws undoes the record and reaches the caller. */
export type Claim = (db: Database) => Promise<void>

/** A request as `sign` answers it; `repeat` says that an earlier call had made the record, and no claim ran. */
export interface SignAnswer {
  request: SignRequest
  repeat: boolean
}

/** A CRL ready to serve. */
export interface SignedCrl {
  /** DER, RFC 5280 section 5; of a long one put together anew each time. */
  readonly der: Buffer
  /** The same in parts that follow each other. */
  readonly parts: readonly Buffer[]
  /** CRLNumber. */
  number: bigint
  thisUpdate: Date
  /** No other CRL in its place had this thisUpdate, to the second, or a later one: that names it among all. */
  settled: boolean
  nextUpdate: Date
}

/** What a requester may do. Every method authorises, and shows nothing of another organization. */
export interface Door {
  /** The enabled profile of that name that serves that protocol. Throws notFound alike for none, disabled and built-in. */
  profile(name: string, protocol: string): Promise<RaProfile>
  /**
   * The enabled profile (which serves that protocol, where one is named) with its authority, for a user of its organization. Throws notFound alike
   * for none, disabled, built-in and another organization's.
   */
  serving(ref: ProfileRef, protocol?: string): Promise<ServingProfile>
  /** The profile with the certificate settings of its variant of that name. Throws notFound. */
  variant(profile: RaProfile, name: string): RaProfile
  /**
   * Policy, rules, and, where the rules say auto, the certificate: the returned request is signed, signing, requested
   * or denied. Throws badCsr, badKey, rejectedIdentifier, malformed where nothing is stored (DESIGN: refusal).
   */
  sign(draft: SignDraft, claim?: Claim): Promise<SignAnswer>
  /**
   * Lets the rules decide an order before its CSR is there (an ACME newOrder): throws forbidden where they deny. Where
   * people must be asked, the answer asks them: run it in the transaction that stores the order. `sign` with the same
   * origin then goes on from there.
   */
  foresee(draft: ForeseenDraft): Promise<Claim | undefined>
  /** As sign; `revoked` in the answer means that OCSP says so already. Throws alreadyRevoked, badReason, notFound, forbidden. */
  revoke(draft: RevokeDraft, claim?: Claim): Promise<RevokeRequest>
  /**
   * Makes a certificate on hold valid again; under an authority that signs elsewhere once that has lifted the hold, for which the
   * answer's request waits. Needs revoke_cert. Throws notFound, forbidden, conflict.
   */
  unhold(draft: { certificate: number; protocol: string }): Promise<Unheld>
  /**
   * Stores an order in `draft`, with or without a CSR: no rule is asked and nobody votes. With `registration` its identity is fixed from now on.
   * The same origin again gets the stored one back. Throws malformed, badCsr, badKey, notFound, forbidden (create_cert).
   */
  park(draft: ParkDraft, claim?: Claim): Promise<SignAnswer>
  /**
   * A parked order goes the way of `sign`: what is not said anew is as it was parked. Whoever may order of the profile submits, and of a
   * registration with a secret also whoever shows that. Throws as sign, and conflict (it is no draft any more), forbidden (the secret), badCsr
   * with a problem for each thing that is not as registered.
   */
  submit(ref: RequestRef, draft?: SubmitDraft, claim?: Claim): Promise<SignAnswer>
  /**
   * Edits an order that is parked or waits: a new revision, for which policy and rules are asked anew and earlier votes are void. The requester
   * edits, or somebody with manage, who is one of the requesters from then on unless he only narrows it. Throws conflict (it has gone on, or its
   * names are bound to the client's message), malformed (nothing changes), forbidden, notFound, and what policy refuses: then all stays.
   */
  revise(ref: RequestRef, change: Revision): Promise<SignAnswer>
  /**
   * What an order for the next certificate takes over from this one, ready for `sign`: to renew by the stored CSR or one with the same key, to
   * rekey by one with another key and the same subject. Throws notFound, malformed (no CSR), badCsr (its key, its subject), conflict (on hold, revoked,
   * or a revocation is pending), unsupported (it was not ordered here).
   */
  successor(certificate: CertificateRef, how: Succession, csr?: Csr): Promise<SuccessorDraft>
  /**
   * What would become of an order, of which nothing is stored; `asker`: of one by somebody else. Needs read, or manage for another's. Throws as sign.
   */
  simulate(draft: SignDraft, asker?: Asker): Promise<Simulation>
  simulateRevocation(draft: RevokeDraft, asker?: Asker): Promise<Simulation>
  /** Where a registration stands; undefined for a request that was not registered. Throws notFound. */
  registration(ref: RequestRef): Promise<Registration | undefined>
  /** The newest generation of an origin. */
  findSignRequest(origin: Origin): Promise<SignRequest | undefined>
  findCertificate(ref: CertificateRef): Promise<Certificate | undefined>
  /** The names that a device asks for by its CSR alone: those of its subjectAltName, else its common name where the profile certifies names and that is one. */
  requestedNames(profile: RaProfile, csr: Pick<Csr, 'subject' | 'identifiers'>): readonly Identifier[]
  /** Whether what the profile would certify of a CSR and these names has the names and the subject of that certificate: `certificate.sameNames` of rules. */
  keepsNames(
    profile: RaProfile,
    certificate: Certificate,
    asked: { csr: Pick<Csr, 'subject'>; identifiers: readonly Identifier[] },
  ): boolean
  /** The issuers above a certificate's own, nearest first, root last, as DER. */
  chain(certificate: Certificate): Promise<Buffer[]>
  /** Chains beside `chain` that a certificate also has. */
  alternateChains(certificate: Certificate): Promise<AlternateChain[]>
  /** The certificate that a client of RFC 9773 means. */
  findByCertId(id: CertId): Promise<Certificate | undefined>
  /** When a certificate should be renewed (RFC 9773). */
  renewalWindow(certificate: Certificate): Promise<RenewalWindow>
  /**
   * The RSA keys by which enveloped messages of a profile (RFC 8894) are read and signed: the current one, made when first asked for, then earlier
   * ones for clients that wait. Throws unavailable; unsupported where the authority's own key was asked for and is not RSA.
   */
  messageKeys(profile: RaProfile, source: MessageKeySource): Promise<MessageKeys>
  /** What follows the authority of a profile (RFC 8894 section 4.7); undefined while no rollover is prepared. Throws as messageKeys. */
  nextCa(profile: RaProfile, source: MessageKeySource): Promise<NextCa | undefined>
  /** The certificates of an authority that clients may need: the active one with its chain, earlier ones, and the prepared next one. */
  authorityChain(authority: string | number): Promise<CaChain>
  /**
   * The link certificates of the last rollover that this root (DER, the last of a chain) had a part in, from when it is
   * prepared until the older root has ended (RFC 9810 section 4.4.1; EST gives them with the CA certificates, RFC 7030
   * section 4.1.3). Undefined for any other certificate.
   */
  linkCertificates(root: Buffer): Promise<LinkCertificates | undefined>
  /** A certificate signed elsewhere, leaf first, for a request that waits in `signing`; with all its custom attributes, or those that are there. */
  upload(ref: RequestRef, chain: Buffer[], attributes?: unknown): Promise<SignRequest>
  /** What answers a challenge of RFC 8555 section 8.3 by which a CA upstream sees whose a name is; undefined for a token that is none of ours. */
  keyAuthorization(token: string): Promise<string | undefined>
  crl(ref: CrlRef): Promise<SignedCrl>
  /** The OCSP answer to whoever asks, RFC 6960; an unsigned error answer where that is the answer. Never throws or rejects. */
  ocsp: AnswerOcsp
  /** Marks that the protocol has told its client a final answer, so that retry is a conflict from now on. */
  answered(ref: RequestRef): Promise<void>
  /**
   * Whether this profile would certify these names, for this time, at all. Throws rejectedIdentifier with a problem for
   * each name that it would not, malformed for a time outside the profile.
   */
  admitNames(
    profile: RaProfile,
    identifiers: readonly Identifier[],
    period?: { notBefore?: Date; notAfter?: Date },
  ): void
  /**
   * What a name, said to be known here, can be proved against; undefined where the profile has no such credential.
   * Its state is told by redeemCredential, after the proof.
   */
  credential(profile: RaProfile, kind: CredentialKind, name: string): Promise<Credential | undefined>
  /** Uses a credential, in the caller's transaction or claim, for this requester. Throws forbidden with the reason. */
  redeemCredential(db: Database, id: number): Promise<void>
  /**
   * Whether one who enrolled with a credential may order these names; `bound`: it was made for these. Throws forbidden
   * when it was revoked, rejectedIdentifier with a problem for each name that it is not for. `until`: in a transaction,
   * no revocation comes between this and its commit.
   */
  admitCredential(
    db: Database,
    id: number,
    identifiers: readonly Identifier[],
    until?: 'commit',
  ): Promise<{ bound: boolean }>
  /**
   * Who stands behind a challenge that came with an order, and whether it allows this. Open the door for the key-holder with
   * his `source`, ask, then sign through `core.as(grant.requester)` with `entitled: grant.entitled` and, in the claim,
   * `redeemChallenge`. A challenge that is used up passes again for the key that used it, so that a device may repeat
   * itself; `again` then makes nothing new. `elsewhere`, where the profile has it decided outside, is asked about what is no
   * challenge of ours. Throws Failure: forbidden, by one and the same text for one that is unknown, revoked, past its time,
   * used up, for other names, and for whoever failed too often; unavailable when the outside does not answer.
   */
  challenge(profile: RaProfile, given: string, asked: ChallengeAsked, elsewhere?: AskElsewhere): Promise<ChallengeGrant>
  /** Has a system outside told what became of what it allowed. Throws what `tell` throws; unavailable where the profile has no secret for it. */
  tellElsewhere(profile: RaProfile, tell: TellElsewhere): Promise<void>
  /** Whether a password is a challenge of that profile, in whatever state: nothing is counted, and it proves nothing. */
  isChallenge(profile: RaProfile, given: string): Promise<boolean>
  /**
   * The user whom a name and a password, or a token, speak for. Undefined alike for all that is wrong. Throws Failure('rateLimited') for an address with
   * too many failures.
   */
  signIn(shown: Shown, place: SignInPlace): Promise<Requester | undefined>
  /**
   * Takes one use of a challenge, in the claim of `sign`: of many at once no more pass than it has uses. Throws Failure
   * ('forbidden') with the text of `challenge`. A repeat of the same transaction takes nothing.
   */
  redeemChallenge(db: Database, grant: ChallengeGrant): Promise<void>
  /** An audit row about an account of the protocol's own, by this requester, in the caller's transaction. */
  record(db: Database, event: AccountEvent): Promise<void>
  /** What a request must be like that policy admits (RFC 9908). */
  csrWishes(profile: RaProfile, ask: CsrAttributesAsk): CsrWishes
  /** What somebody sees first: what waits for him, what ends soon, what was issued and failed, how the authorities are. Throws forbidden for who is no user. */
  overview(): Promise<Overview>
  views: SavedViews
  revocationCodes: RevocationCodes
  serverKeys: ServerKeys
  keyPairs: KeyPairs
  enrolment: Enrolment
  identities: Identities
  limits: Limits
  inventory: Inventory
  discovery: Discoveries
  approvals: Approvals
  groups: Groups
  delegations: Delegations
  standingApprovals: StandingApprovals
  approvalPlans: ApprovalPlans
  decisions: Decisions
  raProfiles: RaProfiles
  webhooks: Webhooks
  optionSets: OptionSets
  configuration: Configuration
  custody: Custody
  admin: Admin
  list: Listing
}

/** The one way into the core. */
export interface Core {
  as(requester: Requester): Door
  /** Who a token or a password speaks for: the console's and the command line's ways to a requester. */
  authentication: Authentication
}
