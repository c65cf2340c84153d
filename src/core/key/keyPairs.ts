import type { Identifier } from '../../pki/identifier.ts'
import type { Name } from '../../pki/name.ts'
import type { AdminContext } from '../adminActor.ts'
import type { Certificate, CertificateRef } from '../certificate.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { RaProfile } from '../profile/profile.ts'
import { createKeyPair, enableKeyPair, type KeyPairDraft } from './keyPair.ts'
import { destroyKeyPair } from './keyPairDestroy.ts'
import {
  type KeyPairOrder,
  type KeyPairUse,
  orderByKeyPair,
  orderSuccessor,
  type SuccessorKey,
} from './keyPairOrder.ts'
import { type KeyPair, type KeyPairQuery, keyPairOf, pageOfKeyPairs, readKeyPair } from './keyPairView.ts'
import {
  createKeyProfile,
  deleteKeyProfile,
  enableKeyProfile,
  type KeyProfile,
  type KeyProfileDraft,
  type Keystore,
  listKeyProfiles,
  listKeystores,
  readKeyProfile,
} from './keyProfile.ts'

/**
 * The keystore of an organization: private keys that are made here, sealed at once, sign certificate requests and never leave. Every user of the organization
 * sees their names and public parts; `manage` makes and destroys them, create_cert of an RA profile orders by those that one owns, that are of a group of one's, or that one manages, administrators write the key profiles.
 * All throw Failure: forbidden, and notFound alike for what is not there and what is another organization's.
 */
export interface KeyPairs {
  keystores(): Promise<Keystore[]>
  profiles(): Promise<KeyProfile[]>
  profile(uuid: string): Promise<KeyProfile>
  /** Throws conflict where the keystore has one of that name, malformed. */
  createProfile(keystore: string, draft: KeyProfileDraft): Promise<KeyProfile>
  /** Throws conflict while keys that were made under it are there. */
  deleteProfile(uuid: string): Promise<void>
  enableProfile(uuid: string, enabled: boolean): Promise<void>
  /** Made in the thread pool, sealed and stored. Throws badKey, conflict (the name, a disabled key profile), malformed, unavailable. */
  create(draft: KeyPairDraft): Promise<KeyPair>
  /** The newest first. */
  page(query: KeyPairQuery): Promise<{ rows: KeyPair[]; total: number }>
  read(uuid: string): Promise<KeyPair>
  /** A disabled one signs nothing. Throws conflict for a destroyed one. */
  enable(uuid: string, enabled: boolean): Promise<void>
  /**
   * For ever: its sealed bytes are deleted, and no order for it passes any more. Twice is once. Throws conflict while a certificate that is not over, or an open
   * order, needs it.
   */
  destroy(uuid: string): Promise<void>
  /** The key pair of a certificate, destroyed or not; undefined where it was not made here. */
  ofCertificate(certificate: Pick<Certificate, 'spkiHash' | 'organizationId'>): Promise<KeyPair | undefined>
  /** A CSR with these names, signed by a key. Throws as door.sign; conflict (disabled, destroyed), badAlgorithm (the digest). */
  order(
    profile: RaProfile,
    use: KeyPairUse & { subject: Name; identifiers: readonly Identifier[] },
  ): Promise<KeyPairOrder>
  /**
   * The same with the names of a certificate, to rekey it: by the key named, else by a new one like the old, which is stored with the order or not at all. Throws
   * as order; malformed where no key is named and the old one is not here.
   */
  successor(profile: RaProfile, certificate: CertificateRef, use: Partial<KeyPairUse>): Promise<SuccessorKey>
}

/** `may`: throws where the requester may not order certificates of a profile. */
export function createKeyPairs(context: AdminContext, may: (profile: RaProfile) => Promise<void>): KeyPairs {
  return {
    keystores: () => listKeystores(context),
    profiles: () => listKeyProfiles(context),
    profile: (uuid) => readKeyProfile(context, uuid),
    createProfile: (keystore, draft) => createKeyProfile(context, keystore, draft),
    deleteProfile: (uuid) => deleteKeyProfile(context, uuid),
    enableProfile: (uuid, enabled) => enableKeyProfile(context, uuid, enabled),
    create: (draft) => createKeyPair(context, draft),
    page: (query) => pageOfKeyPairs(context, query),
    read: (uuid) => readKeyPair(context, uuid),
    enable: (uuid, enabled) => enableKeyPair(context, uuid, enabled),
    destroy: (uuid) => destroyKeyPair(context, uuid),
    ofCertificate: (certificate) => keyPairOf(context, certificate),
    async order(profile, use) {
      await may(profile)
      return orderByKeyPair(context, profile, use)
    },
    async successor(profile, ref, use) {
      await may(profile)
      const certificate = await findCertificate(context.it.db, ref)
      if (!certificate || certificate.organizationId !== profile.organizationId)
        throw new Failure('notFound', 'there is no such certificate')
      return orderSuccessor(context, { certificate, profile, use })
    },
  }
}
