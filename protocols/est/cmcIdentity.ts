import type { Credential } from '../../src/core/enrolment/credential.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { type Client, certificateHolder, clientOf } from './client.ts'
import type { CmcMessage } from './cmcMessage.ts'
import { CmcRefusal } from './cmcRefusal.ts'
import type { Exchange } from './exchange.ts'

/**
 * Whose message it is: by the certificate that signed it; by the word of an RA, for whom it then counts what is ordered, and no more; by a shared secret; by the
 * connection that it came over; or nobody's that is known.
 */
export type Identity =
  | { by: 'message' | 'vouched' | 'connection'; client: Client }
  | { by: 'secret'; credential: Credential; name: string }
  | { by: 'nobody'; why: unknown }

/** What an RA has said of a message within its own. */
export interface Vouched {
  registrationAuthority: Client
  /** It has looked at the identity of the whole message. */
  whole: boolean
  /** Identity proofs that it has checked, which it alone can. */
  proofs: ReadonlySet<number>
}

/**
 * Finds out. An identity proof that is there must be right, whoever signed (RFC 10002 section 6.2.1). Throws CmcRefusal('badIdentity'), and what `clientOf` throws
 * for the certificate of the signer.
 */
export async function identityOf(exchange: Exchange, message: CmcMessage, vouched?: Vouched): Promise<Identity> {
  const identity = await shownIdentity(exchange, message, vouched)
  const { require } = exchange.options
  return require === 'password' || require === 'both' ? withPassword(exchange, identity, vouched) : identity
}

/** Where the profile wants a password too, it goes with the order, which is what it is looked at for. */
async function withPassword(exchange: Exchange, identity: Identity, vouched: Vouched | undefined): Promise<Identity> {
  if (identity.by === 'connection' || identity.by === 'nobody') return identity
  if (identity.by === 'secret' || vouched)
    throw new CmcRefusal('badIdentity', 'this profile wants a password with each order: by HTTP, and not in a batch')
  const { password } = await clientOf({ ...exchange, operation: 'simpleenroll' })
  return { by: identity.by, client: { ...identity.client, ...(password ? { password } : {}) } }
}

async function shownIdentity(exchange: Exchange, message: CmcMessage, vouched?: Vouched): Promise<Identity> {
  const { identityProof } = message.controls
  const seen = identityProof !== undefined && vouched?.proofs.has(identityProof.id) === true
  if (identityProof && !seen) return bySecret(exchange, message)
  if (vouched && (vouched.whole || seen)) return { by: 'vouched', client: vouched.registrationAuthority }
  const { signer } = message
  if (signer && 'certificate' in signer) return { by: 'message', client: await bySigner(exchange, message) }
  const unproved = new CmcRefusal('badIdentity', 'neither a certificate nor a shared secret says whose message this is')
  // The connection is the RA's.
  if (vouched) return { by: 'nobody', why: unproved }
  return byConnection(exchange)
}

async function bySecret(exchange: Exchange, { controls, data }: CmcMessage): Promise<Identity> {
  const { identification, identityProof } = controls
  const bodyParts = [identification, identityProof].flatMap((part) => (part ? [part.id] : []))
  if (!identification)
    throw new CmcRefusal('badIdentity', 'an identity proof needs the control identification', { bodyParts })
  const name = identification.text
  const credential = await exchange.door.credential(exchange.profile, 'cmc', name)
  const over = { identification: name, input: data.requestSequence }
  if (identityProof && credential?.verifyWitness(identityProof.witness, over)) return { by: 'secret', credential, name }
  throw new CmcRefusal('badIdentity', 'the identity proof was not made with a shared secret of this identification', {
    bodyParts,
  })
}

/** As for a TLS client, but whoever holds the key of a certificate may renew by it, whatever it is for. */
async function bySigner(exchange: Exchange, { signer, certificates }: CmcMessage): Promise<Client> {
  const der = signer && 'certificate' in signer ? signer.certificate : Buffer.alloc(0)
  const chain = certificates.filter((other) => !other.equals(der))
  const shown = { der, chain, by: 'tls' } as const
  const holder = await certificateHolder({ ...exchange, operation: 'simplereenroll' }, shown).catch(asBadIdentity)
  if ('problem' in holder)
    throw new CmcRefusal('badIdentity', holder.problem.replaceAll('client certificate', 'certificate of the signer'))
  return holder
}

function asBadIdentity(error: unknown): never {
  if (!(error instanceof Failure) || error.code !== 'forbidden') throw error
  throw new CmcRefusal('badIdentity', error.detail.replaceAll('client certificate', 'certificate of the signer'), {
    cause: error,
  })
}

async function byConnection(exchange: Exchange): Promise<Identity> {
  try {
    return { by: 'connection', client: await clientOf({ ...exchange, operation: 'simpleenroll' }) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { by: 'nobody', why: error }
  }
}

/** Who asks by a shared secret; the key goes along, as with challenges: what people approved for one device is no approval for the next. */
export function secretHolder(
  { credential, name }: { credential: Credential; name: string },
  spkiHash: string,
  { source }: Exchange,
): Requester {
  return {
    kind: 'credential',
    ref: `${credential.uuid}/${spkiHash}`,
    name: `who knows the shared secret of ${name}`,
    people: credential.people,
    credential: credential.id,
    ...(source === undefined ? {} : { source }),
  }
}
