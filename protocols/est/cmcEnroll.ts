import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignDraft, SignRequest } from '../../src/core/request/request.ts'
import { isNamed } from '../../src/http/namedBy.ts'
import { attestCertReqMsg, type CertReqMsg } from '../../src/pki/crmf.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { sameName } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { isLinked } from './channel.ts'
import type { Client } from './client.ts'
import { changed, type Grants } from './cmcGrants.ts'
import { type Identity, secretHolder } from './cmcIdentity.ts'
import type { CmcMessage, Proved, Requested } from './cmcMessage.ts'
import { tokenOf } from './cmcPending.ts'
import { checkPopLink } from './cmcPopLink.ts'
import { CmcRefusal, type PartStatus } from './cmcRefusal.ts'
import { type Order, order, originOf, renewalOf } from './enroll.ts'
import type { Exchange } from './exchange.ts'
import { namesOf } from './reenroll.ts'
import { scheduleRevocation } from './replaced.ts'

/** What one part came to, and the certificate for it. */
export interface PartOutcome {
  status: PartStatus
  certificate?: Certificate
}

/** What the requests of a message are looked at with. */
export interface Asking {
  exchange: Exchange
  message: CmcMessage
  identity: Identity
  grants: Grants
}

/** One request for a certificate: RFC 10002 section 3.2.1.2. Throws what is wrong with it. */
export async function enrolOne(asking: Asking, requested: Requested): Promise<PartOutcome> {
  const { exchange, identity } = asking
  if ('error' in requested) throw requested.error
  if (identity.by === 'nobody') throw identity.why
  const proved = 'csr' in requested ? requested : { csr: attestedBy(asking, requested), crmf: requested.unproved }
  checkAsked(proved)
  await checkIssuer(exchange, proved)
  checkPopLink(asking, proved.csr)
  const ordered = { ...validityOf(proved), ...wanted(asking, requested.id, proved.csr) }
  const request = await (identity.by === 'secret'
    ? orderBySecret(exchange, identity, ordered)
    : orderByClient(exchange, identity, ordered))
  return outcomeOf(exchange, request, [requested.id])
}

/** Possession that no signature proves counts on an RA's word alone (sections 6.7, 6.8; RFC 4211 section 4). */
function attestedBy({ identity, grants }: Asking, { id, unproved }: { id: number; unproved: CertReqMsg }): Csr {
  const byAuthority = identity.by === 'message' && identity.client.registrationAuthority !== undefined
  if (grants.possessed.has(id) || (byAuthority && unproved.possession === 'raVerified'))
    return attestCertReqMsg(unproved)
  if (unproved.possession === 'raVerified')
    throw new CmcRefusal('popFailed', 'raVerified is for a registration authority to say, in a message that it signs')
  throw new CmcRefusal(
    'popRequired',
    'possession of the key is proved by a signature here, or by an RA that has looked at it',
  )
}

const KNOWN_CONTROLS: ReadonlySet<string> = new Set([OID.cmcPopLinkWitnessV2, OID.cmcChangeSubjectName])

/** Of a CRMF nothing is overlooked; attributes of a PKCS #10 that mean nothing here never did (RFC 8951 section 4). */
function checkAsked({ csr, crmf }: Proved): void {
  const unknown = crmf ? csr.attributes.filter(({ oid }) => !KNOWN_CONTROLS.has(oid)) : []
  if (unknown.length === 0) return
  throw new CmcRefusal(
    'badRequest',
    `controls that are not known in a CertRequest: ${unknown.map(({ oid }) => oid).join(', ')}`,
  )
}

async function checkIssuer({ door, profile }: Exchange, { crmf }: Proved): Promise<void> {
  const { issuer } = crmf ?? {}
  if (!issuer) return
  const { active } = await door.authorityChain(profile.authorityId)
  if (!active || !sameName(active.certificate.subject, issuer))
    throw new CmcRefusal('badRequest', 'another issuer is asked for than the authority of this profile')
}

function validityOf({ crmf }: Proved): Pick<SignDraft, 'notBefore' | 'notAfter'> {
  const { notBefore, notAfter } = crmf ?? {}
  return { ...(notBefore ? { notBefore } : {}), ...(notAfter ? { notAfter } : {}) }
}

/** The names that are ordered: those of the request, as the RA has changed them, or as its holder asks for others beside them (section 7.1). */
function wanted({ exchange, identity, grants }: Asking, id: number, csr: Csr): Order {
  const { door, profile } = exchange
  const { identifiers: replaced, requestedSubject, ...period } = changed(id, grants)
  const asked = { subject: requestedSubject ?? csr.subject, identifiers: replaced ?? csr.identifiers }
  const identifiers = door.requestedNames(profile, asked)
  const subject = requestedSubject ? { requestedSubject } : {}
  const client = 'client' in identity ? identity.client : {}
  const renewal = renewalOf(exchange, client, { ...csr, ...asked }, identifiers)
  if (!csr.attributes.some(({ oid }) => oid === OID.cmcChangeSubjectName))
    return { csr, identifiers, ...subject, ...period, ...renewal }
  if (renewal.renews === undefined || !client.certificate)
    throw new CmcRefusal(
      'badRequest',
      'ChangeSubjectName is for who renews a certificate by its key and under its names',
    )
  return { csr, ...period, ...renewal, ...namesOf(exchange, client.certificate, csr) }
}

async function orderByClient(
  exchange: Exchange,
  { by, client }: Extract<Identity, { client: Client }>,
  ordered: Order,
): Promise<SignRequest> {
  refuseEnded(exchange, client, ordered)
  // Who signs the message shows by it whose request this is; else the connection is what shows it (RFC 7030 section 3.5).
  if (by === 'connection' || ordered.csr.challengePassword !== undefined) isLinked(exchange, ordered.csr, client)
  return order(exchange, client, ordered)
}

/** Past its end a certificate is good for its own renewal alone, for as long as the profile says. */
function refuseEnded({ now }: Exchange, { certificate }: Client, { renews }: Order): void {
  if (certificate && certificate.notAfter <= now && renews === undefined)
    throw new CmcRefusal('badIdentity', 'the certificate of the signer has expired')
}

/** As by a challenge: names that the secret was made for need nobody's approval, others are refused. */
async function orderBySecret(
  exchange: Exchange,
  identity: Extract<Identity, { by: 'secret' }>,
  ordered: Order,
): Promise<SignRequest> {
  const { host, profile, door: anyone } = exchange
  const { csr, identifiers, requestedSubject } = ordered
  if (csr.challengePassword !== undefined) isLinked(exchange, csr, {})
  const { id } = identity.credential
  const requester = secretHolder(identity, csr.publicKey.spkiHash, exchange)
  const { bound } = await anyone.admitCredential(host.db, id, identifiers)
  const asked = { subject: requestedSubject ?? csr.subject, identifiers, spkiHash: csr.publicKey.spkiHash }
  const door = host.core.as(requester)
  const draft: SignDraft = {
    profile,
    protocol: 'est',
    ...ordered,
    origin: originOf(exchange, {}, { ...asked, requester }),
    entitled: bound && isNamed(profile, asked),
    refusal: 'store',
  }
  const { request } = await door.sign(draft, async (db) => {
    await door.admitCredential(db, id, identifiers, 'commit')
    await door.redeemCredential(db, id)
  })
  return request
}

/** What becomes of a request, as DESIGN has it for EST, in the words of section 6.1.3. */
export async function outcomeOf(
  exchange: Exchange,
  request: SignRequest,
  bodyParts: readonly number[],
): Promise<PartOutcome> {
  const { door, options } = exchange
  switch (request.status) {
    case 'requested':
    case 'signing': {
      const text = request.status === 'requested' ? 'the request waits for approval' : 'the certificate is being made'
      const time = new Date(request.createdAt.getTime() + options.retryAfter)
      return { status: { status: 'pending', bodyParts, text, pending: { token: tokenOf(exchange, request), time } } }
    }
    case 'signed': {
      const certificate = await door.findCertificate({ id: request.id })
      if (!certificate) throw new Failure('internal', 'a signed request has no certificate')
      await scheduleRevocation(exchange, request)
      return { status: { status: 'success', bodyParts }, certificate }
    }
    case 'denied':
    case 'expired':
    case 'canceled':
      await door.answered(request.uuid)
      throw new Failure('forbidden', request.reason ?? REASONS[request.status])
    case 'failed':
      await door.answered(request.uuid)
      throw new CmcRefusal('internalCAError', request.reason ?? 'the certificate could not be made')
    case 'draft':
      throw new Failure('internal', 'an EST request is never a draft')
  }
}

const REASONS = {
  denied: 'the request was denied',
  expired: 'nobody approved the request in time',
  canceled: 'the request was withdrawn',
} as const
