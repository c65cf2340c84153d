import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { CmpRefusal } from './errors.ts'
import type { Exchange } from './exchange.ts'

// Nonces of ours prove themselves by a MAC, so that nothing is kept for clients that never come back.

const RANDOM_OCTETS = 16

function proof({ host, profile }: Exchange, transactionId: Buffer | undefined, random: Buffer): Buffer {
  const hmac = createHmac('sha256', host.secret).update(JSON.stringify(['nonce', profile.id]))
  return hmac
    .update(random)
    .update(transactionId ?? Buffer.alloc(0))
    .digest()
    .subarray(0, RANDOM_OCTETS)
}

/** A senderNonce of ours for this transaction. */
export function newNonce(exchange: Exchange, transactionId: Buffer | undefined): Buffer {
  const random = randomBytes(RANDOM_OCTETS)
  return Buffer.concat([random, proof(exchange, transactionId, random)])
}

/**
 * A message that goes on with a transaction gives back a nonce that it had here (RFC 9483 section 3.5). Which of several is left open: a message that is
 * sent again because its answer was lost has an older one. Throws CmpRefusal.
 */
export function checkRecipNonce(exchange: Exchange, transactionId: Buffer, nonce: Buffer | undefined): void {
  const random = nonce?.subarray(0, RANDOM_OCTETS)
  const shown = nonce?.subarray(RANDOM_OCTETS)
  if (random && shown?.length === RANDOM_OCTETS && timingSafeEqual(shown, proof(exchange, transactionId, random)))
    return
  throw new CmpRefusal('badRecipientNonce', 'recipNonce is none that this server gave out in this transaction', {
    generic: true,
  })
}
