import type { IncomingMessage } from 'node:http'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { requestId } from '../../src/http/requestId.ts'
import { getCert, getCrl } from './access.ts'
import type { RequestType } from './attributes.ts'
import { certRep, type Outcome } from './certRep.ts'
import { enrol } from './enrol.ts'
import { recipientOf } from './envelope.ts'
import { asRefusal, Refusal, Unreadable } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { admitOpening } from './limits.ts'
import { type ClaimedMessage, digestFor, type PkiMessage, readMessage, verifyMessage } from './message.ts'
import { issuerFor } from './nextCa.ts'
import { poll } from './poll.ts'

/** What is done for each type of message (RFC 8894 section 3.3). */
const operations = {
  PKCSReq: enrol,
  RenewalReq: enrol,
  CertPoll: poll,
  GetCert: getCert,
  GetCRL: getCrl,
} satisfies Record<RequestType, (exchange: Exchange, message: PkiMessage) => Promise<Outcome>>

/**
 * PKIOperation: what can be read at all is answered by a CertRep, and anything else by HTTP 400. Throws Failure('rateLimited') for an address from where too
 * much came that does not open, and DatabaseUnavailable.
 */
export async function pkiOperation(exchange: Exchange, incoming: IncomingMessage, bytes: Buffer): Promise<HttpAnswer> {
  let message: ClaimedMessage
  try {
    message = readMessage(bytes)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return plain(400, error.message)
  }
  await admitOpening(exchange, message)
  const digest = digestFor(message, exchange.options.digests)
  const answering = { key: exchange.keys[0], digest }
  let outcome: Outcome
  try {
    const verified = verifyMessage(message, exchange.options, exchange.now)
    // A client that asks by an earlier key of ours checks the answer by that key.
    const key = recipientOf(verified.envelope, exchange.keys)
    answering.key = key ?? answering.key
    const issuer = await issuerFor(exchange, key)
    outcome = await operations[verified.type]({ ...exchange, ...(issuer === undefined ? {} : { issuer }) }, verified)
  } catch (error) {
    // A FAILURE ends the transaction for its client, and nobody knows yet what became of it: the same message, sent again, finds out.
    if (error instanceof DatabaseUnavailable) throw error
    outcome = { status: 'FAILURE', refusal: asRefusal(error) ?? unforeseen(exchange, incoming, error) }
  }
  return certRep(message, outcome, answering)
}

function unforeseen({ host }: Exchange, incoming: IncomingMessage, error: unknown): Refusal {
  const id = requestId(incoming)
  host.log.error({ err: error, request: id }, 'a request failed')
  return new Refusal('badRequest', `an error of the server; its log has the details under ${id}`)
}
