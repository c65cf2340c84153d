import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import {
  type CmpStatusInfo,
  certRepBody,
  confirmWaitTime,
  implicitConfirm,
  pollRepBody,
} from '../../src/pki/cmpWriter.ts'
import { isCertReqMsg, readCertReqMsg } from '../../src/pki/crmf.ts'
import { CmpRefusal, oneLine } from './errors.ts'
import type { Exchange, Reply } from './exchange.ts'
import type { Sender } from './sender.ts'
import { awaitConfirmation, type Beginning, type Transaction } from './transaction.ts'
import { enqueueUnconfirmed, refuseOver } from './unconfirmed.ts'

/** What answers each order. */
export const answers = { ir: 'ip', cr: 'cp', kur: 'kup', p10cr: 'cp' } as const satisfies Partial<
  Record<Beginning, string>
>
export type OrderType = keyof typeof answers

/** RFC 9810 section 5.3.4: of an order by PKCS #10, whose message has no place for a certReqId. */
export const NO_ID = -1n

/** certReqId of a stored order. */
export function orderId({ csr }: SignRequest): bigint {
  return csr && isCertReqMsg(csr) ? readCertReqMsg(csr).id : NO_ID
}

export interface Asked {
  exchange: Exchange
  sender: Sender
  type: OrderType
  begun: Transaction
  /** Asked by pollReq: while it waits, the answer is a pollRep. */
  polled: boolean
}

/** What becomes of an order, as DESIGN and docs/issuance-cycle.md have it for CMP. Throws what is wrong with one that came to nothing. */
export async function outcomeOf(asked: Asked, request: SignRequest): Promise<Reply> {
  const { exchange, type, polled } = asked
  const { door, options } = exchange
  const certReqId = orderId(request)
  switch (request.status) {
    case 'requested':
    case 'signing': {
      const text = request.status === 'requested' ? 'the request waits for approval' : 'the certificate is being made'
      if (polled) return { body: pollRepBody(certReqId, Math.ceil(options.checkAfter / 1000), text) }
      return { body: certRepBody(answers[type], { certReqId, info: { status: 'waiting', text } }) }
    }
    case 'signed':
      return handedOut(asked, request, certReqId)
    case 'denied':
    case 'expired':
    case 'canceled':
      await door.answered(request.uuid)
      throw new CmpRefusal('notAuthorized', request.reason ?? REASONS[request.status])
    case 'failed':
      await door.answered(request.uuid)
      throw new CmpRefusal('systemFailure', request.reason ?? 'the certificate could not be made')
    case 'draft':
      throw new Failure('internal', 'a request over CMP is never a draft')
  }
}

const REASONS = {
  denied: 'the request was denied',
  expired: 'nobody approved the request in time',
  canceled: 'the request was withdrawn',
} as const

async function handedOut(asked: Asked, request: SignRequest, certReqId: bigint): Promise<Reply> {
  const { exchange, sender, type, begun } = asked
  const certificate = await exchange.door.findCertificate({ id: request.id })
  if (!certificate) throw new Failure('internal', 'a signed request has no certificate')
  if (certificate.status === 'revoked')
    throw new CmpRefusal('certRevoked', 'the certificate of this transaction was revoked: begin another transaction')
  refuseOver(exchange, begun)
  const chain = await exchange.door.chain(certificate)
  const root = chain.find(isRoot)
  const withRoot = type === 'ir' && sender.by === 'secret' && exchange.options.caPubs && root
  return {
    body: certRepBody(answers[type], {
      certReqId,
      info: grantOf(request),
      certificate: certificate.der,
      ...(withRoot ? { caPubs: [root] } : {}),
    }),
    info: [begun.implicit ? implicitConfirm() : confirmWaitTime(await waitedFor(exchange, begun, certificate))],
    chain: chain.filter((der) => !isRoot(der)),
  }
}

/** What was asked for and is not in the certificate makes it one with modifications (RFC 9810 section 5.2.3). */
function grantOf({ findings }: SignRequest): CmpStatusInfo {
  const left = findings.filter(({ check }) => check === 'leftOut').map(({ detail }) => detail)
  return left.length === 0 ? { status: 'accepted' } : { status: 'grantedWithMods', text: oneLine(left.join('; ')) }
}

export function isRoot(der: Buffer): boolean {
  const { issuer, subject } = readBareCertificate(der)
  return issuer.equals(subject)
}

/** Until when a confirmation is waited for: from the first time that the certificate is handed out. */
async function waitedFor(exchange: Exchange, begun: Transaction, certificate: Certificate): Promise<Date> {
  if (begun.confirmUntil) return begun.confirmUntil
  const { host, options, now, profile } = exchange
  const end = Math.min(now.getTime() + options.confirmWait, certificate.notAfter.getTime())
  const until = new Date(Math.floor(end / 1000) * 1000)
  await transaction(host.db, async (db) => {
    if (await awaitConfirmation(db, begun.ref, until))
      await enqueueUnconfirmed(host, db, { ref: begun.ref, profile: profile.name }, until)
  })
  return until
}
