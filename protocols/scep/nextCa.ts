import type { MessageKey } from '../../src/core/key/messageKey.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { aboveOf } from './caCertificate.ts'
import type { Exchange } from './exchange.ts'
import { keySourceOf } from './options.ts'

/**
 * GetNextCACert (RFC 8894 section 4.7.1), while a rollover of the authority is prepared: signed by its current key, the certificate to which messages go that
 * are to be certified by the next key, then the authority's next one with those above it. The CA's is always there, whatever `caCertificates` says.
 */
export async function nextCaCertificates({ door, profile, options }: Omit<Exchange, 'keys'>): Promise<HttpAnswer> {
  const next = await door.nextCa(profile, keySourceOf(options))
  if (!next) return plain(404, 'this authority has no next certificate yet')
  const { key, message } = next
  const digest = options.digests.includes('sha256') ? 'sha256' : (options.digests.at(-1) ?? 'sha256')
  const [own, ...roots] = key.issuers
  const above = own === undefined ? [] : [own, ...aboveOf(roots, options)]
  const body = await message([key.certificate, ...above], digest)
  return {
    status: 200,
    headers: { 'Content-Type': 'application/x-x509-next-ca-cert', 'Cache-Control': 'no-store' },
    body,
  }
}

/** Whether the authority of the profile has a next certificate to ask for. */
export async function hasNextCa({ door, profile }: Omit<Exchange, 'keys'>): Promise<boolean> {
  return (await door.authorityChain(profile.authorityId)).next !== undefined
}

/**
 * Under which certificate of the authority an order is to be signed that was enveloped to this key: its prepared next one, if the key is that one's (section
 * 5.1, figure 9). Undefined: the active one, also for who wrote to an earlier key.
 */
export async function issuerFor(
  { door, profile, keys }: Exchange,
  key: MessageKey | undefined,
): Promise<number | undefined> {
  const [current] = keys
  if (!key || key.issuer === undefined || key.issuer === current.issuer) return undefined
  const { next } = await door.authorityChain(profile.authorityId)
  return next?.id === key.issuer ? next.id : undefined
}
