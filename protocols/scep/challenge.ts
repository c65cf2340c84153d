import type { ChallengeGrant } from '../../src/core/enrolment/challenge.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { nameText } from '../../src/pki/name.ts'
import type { Exchange } from './exchange.ts'
import { contentRef, type Signer } from './transaction.ts'
import { askWebhook } from './webhook.ts'

/** Who asks, by what he has shown; `grant`: a challenge that has to be redeemed in the claim. */
export interface Asking {
  requester: Requester
  entitled: boolean
  grant?: ChallengeGrant
}

/** Nobody in particular: who holds a key. */
export function keyHolder(source: string | undefined, spkiHash: string): Requester {
  return {
    kind: 'key-holder',
    ref: spkiHash,
    name: `the holder of the key ${spkiHash.slice(0, 16)}`,
    people: [],
    ...(source === undefined ? {} : { source }),
  }
}

/** Holds the challengePassword of a request against the profile's challenges. Throws Failure('forbidden') for one that is not good for this. */
export async function byChallenge(
  exchange: Exchange,
  signer: Signer,
  order: { csr: Csr; identifiers: readonly Identifier[]; transactionId: string; challenge: string },
): Promise<Asking> {
  const { host, profile, options, source, now } = exchange
  const { csr, identifiers, transactionId } = order
  const { spkiHash } = csr.publicKey
  // Two messages about one request may still be two orders: each of them takes a use.
  const asked = {
    subject: csr.subject,
    identifiers,
    transactionId,
    spkiHash,
    order: contentRef(exchange, signer, csr, identifiers),
  }
  const door = host.core.as(keyHolder(source, signer.spkiHash))
  const question = {
    profile: profile.name,
    transactionId,
    subject: nameText(csr.subject),
    identifiers,
    challenge: order.challenge,
    csr: csr.der.toString('base64'),
    spkiSha256: spkiHash,
    source: source ?? null,
  }
  const elsewhere = options.webhook && askWebhook(options.webhook, question, now)
  const grant = await door.challenge(profile, order.challenge, asked, elsewhere)
  return { requester: grant.requester, entitled: grant.entitled, grant }
}
