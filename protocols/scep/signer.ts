import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { PkiMessage } from './message.ts'
import type { Signer } from './transaction.ts'

/**
 * Who signed an order. By a certificate that this profile issued and that stands, the order is a renewal, whatever its type says: some clients send PKCSReq for
 * it (RFC 8894 section 2.4 leaves that to the server). By any other certificate, mostly one that the client made itself, it says no more than which key the
 * client holds. Throws Refusal: for a RenewalReq that no such certificate signed, and for one of ours that was revoked, whatever the type.
 */
export async function signerOfOrder(exchange: Exchange, message: PkiMessage): Promise<Signer> {
  const { spkiHash, certificate } = await knownSigner(exchange, message)
  const problem = certificate ? problemOf(exchange, certificate) : NOT_OURS
  if (certificate && !problem) return { spkiHash, certificate }
  if (problem && (message.type === 'RenewalReq' || problem === REVOKED)) throw new Refusal('badRequest', problem)
  return { spkiHash }
}

/** The signer's key, and the certificate of ours that he signed with, whatever became of it. */
export async function knownSigner({ door }: Exchange, { signed }: PkiMessage): Promise<Signer> {
  const { der, publicKey } = signed.signer
  const fingerprint = createHash('sha256').update(der).digest('hex')
  const certificate = await door.findCertificate({ fingerprint })
  return { spkiHash: publicKey.spkiHash, ...(certificate ? { certificate } : {}) }
}

const NOT_OURS = 'a renewal must be signed with a certificate that this profile has issued'
const REVOKED = 'the certificate that signed this request was revoked'

function problemOf({ profile, now }: Exchange, certificate: Certificate): string | undefined {
  if (certificate.profileId !== profile.id || certificate.authorityId !== profile.authorityId) return NOT_OURS
  if (certificate.status !== 'issued') return REVOKED
  if (certificate.notBefore > now) return 'the certificate that signed this request is not valid yet'
  if (certificate.notAfter <= now) return 'the certificate that signed this request has expired'
  return undefined
}
