import { readPollRequest } from '../../src/pki/cmpBody.ts'
import { certRepBody } from '../../src/pki/cmpWriter.ts'
import { asRejection, CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { answers, NO_ID, orderId, outcomeOf } from './outcome.ts'
import { outcomeOf as revocationOf } from './revocation.ts'
import { refuseEnded } from './sender.ts'
import { findTransaction, originOf, transactionRef } from './transaction.ts'

/** pollReq: RFC 9483 section 4.4. By the transactionID and whoever protected the first message. */
export async function poll(exchange: Exchange, { message, sender }: Authenticated): Promise<Reply> {
  const [id, ...more] = readPollRequest(message.content)
  if (id === undefined || more.length > 0)
    throw new CmpRefusal('badRequest', 'a pollReq that does not have one certReqId')
  const begun = await findTransaction(exchange.host.db, transactionRef(message.header.transactionId, sender))
  if (begun?.body === 'rr') return revocationOf(exchange, sender, begun, true)
  refuseEnded(sender)
  const request = begun && (await exchange.door.findSignRequest(originOf(begun.origin)))
  if (!begun || !request)
    throw new CmpRefusal('badRequest', 'there is no such transaction of yours: begin with a request')
  const { body: type } = begun
  const certReqId = orderId(request)
  // -1 is the whole answer; of a p10cr, which had none, clients write 0 too.
  if (id !== certReqId && id !== NO_ID && !(certReqId === NO_ID && id === 0n))
    throw new CmpRefusal('badRequest', 'pollReq has another certReqId than the request')
  try {
    return await outcomeOf({ exchange, sender, type, begun, polled: true }, request)
  } catch (error) {
    return { body: certRepBody(answers[type], { certReqId, info: asRejection(error, exchange) }) }
  }
}
