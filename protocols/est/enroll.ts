import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import type { ChallengeGrant } from '../../src/core/enrolment/challenge.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Origin, SignDraft, SignRequest } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { entitles } from '../../src/http/device.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type Name, nameText } from '../../src/pki/name.ts'
import { isLinked } from './channel.ts'
import { type Client, clientOf } from './client.ts'
import type { Exchange } from './exchange.ts'
import { orderTake } from './limits.ts'
import { outcomeOf } from './outcome.ts'
import { refuseEarly } from './renewalWindow.ts'
import { readRequestBody } from './transfer.ts'

/** simpleenroll: RFC 7030 section 4.2.1. */
export async function enroll(exchange: Exchange): Promise<HttpAnswer> {
  const client = await clientOf(exchange)
  const { csr, linked } = await requestOf(exchange, client)
  const identifiers = exchange.door.requestedNames(exchange.profile, csr)
  const request = await order(exchange, client, { csr, identifiers, ...renewalOf(exchange, client, csr, identifiers) })
  return outcomeOf(exchange, request, linked)
}

/** The request in the body, signed by its own key and, where it says so, for this connection. */
export async function requestOf(exchange: Exchange, client: Client): Promise<{ csr: Csr; linked: boolean }> {
  const csr = parseCsr(await readRequestBody(exchange.incoming, 'application/pkcs10'))
  return { csr, linked: isLinked(exchange, csr, client) }
}

/** What is ordered. */
export interface Order extends Pick<SignDraft, 'action' | 'renews' | 'notBefore' | 'notAfter'> {
  csr: Csr
  /** Exactly the names to certify. */
  identifiers: readonly Identifier[]
  /** In place of the CSR's. */
  requestedSubject?: Name
}

/** By the same names it is a renewal, whatever the operation is called: some clients know one only. */
export function renewalOf(
  exchange: Exchange,
  { certificate }: Client,
  csr: Pick<Csr, 'subject'> & { publicKey: Pick<Csr['publicKey'], 'spkiHash'> },
  identifiers: readonly Identifier[],
): Pick<SignDraft, 'action' | 'renews'> {
  const { door, profile } = exchange
  if (!certificate || !door.keepsNames(profile, certificate, { csr, identifiers })) return { action: 'issue' }
  refuseEarly(exchange, certificate)
  return { action: certificate.spkiHash === csr.publicKey.spkiHash ? 'renew' : 'rekey', renews: certificate.id }
}

/**
 * Orders, or finds the order that an earlier request of the same client has made. A client that waits repeats itself over a new connection, by a request that is
 * signed anew for it: it is known by who he is, his key, and the names (RFC 7030 section 4.2.3).
 */
export async function order(exchange: Exchange, client: Client, wanted: Order): Promise<SignRequest> {
  const { host, profile } = exchange
  const { csr, identifiers, requestedSubject, ...action } = wanted
  const subject = requestedSubject ?? csr.subject
  const asked = { subject, identifiers, spkiHash: csr.publicKey.spkiHash }
  const { requester, entitled, grant } = await asking(exchange, client, asked)
  const draft: SignDraft = {
    profile,
    protocol: 'est',
    ...action,
    origin: originOf(exchange, client, { ...asked, requester }),
    csr,
    identifiers,
    ...(requestedSubject ? { requestedSubject } : {}),
    entitled,
    refusal: 'store',
  }
  const door = host.core.as(requester)
  const charge = orderTake(exchange, client, action)
  const { request } = await door.sign(draft, async (db) => {
    if (grant) await door.redeemChallenge(db, grant)
    if (charge) await door.limits.take(db, charge)
  })
  return request
}

interface Asked {
  subject: Name
  identifiers: readonly Identifier[]
  /** Of the key to certify. */
  spkiHash: string
}

/** RFC 7030 has no name for a request: this is one. */
export function originOf(
  { operation, profile }: Exchange,
  client: Client,
  { requester, subject, identifiers, spkiHash }: Asked & { requester: Requester },
): Origin {
  const shown = client.certificate ?? client.registrationAuthority ?? client.device
  const names = identifiers.map(({ type, value }) => `${type}:${value}`).sort()
  const parts = [
    operation,
    profile.id,
    [requester.kind, requester.ref],
    shown?.fingerprint ?? '',
    spkiHash,
    nameText(subject),
    names,
  ]
  return { protocol: 'est', ref: createHash('sha256').update(JSON.stringify(parts)).digest('hex') }
}

/** On what grounds an order is made; `grant` has to be redeemed in the claim. */
export interface Asking {
  requester: Requester
  entitled: boolean
  grant?: ChallengeGrant
}

/**
 * Who asks, now that it is known what for: by a challenge, a user's password or token, or the certificate. Throws Failure('unauthenticated') for a password that is
 * nobody's, and by the same text for a challenge that is not good for this.
 */
export async function asking(exchange: Exchange, client: Client, asked: Asked): Promise<Asking> {
  const { door, profile, source } = exchange
  const byCertificate = certificateHolder(exchange, client, asked)
  const { password } = client
  if (!password) {
    if (byCertificate) return byCertificate
    throw notGood()
  }
  const entitled = byCertificate?.entitled ?? false
  const user = (await door.isChallenge(profile, password.secret))
    ? undefined
    : await door.signIn(password, { profile, ...(source === undefined ? {} : { source }) })
  if (user) return { requester: user, entitled }
  // Where it is none, this counts it as a guess at one.
  const transactionId = originOf(exchange, client, { ...asked, requester: anyone }).ref
  const grant = await door.challenge(profile, password.secret, { ...asked, transactionId }).catch(asNotGood)
  return { requester: grant.requester, entitled: entitled || grant.entitled, grant }
}

const anyone: Requester = { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [] }

/** Clients repeat what is answered by 401 with another password: none would help while the outside does not answer. */
function asNotGood(error: unknown): never {
  if (error instanceof Failure && error.code === 'forbidden') throw notGood()
  throw error
}

function notGood(): Failure {
  return new Failure('unauthenticated', 'the name or the password is not good for this request')
}

function certificateHolder(exchange: Exchange, client: Client, asked: Asked): Asking | undefined {
  const { certificate, registrationAuthority, device } = client
  const own = certificate ?? registrationAuthority
  if (own) {
    const isAuthority = registrationAuthority !== undefined
    return { requester: certificateRequester(exchange, own, isAuthority), entitled: isAuthority }
  }
  if (!device) return undefined
  const { subject, serial } = device.certificate
  const name = `the holder of ${nameText(subject) || 'a certificate'}, serial ${serial}, of ${device.anchor.name}`
  return { requester: holderOf(exchange, device.fingerprint, name), entitled: entitles(device, asked) }
}

/** The holder of a certificate of ours. */
export function certificateRequester(
  exchange: Exchange,
  { subject, serial, fingerprint }: Certificate,
  isAuthority = false,
): Requester {
  const name = `the holder of ${subject || 'a certificate'}, serial ${serial}`
  return holderOf(exchange, fingerprint, isAuthority ? `${name}, as a registration authority` : name)
}

function holderOf({ source }: Exchange, ref: string, name: string): Requester {
  return { kind: 'client-certificate', ref, name, people: [], ...(source === undefined ? {} : { source }) }
}
