import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Witness } from './cmcControl.ts'

/**
 * Whether a witness (RFC 10002 sections 6.2.1, 6.2.3, 6.3.1.1) is the MAC of `input` by a key made of this shared secret: the digest of the secret's octets,
 * followed by the identification where the message has one and the witness proves identity. The comparison takes the same time wherever they differ.
 */
export function isWitness(
  { digest, mac, value }: Witness,
  { secret, identification = '', input }: { secret: Buffer | string; identification?: string; input: Buffer },
): boolean {
  const key = createHash(digest).update(secret).update(identification, 'utf8').digest()
  const right = createHmac(mac, key).update(input).digest()
  return value.length === right.length && timingSafeEqual(value, right)
}
