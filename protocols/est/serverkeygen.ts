import { createHash, createHmac } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { ServerKey } from '../../src/core/key/serverKey.ts'
import type { Database } from '../../src/db/open.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type KeyPackageDraft, writeKeyPackage } from '../../src/pki/keyPackage.ts'
import { type KeyEncryption, type KeyRequest, readKeyEncryption, readKeyRequest } from '../../src/pki/keyRequest.ts'
import { nameText } from '../../src/pki/name.ts'
import { isLinked } from './channel.ts'
import { type Client, clientOf } from './client.ts'
import { asking, renewalOf } from './enroll.ts'
import type { Exchange } from './exchange.ts'
import { closingFor } from './keyRecipient.ts'
import { orderTake } from './limits.ts'
import { multipartAnswer } from './multipart.ts'
import { outcomeOf } from './outcome.ts'
import { CERTS_ONLY, readRequestBody } from './transfer.ts'

/** serverkeygen: RFC 7030 section 4.4. The request is treated as any other, but for its key and its signature. */
export async function serverKeyGen(exchange: Exchange): Promise<HttpAnswer> {
  const { options, profile, door, host } = exchange
  if (!options.serverkeygen.serve)
    throw new Failure('unsupported', 'this profile makes no keys: make one, and use simpleenroll')
  const client = await clientOf(exchange)
  const request = readKeyRequest(await readRequestBody(exchange.incoming, 'application/pkcs10'))
  const linked = isLinked(exchange, request, client)
  const encryption = encryptionOf(exchange, request)
  const identifiers = door.requestedNames(profile, request)
  const ref = referenceOf(exchange, client, { request, identifiers, encryption })
  const slot = await door.serverKeys.slot(profile, { protocol: 'est', ref })
  // Before it is known that he may ask there is no key to which a challenge could be bound: the place of the key stands for it.
  const spkiHash = createHash('sha256').update(slot.origin.ref).digest('hex')
  const { requester, entitled, grant } = await asking(exchange, client, {
    subject: request.subject,
    identifiers,
    spkiHash,
  })
  const own = host.core.as(requester)
  // Before anything is issued that could not be delivered.
  const closing = encryption && (await closedFor(exchange, client, encryption))
  // A key that is made is never the one that is held.
  const renewal = renewalOf(exchange, client, { subject: request.subject, publicKey: { spkiHash } }, identifiers)
  const charge = orderTake(exchange, client, renewal)
  if (charge && slot.id === undefined) await own.limits.admit(host.db, [charge])
  const draft = {
    profile,
    protocol: 'est',
    ...renewal,
    origin: slot.origin,
    identifiers,
    entitled,
    refusal: 'store',
  } as const
  const claim = async (db: Database) => {
    if (grant) await own.redeemChallenge(db, grant)
    if (charge) await own.limits.take(db, charge)
  }
  // An RSA key is dear: none is made for who is refused whatever it is.
  const keyless = { ...draft, subject: request.subject }
  const refused = slot.id === undefined ? await own.serverKeys.refused(keyless, request, claim) : undefined
  if (refused) return outcomeOf(exchange, refused.request, linked)
  const key = await own.serverKeys.prepare({ profile, slot, request, keep: options.serverkeygen.keep })
  const { request: order } = await own.sign({ ...draft, csr: key.csr }, claim)
  return outcomeOf(exchange, order, linked, (certificate) => handOver(exchange, own, { key, certificate, closing }))
}

function encryptionOf({ options }: Exchange, { attributes }: KeyRequest): KeyEncryption | undefined {
  const encryption = readKeyEncryption(attributes)
  if (encryption || options.serverkeygen.encryption === 'optional') return encryption
  throw new Failure(
    'forbidden',
    'this profile hands keys over encrypted only: name a key by DecryptKeyIdentifier or AsymmetricDecryptKeyIdentifier',
  )
}

/**
 * By what the same request is known again, although its key, signature and channel binding are others each time: who asks, as far as he has shown it, which names,
 * which kind of key, and to what it is to be closed: nobody gets in the open what another has asked for closed. A password is part of it, so the result is keyed.
 */
function referenceOf(
  { host, operation, profile }: Exchange,
  { certificate, registrationAuthority, device, password }: Client,
  {
    request,
    identifiers,
    encryption,
  }: { request: KeyRequest; identifiers: readonly Identifier[]; encryption: KeyEncryption | undefined },
): string {
  const shown = certificate ?? registrationAuthority ?? device
  const names = identifiers.map(({ type, value }) => `${type}:${value}`).sort()
  const closed = encryption ? [encryption.symmetric, encryption.identifier.toString('hex')] : []
  const who = [shown?.fingerprint ?? '', password?.name ?? '', password?.secret ?? '']
  const what = [
    operation,
    profile.id,
    profile.variant ?? '',
    nameText(request.subject),
    names,
    request.kind ?? '',
    closed,
  ]
  return createHmac('sha256', host.secret)
    .update(JSON.stringify([who, what]))
    .digest('hex')
}

/** To whom a key package is closed, and who signs it: the one that makes the key (section 4.4.2) is this server, by the profile's message key. */
async function closedFor(exchange: Exchange, client: Client, encryption: KeyEncryption): Promise<KeyPackageDraft> {
  const closing = await closingFor(exchange, client, encryption)
  const [signer] = await exchange.door.messageKeys(exchange.profile, { key: 'ra', size: 2048 })
  return { ...closing, signer, chain: signer.issuers }
}

interface Delivery {
  key: ServerKey
  certificate: Certificate
  closing: KeyPackageDraft | undefined
}

/** Section 4.4.2: the key in one part, in the other the certificate as simpleenroll has it. */
async function handOver({ incoming, options }: Exchange, own: Door, delivery: Delivery): Promise<HttpAnswer> {
  const { key, certificate, closing } = delivery
  if (certificate.spkiHash !== key.csr.publicKey.spkiHash)
    throw new Failure('internal', 'the certificate is not that of the key that was made')
  const { repeat } = options.serverkeygen
  const how = { certificate: certificate.id, encrypted: closing !== undefined, repeat }
  const pkcs8 = await own.serverKeys.handOver(key, how)
  const part = closing
    ? { type: 'application/pkcs7-mime; smime-type=server-generated-key', der: await writeKeyPackage(pkcs8, closing) }
    : { type: 'application/pkcs8', der: pkcs8 }
  return multipartAnswer(incoming, [part, { type: CERTS_ONLY, der: writeCertsOnly([certificate.der]) }])
}
