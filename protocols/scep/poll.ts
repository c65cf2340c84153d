import type { Outcome } from './certRep.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { PkiMessage } from './message.ts'
import { knownSigner } from './signer.ts'
import { outcomeOf } from './success.ts'
import { findTransaction, originOf, transactionRef } from './transaction.ts'

/**
 * CertPoll (RFC 8894 section 3.3.3): by the transactionID and the key that signs, which must be that of the order. What the envelope holds is redundant, and
 * the RFC advises not to open it.
 */
export async function poll(exchange: Exchange, message: PkiMessage): Promise<Outcome> {
  const { host, door, profile } = exchange
  const signer = await knownSigner(exchange, message)
  // With a certificate of ours that no longer renews, the order was made by its key alone.
  const signers = signer.certificate ? [signer, { spkiHash: signer.spkiHash }] : [signer]
  for (const candidate of signers) {
    const found = await findTransaction(host.db, transactionRef(profile, message.transactionId, candidate))
    const request = found && (await door.findSignRequest(originOf(found.origin)))
    if (request) return outcomeOf(exchange, message, request)
  }
  throw new Refusal('badCertId', 'there is no such transaction of this key: begin with a PKCSReq')
}
