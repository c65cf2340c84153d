import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { readKeptRequest } from '../../src/pki/crmf.ts'
import type { PublicKeyInfo } from '../../src/pki/publicKey.ts'
import type { Controls } from './cmcControls.ts'
import type { Identity } from './cmcIdentity.ts'
import type { CmcMessage } from './cmcMessage.ts'
import { CmcRefusal } from './cmcRefusal.ts'
import type { Exchange } from './exchange.ts'

// What the server gives out and gets back: tokens of requests that wait (RFC 10002 section 6.13) and nonces (6.6). Both prove themselves by a MAC, so that
// nothing is kept for clients that never come back.

const REF_OCTETS = 32
const MAC_OCTETS = 16

function mac({ host, profile }: Exchange, purpose: string, ...parts: Buffer[]): Buffer {
  const hmac = createHmac('sha256', host.secret).update(JSON.stringify([purpose, profile.id]))
  for (const part of parts) hmac.update(Buffer.of(part.length >> 8, part.length & 0xff)).update(part)
  return hmac.digest().subarray(0, MAC_OCTETS)
}

/** The token of a request that waits, the same each time. */
export function tokenOf(exchange: Exchange, { origin }: SignRequest): Buffer {
  if (!origin) throw new Failure('internal', 'an EST request has an origin')
  const ref = Buffer.from(origin.ref, 'hex')
  return Buffer.concat([ref, mac(exchange, 'pending', ref)])
}

/** The request of a token that this profile gave out; undefined for any other. */
export async function findByToken(exchange: Exchange, token: Buffer): Promise<SignRequest | undefined> {
  const ref = token.subarray(0, REF_OCTETS)
  if (!same(token.subarray(REF_OCTETS), mac(exchange, 'pending', ref))) return undefined
  return exchange.door.findSignRequest({ protocol: 'est', ref: ref.toString('hex') })
}

/** The keys of requests that a message asks about: by one of them it may be signed. */
export async function waitingKeys(exchange: Exchange, { queries }: Controls): Promise<PublicKeyInfo[]> {
  const found = await Promise.all(queries.map(({ token }) => findByToken(exchange, token)))
  return found.flatMap((request) => (request?.csr ? [readKeptRequest(request.csr).publicKey] : []))
}

/**
 * The request that a query is about. It is for whoever ordered it, and for who holds its key. Throws CmcRefusal by one and the same text for a token that is none
 * and for another's.
 */
export async function queried(
  exchange: Exchange,
  token: Buffer,
  { identity, message }: { identity: Identity; message: Pick<CmcMessage, 'signer'> },
): Promise<SignRequest> {
  const request = await findByToken(exchange, token)
  if (request && (isAsker(request, identity) || holdsKey(request, message.signer))) return request
  throw new CmcRefusal('badRequest', 'there is no request of yours with this pendToken')
}

function isAsker({ requester }: SignRequest, identity: Identity): boolean {
  if (identity.by === 'secret') return requester.credential === identity.credential.id
  if (identity.by === 'nobody' || identity.by === 'vouched') return false
  const { certificate, registrationAuthority, device } = identity.client
  const shown = certificate ?? registrationAuthority ?? device
  return requester.kind === 'client-certificate' && requester.ref === shown?.fingerprint
}

function holdsKey({ csr }: SignRequest, signer: CmcMessage['signer']): boolean {
  return (
    csr !== undefined && signer !== undefined && readKeptRequest(csr).publicKey.spkiHash === signer.publicKey.spkiHash
  )
}

const NONCE_OCTETS = 16

/** A nonce of ours for this transaction. */
export function newNonce(exchange: Exchange, { transactionId }: Pick<Controls, 'transactionId'>): Buffer {
  const random = randomBytes(NONCE_OCTETS)
  return Buffer.concat([random, nonceMac(exchange, transactionId, random)])
}

const nonceMac = (exchange: Exchange, transactionId: Controls['transactionId'], random: Buffer): Buffer =>
  mac(exchange, 'nonce', transactionId?.der ?? Buffer.alloc(0), random)

/** Section 6.6: what comes back as recipientNonce must be ours, of the same transaction. Throws CmcRefusal. */
export function checkNonce(exchange: Exchange, { recipientNonce, transactionId }: Controls): void {
  if (!recipientNonce) return
  const { octets, id } = recipientNonce
  const random = octets.subarray(0, NONCE_OCTETS)
  if (same(octets.subarray(NONCE_OCTETS), nonceMac(exchange, transactionId, random))) return
  throw new CmcRefusal('badRequest', 'the recipientNonce is none that this server gave out in this transaction', {
    bodyParts: [id],
  })
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
