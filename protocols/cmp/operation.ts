import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readPasswordMac } from '../../src/pki/cmpMac.ts'
import { type CmpBodyType, type CmpMessage, readCmpMessage } from '../../src/pki/cmpMessage.ts'
import { errorBody } from '../../src/pki/cmpWriter.ts'
import { PkiError } from '../../src/pki/error.ts'
import { networkOf } from '../../src/pki/ip.ts'
import { confirm } from './confirm.ts'
import { asRejection, CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { general } from './general.ts'
import { admitMessage, countUnprotected } from './limits.ts'
import { checkRecipNonce } from './nonce.ts'
import { order } from './order.ts'
import { fits, type Target } from './paths.ts'
import { poll } from './poll.ts'
import { respond } from './respond.ts'
import { revoke } from './revocation.ts'
import { refuseEnded, type Sender, senderOf } from './sender.ts'
import { inTurn } from './turn.ts'

type Operate = (exchange: Exchange, asked: Authenticated) => Promise<Reply>

const ordering =
  (type: 'ir' | 'cr' | 'kur' | 'p10cr'): Operate =>
  (exchange, asked) => {
    refuseEnded(asked.sender)
    return order(exchange, type, asked)
  }

/** What is done for each message of a client (RFC 9483 section 4). */
const operations: Partial<Record<CmpBodyType, Operate>> = {
  ir: ordering('ir'),
  cr: ordering('cr'),
  kur: ordering('kur'),
  p10cr: ordering('p10cr'),
  rr: revoke,
  genm: general,
  certConf: confirm,
  pollReq: poll,
}

/** What can be read at all is answered by a PKIMessage, and anything else by HTTP 400. */
export async function operate(exchange: Exchange, target: Target, bytes: Buffer): Promise<HttpAnswer> {
  let message: CmpMessage
  try {
    message = readCmpMessage(bytes)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    return plain(400, `this is no PKIMessage of CMP: ${error.message}`)
  }
  let admitted = false
  const look = async () => {
    await admitMessage(exchange)
    admitted = true
    return recognise(exchange, target, message)
  }
  let known: Recognised
  try {
    // Of many guesses at once each would be looked at before one is counted, and a key takes long to make of a secret.
    known = isMaced(message) ? await inTurn(`${exchange.profile.id} ${networkOf(exchange.source)}`, look) : await look()
  } catch (error) {
    const body = errorBody(asRejection(error, exchange))
    // Who is refused by the limit shall cost nothing more: no signature.
    return respond(exchange, message, undefined, admitted ? { body } : { body, unsigned: true })
  }
  const { run, asked, sender } = known
  let reply: Reply
  try {
    reply = await run(exchange, { message: asked, sender })
  } catch (error) {
    reply = { body: errorBody(asRejection(error, exchange)) }
  }
  return respond(exchange, message, sender, reply)
}

interface Recognised {
  run: Operate
  asked: Authenticated['message']
  sender: Sender
}

/** What is asked, and by whom. What nobody is known to stand behind counts: the answer costs a signature, whatever was wrong. */
async function recognise(exchange: Exchange, target: Target, message: CmpMessage): Promise<Recognised> {
  try {
    const run = operationFor(target, message)
    const asked = checkHeader(exchange, message)
    return { run, asked, sender: await senderOf(exchange, asked) }
  } catch (error) {
    if (error instanceof CmpRefusal || error instanceof PkiError) await countUnprotected(exchange)
    throw error
  }
}

function isMaced({ header: { protectionAlg } }: CmpMessage): boolean {
  try {
    return protectionAlg !== undefined && readPasswordMac(protectionAlg) !== undefined
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

function operationFor(target: Target, { type }: CmpMessage): Operate {
  const run = typeof type === 'number' ? undefined : operations[type]
  if (!run) throw new CmpRefusal('badRequest', `messages of this type (${type}) are not served here`)
  if (fits(target, type)) return run
  throw new CmpRefusal('badRequest', `a message of the type ${type} is for another path than ${target.label}`)
}

const NONCE_OCTETS = 16
const MAX_OCTETS = 128

/** RFC 9483 section 3.5, but for the protection. */
function checkHeader(exchange: Exchange, message: CmpMessage): Authenticated['message'] {
  const { header, type } = message
  const { pvno, transactionId, senderNonce, recipNonce, messageTime } = header
  if (pvno !== 2 && pvno !== 3)
    throw new CmpRefusal('unsupportedVersion', 'versions 2 (cmp2000) and 3 (cmp2021) are served here')
  if (!transactionId || transactionId.length === 0 || transactionId.length > MAX_OCTETS)
    throw new CmpRefusal('badDataFormat', `a message has a transactionID of 1 to ${MAX_OCTETS} octets`)
  if (!senderNonce || senderNonce.length < NONCE_OCTETS || senderNonce.length > MAX_OCTETS)
    throw new CmpRefusal('badSenderNonce', `a message has a senderNonce of ${NONCE_OCTETS} to ${MAX_OCTETS} octets`)
  const { clockSkew } = exchange.options
  if (clockSkew !== undefined && messageTime && Math.abs(messageTime.getTime() - exchange.now.getTime()) > clockSkew)
    throw new CmpRefusal('badTime', `messageTime is too far from ${exchange.now.toISOString()}, which it is here`)
  if (type === 'certConf' || type === 'pollReq') checkRecipNonce(exchange, transactionId, recipNonce)
  return { ...message, header: { ...header, transactionId } }
}
