import { createHash, randomUUID } from 'node:crypto'
import type { Csr } from '../../pki/csr.ts'
import type { KeyWish } from '../../pki/csrAttributes.ts'
import { writeCsr } from '../../pki/csrWriter.ts'
import { encodeGeneralNames, type Identifier } from '../../pki/identifier.ts'
import { encodeName, type Name } from '../../pki/name.ts'
import { signerFor } from '../../pki/signer.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { asBadCsr, parsePkcs10 } from '../request/csr.ts'
import type { Origin } from '../request/request.ts'
import { type Requester, requesterKey } from '../requester.ts'
import { makeServerKey, originOf, storeServerKey } from './serverKey.ts'

/** What a person orders without a request of his own. */
export interface ServerKeyWishes {
  /** Who orders, for the record: the adapter's protocol. */
  protocol: string
  subject: Name
  identifiers: readonly Identifier[]
  /** Absent: what the profile takes first. */
  kind?: KeyWish
  /** The same text again from the same requester is the same order, with the key that was made first; absent: each is another. */
  once?: string
}

export interface ServerKeyOrder {
  csr: Csr
  /** Both for `sign`: the key is stored with the record, or not at all. */
  origin: Origin
  claim: Claim
}

/** See ServerKeys.order. */
export async function orderServerKey(
  it: Installation,
  requester: Requester,
  profile: RaProfile,
  { protocol, subject, identifiers, kind, once }: ServerKeyWishes,
): Promise<ServerKeyOrder> {
  asBadCsr(() => [encodeName(subject), encodeGeneralNames(identifiers)])
  const made = await makeServerKey(it, profile, kind)
  const asked: Origin = { protocol, ref: `key ${once === undefined ? randomUUID() : hashOf(requester, once)}` }
  const origin = originOf(profile.id, asked, 0)
  return {
    csr: parsePkcs10(await writeCsr({ subject, identifiers }, signerFor(made.key))),
    origin,
    claim: async (db) => {
      const slot = { asked, number: 0, origin }
      const id = await storeServerKey(db, { made, requester, profile, slot, keep: true })
      if (id === undefined) throw new Failure('conflict', 'this key was ordered a moment ago')
    },
  }
}

/** Nobody meets the order of another by saying what he said. */
function hashOf(requester: Requester, once: string): string {
  return createHash('sha256')
    .update(`${requesterKey(requester)}\n${once}`)
    .digest('base64url')
}
