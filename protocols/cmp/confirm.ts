import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { type CertStatus, readCertConfirm } from '../../src/pki/cmpBody.ts'
import { pkiConfBody } from '../../src/pki/cmpWriter.ts'
import { schemeOf } from '../../src/pki/signatureAlgorithm.ts'
import { CmpRefusal, oneLine } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { NO_ID, orderId } from './outcome.ts'
import { refuseEnded } from './sender.ts'
import { findTransaction, originOf, storeConfirmation, storeRejection, transactionRef } from './transaction.ts'
import { over, refuseOver, revokeRejected } from './unconfirmed.ts'

/** certConf: RFC 9810 section 5.3.18. A certificate that its client rejects is revoked. */
export async function confirm(exchange: Exchange, { message, sender }: Authenticated): Promise<Reply> {
  const { host, door, now } = exchange
  refuseEnded(sender)
  const begun = await findTransaction(host.db, transactionRef(message.header.transactionId, sender))
  const request = begun && begun.body !== 'rr' ? await door.findSignRequest(originOf(begun.origin)) : undefined
  const certificate = request?.status === 'signed' ? await door.findCertificate({ id: request.id }) : undefined
  if (!begun || !request || !certificate)
    throw new CmpRefusal('badRequest', 'there is no certificate of yours to confirm in this transaction')
  const [status, ...more] = readCertConfirm(message.content)
  if (more.length > 0) throw new CmpRefusal('badRequest', 'a certConf about more certificates than one')
  if (status) checkStatus(status, certificate, { pvno: message.header.pvno, certReqId: orderId(request) })
  if (!status?.accepted) {
    const why = status?.text === undefined ? '' : `: ${oneLine(status.text)}`
    await transaction(host.db, (db) => storeRejection(db, begun, now))
    await revokeRejected(host, { request, certificate, comment: `its client rejects it${why}` })
    return { body: pkiConfBody() }
  }
  refuseRevoked(certificate)
  refuseOver(exchange, begun)
  const confirmed = await transaction(host.db, (db) => storeConfirmation(db, begun, now))
  // The time for it may have ended while this waited.
  refuseRevoked(await door.findCertificate({ id: request.id }))
  if (!confirmed) throw over()
  return { body: pkiConfBody() }
}

function refuseRevoked(certificate: Certificate | undefined): void {
  if (certificate?.status === 'revoked')
    throw new CmpRefusal('certRevoked', 'the certificate was revoked: begin another transaction')
}

function checkStatus(
  { certReqId, certHash, hashAlg }: CertStatus,
  { der }: Certificate,
  asked: { pvno: number; certReqId: bigint },
): void {
  // Of a p10cr, which had none, clients write 0 or -1.
  if (certReqId !== asked.certReqId && !(asked.certReqId === NO_ID && certReqId === 0n))
    throw new CmpRefusal('badCertId', 'certConf has another certReqId than the request')
  if (hashAlg !== undefined && asked.pvno < 3)
    throw new CmpRefusal('badRequest', 'hashAlg is for messages of version 3 (cmp2021)')
  const right = createHash(hashAlg ?? hashOf(der))
    .update(der)
    .digest()
  if (!right.equals(certHash))
    throw new CmpRefusal('badCertId', 'certHash is not the hash of the certificate of this transaction')
}

/** That of the certificate's signature; for Ed25519 as RFC 9481 section 3.3 has it. */
function hashOf(der: Buffer): string {
  return schemeOf(readCertificate(der).signatureAlgorithm).hash ?? 'sha512'
}
