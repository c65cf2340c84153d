import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Credential } from '../../src/core/enrolment/credential.ts'
import type { Requester } from '../../src/core/requester.ts'
import { type Device, entitles, recognise } from '../../src/http/device.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { type PasswordMac, readPasswordMac } from '../../src/pki/cmpMac.ts'
import type { CmpMessage } from '../../src/pki/cmpMessage.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type Name, nameText, sameName } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { verifySignature } from '../../src/pki/signer.ts'
import { CmpRefusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { earlierSigners } from './transaction.ts'

/** Who protects the messages of a transaction. */
export type Sender =
  | {
      by: 'secret'
      credential: Credential
      name: string
      /** DER AlgorithmIdentifier of the message: the answer has the same. */
      algorithm: Buffer
      mac(input: Buffer): Buffer
    }
  | {
      by: 'certificate'
      certificate: Certificate
      /** It makes its holder one for this authority (id-kp-cmcRA). */
      registrationAuthority: boolean
      /** Why it is good for nothing but to hear of its own revocation. */
      ended?: string
    }
  | { by: 'device'; device: Device }

/** One text for a sender, the same for the same. */
export function senderKey(sender: Sender): string {
  switch (sender.by) {
    case 'secret':
      return `secret:${sender.credential.uuid}`
    case 'certificate':
      return `certificate:${sender.certificate.fingerprint}`
    case 'device':
      return `device:${sender.device.fingerprint}`
  }
}

/** Whether its word makes names good, as somebody else's approval would: made for them, in its certificate, or by a registration authority. */
export function isEntitled(
  sender: Exclude<Sender, { by: 'secret' }>,
  asked: { subject: Name; identifiers: readonly Identifier[] },
): boolean {
  return sender.by === 'device' ? entitles(sender.device, asked) : sender.registrationAuthority
}

type Protected = CmpMessage & { header: { transactionId: Buffer } }

const generic = { generic: true }

/** Finds out, and checks the protection: RFC 9483 section 3.5. Throws CmpRefusal; Failure('forbidden') for a secret that was revoked. */
export async function senderOf(exchange: Exchange, message: Protected): Promise<Sender> {
  const { header, protection } = message
  const { protectionAlg } = header
  if (!protectionAlg || !protection)
    throw new CmpRefusal(
      'badMessageCheck',
      'the message is not protected: use a shared secret or a certificate',
      generic,
    )
  const mac = readPasswordMac(protectionAlg)
  const { options } = exchange
  if (!options.protection.includes(mac ? 'secret' : 'certificate'))
    throw new CmpRefusal(
      'wrongIntegrity',
      mac ? 'messages to this profile are signed' : 'messages to this profile are protected by a shared secret',
      generic,
    )
  return mac ? bySecret(exchange, message, { mac, protectionAlg, protection }) : byCertificate(exchange, message)
}

interface Maced {
  mac: PasswordMac
  protectionAlg: Buffer
  protection: Buffer
}

async function bySecret(exchange: Exchange, message: Protected, { mac, ...given }: Maced): Promise<Sender> {
  const { door, profile, options, host } = exchange
  if (!options.macs.includes(mac.hash))
    throw new CmpRefusal('badAlg', `this profile takes no MAC with ${mac.hash}`, generic)
  const name = referenceOf(message)
  const credential = name === undefined ? undefined : await door.credential(profile, 'cmp', name)
  // A reference that nobody has takes as long as one whose secret is wrong.
  const make = await (credential ? credential.passwordMac(mac) : mac.derive(randomBytes(32)))
  const right = make(message.protectedPart)
  const { protection } = given
  const same = protection.length === right.length && timingSafeEqual(protection, right)
  if (!credential || name === undefined || !same) {
    const text = 'the message was not protected by a shared secret of this reference (senderKID)'
    throw new CmpRefusal('badMessageCheck', text, generic)
  }
  await door.admitCredential(host.db, credential.id, [])
  return { by: 'secret', credential, name, algorithm: given.protectionAlg, mac: make }
}

/** senderKID, or the common name of the sender (RFC 9483 section 4.1.5). */
function referenceOf({ header }: CmpMessage): string | undefined {
  const { senderKid, senderName = [] } = header
  if (senderKid) return senderKid.toString('utf8')
  return senderName.flat().find(({ type }) => type === 'CN')?.value
}

async function byCertificate(exchange: Exchange, message: Protected): Promise<Sender> {
  const known = await ownSigner(exchange, message)
  const device = known ? undefined : await deviceOf(exchange, message)
  const fields = known ? readCertificate(known.der) : device?.certificate
  if (!fields) {
    const text = 'the certificate that signed the message is none of ours: put it first into extraCerts'
    throw new CmpRefusal('signerNotTrusted', text, generic)
  }
  checkSignature(message, fields)
  if (known) return { by: 'certificate', certificate: known, ...standingOf(exchange, known, fields) }
  if (!device) throw new CmpRefusal('signerNotTrusted', 'nobody knows who signed the message', generic)
  refuseOther(fields)
  return { by: 'device', device }
}

function checkSignature(
  { header, protectedPart, protection = Buffer.alloc(0) }: Protected,
  { publicKey, subject }: CertificateFields,
): void {
  if (!verifySignature(header.protectionAlg ?? Buffer.alloc(0), publicKey, protectedPart, protection)) {
    throw new CmpRefusal('badMessageCheck', 'the message was not signed with the key of this certificate', generic)
  }
  if (header.senderName && !sameName(header.senderName, subject))
    throw new CmpRefusal('badMessageCheck', 'the sender is not the subject of the certificate that signed', generic)
}

/** The first of extraCerts where that is ours, or another there that senderKID names; where none came along, one that signed in this transaction before. */
async function ownSigner(exchange: Exchange, { header, extraCerts }: Protected): Promise<Certificate | undefined> {
  const came = extraCerts.map((der) => createHash('sha256').update(der).digest('hex'))
  const fingerprints = came.length > 0 ? came : await earlierSigners(exchange, header.transactionId)
  const found: Certificate[] = []
  for (const fingerprint of fingerprints) {
    const certificate = await exchange.door.findCertificate({ fingerprint })
    // One that was only made known here says no more of its holder than somebody else's does, unless it was revoked.
    if (certificate && (certificate.source === 'managed' || certificate.status !== 'issued')) found.push(certificate)
  }
  const named = found.find(({ der }) => header.senderKid && readCertificate(der).ski?.equals(header.senderKid))
  return named ?? found.find(({ fingerprint }) => came.length === 0 || fingerprint === came[0])
}

/** With the certificate of a manufacturer whom the profile trusts, first in extraCerts. Throws CmpRefusal; Failure('unavailable') while a CRL cannot be had. */
async function deviceOf({ host, options }: Exchange, { extraCerts }: Protected): Promise<Device | undefined> {
  const [der, ...chain] = extraCerts
  if (!der || options.trustAnchors.length === 0) return undefined
  const known = await recognise(host, { der, chain }, options.trustAnchors)
  if ('device' in known) return known.device
  throw new CmpRefusal('signerNotTrusted', `the certificate that signed the message ${known.problem}`, generic)
}

/** Throws CmpRefusal for a certificate that was never good for this. */
function standingOf(
  { profile, options, now }: Exchange,
  certificate: Certificate,
  fields: CertificateFields,
): { registrationAuthority: boolean; ended?: string } {
  refuseOther(fields)
  const { extendedKeyUsage: purposes } = fields
  const { status, notBefore, notAfter, profileId, authorityId } = certificate
  const isAuthority =
    options.registrationAuthorities && authorityId === profile.authorityId && purposes?.includes(OID.cmcRA) === true
  const problem =
    notBefore > now
      ? 'is not valid yet'
      : notAfter <= now
        ? 'has expired'
        : !isAuthority && profileId !== profile.id
          ? 'is of another profile'
          : undefined
  if (problem !== undefined)
    throw new CmpRefusal('signerNotTrusted', `the certificate that signed the message ${problem}`, generic)
  const ended = status === 'issued' ? undefined : status === 'hold' ? 'is on hold' : 'is revoked'
  return { registrationAuthority: isAuthority, ...(ended === undefined ? {} : { ended }) }
}

/** RFC 9483 section 3.5. */
function refuseOther({ keyUsage }: CertificateFields): void {
  if (!keyUsage || keyUsage.includes('digitalSignature')) return
  throw new CmpRefusal('signerNotTrusted', 'the certificate that signed the message is not for signatures', generic)
}

/** Throws CmpRefusal for a certificate that was revoked. */
export function refuseEnded(sender: Sender): void {
  if (sender.by !== 'certificate' || sender.ended === undefined) return
  throw new CmpRefusal('signerNotTrusted', `the certificate that signed the message ${sender.ended}`, generic)
}

/** Who asks. The key goes along with a shared secret: what people approved for one device is no approval for the next. */
export function requesterOf({ source }: Exchange, sender: Sender, spkiHash: string): Requester {
  const from = source === undefined ? {} : { source }
  if (sender.by === 'secret') {
    const { credential, name } = sender
    return {
      kind: 'credential',
      ref: `${credential.uuid}/${spkiHash}`,
      name: `who knows the shared secret of ${name}`,
      people: credential.people,
      credential: credential.id,
      ...from,
    }
  }
  if (sender.by === 'device') {
    const { certificate, fingerprint, anchor } = sender.device
    const device = `the holder of ${nameText(certificate.subject) || 'a certificate'}, serial ${certificate.serial}`
    return { kind: 'client-certificate', ref: fingerprint, name: `${device}, of ${anchor.name}`, people: [], ...from }
  }
  const { subject, serial, fingerprint } = sender.certificate
  const holder = `the holder of ${subject || 'a certificate'}, serial ${serial}`
  const name = sender.registrationAuthority ? `${holder}, as a registration authority` : holder
  return { kind: 'client-certificate', ref: fingerprint, name, people: [], ...from }
}
