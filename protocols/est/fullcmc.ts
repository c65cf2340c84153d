import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { MessageKey } from '../../src/core/key/messageKey.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { octets } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { writePkiResponse } from '../../src/pki/pkiResponse.ts'
import { writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { clientOf } from './client.ts'
import { newNonce } from './cmcPending.ts'
import { type Outcome, processMessage, readFullRequest } from './cmcProcess.ts'
import { asStatus, CmcRefusal, type PartStatus } from './cmcRefusal.ts'
import type { Exchange } from './exchange.ts'
import { base64Answer, CERTS_ONLY, readRequestBody } from './transfer.ts'

const CMC_RESPONSE = 'application/pkcs7-mime; smime-type=CMC-response'

/**
 * fullcmc: RFC 7030 section 4.3, with the messages of RFC 10002. What is no full PKI request at all is refused in text; everything else has an answer of CMC,
 * signed by the key with which messages of this profile are signed.
 */
export async function fullCmc(exchange: Exchange): Promise<HttpAnswer> {
  const { incoming, door, profile } = exchange
  refuseOtherType(incoming.headers['content-type'] ?? '')
  const bytes = await readRequestBody(incoming, 'application/pkcs7-mime')
  const parts = readRequest(bytes)
  // Before anything is done that could not be answered.
  const [key] = await door.messageKeys(profile, { key: 'ra', size: 2048 })
  const outcome = (await refusedClient(exchange)) ?? (await processMessage(exchange, parts))
  const { simple, batch } = outcome
  const body = simple && !batch ? await simpleResponse(exchange, outcome) : await fullResponse(exchange, outcome, key)
  const { status, headers } = httpOf(exchange, outcome)
  return { ...base64Answer(incoming, simple && !batch ? CERTS_ONLY : CMC_RESPONSE, body, headers), status }
}

/** RFC 10003 section 5, table 2; compared without case (RFC 7030 section 4.3.1 and RFC 10003 write it differently). */
function refuseOtherType(contentType: string): void {
  if (/;\s*smime-type\s*=\s*"?cmc-request"?\s*(?:;|$)/i.test(contentType)) return
  const detail = 'send a full PKI request, as Content-Type: application/pkcs7-mime; smime-type=CMC-request'
  throw new Failure('unsupportedMediaType', detail)
}

function readRequest(bytes: Buffer) {
  try {
    return readFullRequest(bytes)
  } catch (error) {
    if (!(error instanceof CmcRefusal)) throw error
    throw new Failure('malformed', error.message, { cause: error })
  }
}

/** A profile that wants to see a certificate, or a password, wants it of whoever sends messages too. */
async function refusedClient(exchange: Exchange): Promise<Outcome | undefined> {
  if (exchange.options.require === 'any') return undefined
  try {
    await clientOf({ ...exchange, operation: 'simpleenroll' })
    return undefined
  } catch (error) {
    return { statuses: [asStatus(error, [0], exchange)], certificates: [], controls: undefined, simple: false }
  }
}

/** RFC 10002 section 4.1. */
async function simpleResponse(exchange: Exchange, { certificates }: Outcome): Promise<Buffer> {
  return writeCertsOnly(await withIssuers(exchange, certificates))
}

/** Certificates, then what leads from them to a root, each once. */
async function withIssuers({ door }: Exchange, certificates: readonly Certificate[]): Promise<Buffer[]> {
  const out = new Map<string, Buffer>()
  const add = (der: Buffer) => out.set(der.toString('latin1'), der)
  for (const { der } of certificates) add(der)
  for (const certificate of certificates) for (const der of intermediates(await door.chain(certificate))) add(der)
  return [...out.values()]
}

const intermediates = (chain: readonly Buffer[]): Buffer[] =>
  chain.filter((der) => {
    const { issuer, subject } = readBareCertificate(der)
    return !issuer.equals(subject)
  })

/** Section 4.2. */
async function fullResponse(exchange: Exchange, outcome: Outcome, key: MessageKey): Promise<Buffer> {
  const { statuses, certificates, controls, batch } = outcome
  const { transactionId, senderNonce, dataReturn } = controls ?? {}
  const answers: Buffer[] = []
  for (const inner of batch ?? [])
    answers.push(inner.simple ? await simpleResponse(exchange, inner) : await fullResponse(exchange, inner, key))
  const content = writePkiResponse({
    statuses,
    controls: [
      ...(transactionId ? [{ oid: OID.cmcTransactionId, value: transactionId.der }] : []),
      ...(senderNonce ? [{ oid: OID.cmcRecipientNonce, value: octets(senderNonce.octets) }] : []),
      ...(senderNonce ? [{ oid: OID.cmcSenderNonce, value: octets(newNonce(exchange, controls ?? {})) }] : []),
      ...(dataReturn ? [{ oid: OID.cmcDataReturn, value: octets(dataReturn.octets) }] : []),
    ],
    ...(answers.length > 0 ? { batch: answers } : {}),
  })
  const issued = await withIssuers(exchange, certificates)
  const chain = [...issued, ...intermediates(key.issuers).filter((der) => !issued.some((other) => other.equals(der)))]
  return writeSignedData({ content, contentType: OID.pkiResponse, digest: 'sha256', attributes: [], chain }, key)
}

/** What HTTP says of it: 200 if anything was done, 202 while all of it waits, else an error (RFC 7030 sections 4.2.3, 4.3.2). */
function httpOf({ options }: Exchange, { statuses }: Outcome): NonNullable<PartStatus['http']> {
  const pending = statuses.filter(({ status }) => status === 'pending')
  const failed = statuses.filter(({ status }) => status === 'failed' || status === 'noSupport')
  if (failed.length === statuses.length) return failed[0]?.http ?? { status: 400 }
  if (pending.length < statuses.length) return { status: 200 }
  return { status: 202, headers: { 'Retry-After': String(Math.ceil(options.retryAfter / 1000)) } }
}
