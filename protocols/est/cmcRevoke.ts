import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RevokeDraft } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { RevokeControl } from '../../src/pki/cmcControl.ts'
import { type Name, sameName } from '../../src/pki/name.ts'
import type { Controls } from './cmcControls.ts'
import { type Identity, secretHolder } from './cmcIdentity.ts'
import type { CmcMessage } from './cmcMessage.ts'
import { CmcRefusal, type PartStatus } from './cmcRefusal.ts'
import { certificateRequester } from './enroll.ts'
import type { Exchange } from './exchange.ts'

interface By {
  message: Pick<CmcMessage, 'signer' | 'controls'>
  identity: Identity
}

type Revoker = { requester: Requester } & Pick<RevokeDraft, 'grounds'>

/**
 * Revocation Request (RFC 10002 section 6.11): by the key of the certificate, by the shared secret with which it was ordered, or by a registration authority, whom
 * the profile's rules judge. Throws CmcRefusal('badCertId') alike for a certificate that is not there and for somebody else's; Failure as Door.revoke does.
 */
export async function revokeOne(exchange: Exchange, by: By, id: number, wanted: RevokeControl): Promise<PartStatus> {
  const certificate = await findNamed(exchange, wanted)
  const revoker = certificate && (await revokerOf(exchange, by, certificate, wanted))
  if (!certificate || !revoker) throw notYours()
  const { reason, invalidityDate, comment } = wanted
  const request = await exchange.host.core.as(revoker.requester).revoke({
    protocol: 'est',
    certificate: certificate.id,
    reason,
    grounds: revoker.grounds,
    ...(invalidityDate ? { invalidityDate } : {}),
    ...(comment ? { comment } : {}),
  })
  switch (request.status) {
    case 'revoked':
      return { status: 'success', bodyParts: [id] }
    case 'requested':
    case 'revoking': {
      // `pending` is for orders of certificates alone (section 6.1.3).
      const retryAfter = Math.ceil(exchange.options.retryAfter / 1000)
      throw new Failure('unavailable', 'the revocation waits: ask for it again', { retryAfter })
    }
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      throw new Failure('forbidden', request.reason ?? 'the revocation was not carried out')
  }
}

const notYours = () =>
  new CmcRefusal('badCertId', 'there is no certificate of yours with this issuer and serial number')

/** By issuer and serial number, of this profile's authority. */
async function findNamed(
  { door, profile }: Exchange,
  { issuer, serial }: { issuer: Name; serial: string },
): Promise<Certificate | undefined> {
  const certificate = await door.findCertificate({ serial, authority: profile.authorityId })
  if (!certificate) return undefined
  const { active, earlier } = await door.authorityChain(profile.authorityId)
  const by = [active, ...earlier].find((each) => each?.id === certificate.authorityCertificateId)
  return by && sameName(by.certificate.subject, issuer) ? certificate : undefined
}

async function revokerOf(
  exchange: Exchange,
  { message, identity }: By,
  certificate: Certificate,
  { sharedSecret }: RevokeControl,
): Promise<Revoker | undefined> {
  if (sharedSecret) return bySharedSecret(exchange, message.controls, certificate, sharedSecret)
  const { signer } = message
  // A signature by the message’s own key alone says nothing of who it is, but all of whose key it is.
  if (signer?.publicKey.spkiHash === certificate.spkiHash)
    return { requester: certificateRequester(exchange, certificate), grounds: 'key' }
  if (identity.by !== 'message') return undefined
  const { registrationAuthority } = identity.client
  if (!registrationAuthority) return undefined
  const requester = certificateRequester(exchange, registrationAuthority, true)
  const own = certificate.requesterKey === `${requester.kind}:${requester.ref}`
  return { requester, grounds: own ? 'account' : 'registrationAuthority' }
}

/** The secret itself, in the message: nothing else there is covered by it. It revokes what was ordered with it. */
async function bySharedSecret(
  exchange: Exchange,
  { identification }: Pick<Controls, 'identification'>,
  certificate: Certificate,
  sharedSecret: Buffer,
): Promise<Revoker | undefined> {
  const { door, host, profile } = exchange
  const name = identification?.text
  const credential = name === undefined ? undefined : await door.credential(profile, 'cmc', name)
  const refused = new CmcRefusal(
    'badIdentity',
    'a sharedSecret is that of the control identification, and of the order',
  )
  if (!credential || name === undefined || !credential.isSecret(sharedSecret)) throw refused
  const requester = secretHolder({ credential, name }, certificate.spkiHash, exchange)
  if (certificate.requesterKey !== `${requester.kind}:${requester.ref}`) throw refused
  await door.admitCredential(host.db, credential.id, [])
  return { requester, grounds: 'account' }
}

/**
 * Confirm Certificate Acceptance (section 6.14). No certificate waits for it here, and it is confirmed that it was heard: to whoever holds the certificate's key, or
 * has ordered it.
 */
export async function accepted(
  exchange: Exchange,
  { message, identity }: By,
  named: Controls['acceptances'][number],
): Promise<PartStatus> {
  const certificate = await findNamed(exchange, named)
  if (!certificate || !isHolder(exchange, { message, identity }, certificate)) throw notYours()
  return { status: 'success', bodyParts: [named.id] }
}

function isHolder(exchange: Exchange, { message, identity }: By, certificate: Certificate): boolean {
  if (message.signer?.publicKey.spkiHash === certificate.spkiHash) return true
  if (identity.by === 'nobody' || identity.by === 'vouched') return false
  if (identity.by === 'secret') {
    const { kind, ref } = secretHolder(identity, certificate.spkiHash, exchange)
    return certificate.requesterKey === `${kind}:${ref}`
  }
  const { certificate: shown, registrationAuthority } = identity.client
  const by = shown ?? registrationAuthority
  return (
    by !== undefined &&
    (by.id === certificate.id || certificate.requesterKey === `client-certificate:${by.fingerprint}`)
  )
}
