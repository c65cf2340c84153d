import type { KeyRequest } from '../../pki/keyRequest.ts'
import type { KekRecipient } from '../../pki/keyWrap.ts'
import type { Claim, SignAnswer } from '../core.ts'
import { findKek } from '../enrolment/keyEncryptionKey.ts'
import type { Installation } from '../installation.ts'
import { refusedKeyless } from '../issuance/refusedKeyless.ts'
import { thrownBack } from '../measure.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Origin, SignDraft } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import {
  type HandOver,
  handOverServerKey,
  prepareServerKey,
  type ServerKey,
  type ServerKeyDraft,
  type ServerKeySlot,
  serverKeySlot,
} from './serverKey.ts'
import { orderServerKey, type ServerKeyOrder, type ServerKeyWishes } from './serverKeyOrder.ts'

/** Private keys that the server makes for its clients (RFC 7030 section 4.4): sealed at once, handed over with the certificate, then forgotten or kept. */
export interface ServerKeys {
  /** Which key a request is about, by the adapter's own name for who asks and what for. Makes nothing: it may be asked before it is known that he may. */
  slot(profile: RaProfile, asked: Origin): Promise<ServerKeySlot>
  /**
   * What becomes of an order whose key is not made yet, where policy or a rule says no without it: as `sign`, `csr` left out. Undefined: make the key, and sign.
   * Throws as sign.
   */
  refused(draft: SignDraft, request: KeyRequest, claim?: Claim): Promise<SignAnswer | undefined>
  /** The key, made where it is not there yet, in a request for `sign`. Throws as that, badKey, badCsr, unavailable. */
  prepare(draft: ServerKeyDraft): Promise<ServerKey>
  /**
   * A new key of which a person wants a certificate with these names, kept here for who may export it (Admin.exportPfx): its request, the origin and the claim for `sign`.
   * Throws as prepare.
   */
  order(profile: RaProfile, wishes: ServerKeyWishes): Promise<ServerKeyOrder>
  /** The private key (PKCS #8, DER), once it is certified and on its way. Throws conflict. */
  handOver(key: ServerKey, how: HandOver): Promise<Buffer>
  /** The secret key of this profile by which a client wants its private key encrypted; undefined where there is none by this identifier. */
  kek(profile: RaProfile, identifier: Buffer): Promise<KekRecipient | undefined>
}

/** `may`: throws where the requester may not order certificates of a profile. */
export function createServerKeys(
  it: Installation,
  requester: Requester,
  may: (profile: RaProfile) => Promise<void>,
): ServerKeys {
  return {
    slot: (profile, asked) => serverKeySlot(it, profile, asked),
    refused: async (draft, request, claim) => {
      await may(draft.profile)
      const { protocol, profile, action } = draft
      return refusedKeyless(it, requester, { draft, request }, claim).catch((error: unknown) =>
        thrownBack(it.db, { protocol, profileId: profile.id, what: action }, error),
      )
    },
    prepare: async (draft) => {
      await may(draft.profile)
      return prepareServerKey(it, requester, draft)
    },
    order: async (profile, wishes) => {
      await may(profile)
      return orderServerKey(it, requester, profile, wishes)
    },
    handOver: (key, how) => handOverServerKey(it, requester, key, how),
    kek: (profile, identifier) => findKek(it, profile, identifier),
  }
}
