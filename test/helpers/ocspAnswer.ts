import type { Issuer } from '../../src/core/authority/authority.ts'
import type { OcspAnswer } from '../../src/core/ocsp/ocsp.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { children, context, expect, readBits, readTime, readTlv, TAG } from '../../src/pki/der.ts'
import { readExtensions } from '../../src/pki/extensions.ts'
import { OID } from '../../src/pki/oid.ts'
import { verifySignature } from '../../src/pki/signer.ts'
import { ocspRequest } from './statusServer.ts'
import { acmeAccount, type World } from './world.ts'

/** What one DER OCSPResponse says (RFC 6960 section 4.2.1). */
export interface ReadOcsp {
  /** `good`, `unknown`, `revoked` with the CRLReason number and the time: one for each certificate. */
  statuses: string[]
  /** DER of the CertIDs. */
  certIds: Buffer[]
  responderId: { byName: Buffer } | { byKey: Buffer }
  producedAt: Date
  thisUpdate: Date[]
  nextUpdate: Date[]
  archiveCutoff: Date[]
  nonce: Buffer | undefined
  /** responseExtensions, with whether they are critical. */
  extensions: [string, boolean, Buffer][]
  certificate: CertificateFields | undefined
  /** Whether this key signed it. */
  signedBy(key: CertificateFields): boolean
}

/** Throws for an error answer. */
export function readOcsp(der: Buffer): ReadOcsp {
  const [status, bytes] = children(expect(readTlv(der), TAG.seq, 'OCSPResponse'), 2)
  if (status?.value[0] !== 0 || !bytes) throw new Error(`an answer of status ${status?.value[0]}`)
  const [, response] = children(readTlv(expect(bytes, context(0), 'responseBytes').value))
  const [data, algorithm, signature, certificates] = children(readTlv(expect(response, TAG.octets, 'response').value))
  const tbs = expect(data, TAG.seq, 'tbsResponseData')
  const [id, producedAt, list, more] = children(tbs)
  const extensions = more ? readExtensions(readTlv(expect(more, context(1), 'responseExtensions').value)) : []
  const [first] = certificates ? children(readTlv(certificates.value)) : []
  const singles = children(expect(list, TAG.seq, 'responses')).map((single) => children(single))
  const nonce = extensions.find(({ oid }) => oid === OID.ocspNonce)
  return {
    statuses: singles.map(([, said]) => statusText(said?.tag ?? 0, said?.value ?? Buffer.alloc(0))),
    certIds: singles.map(([certId]) => certId?.der ?? Buffer.alloc(0)),
    responderId:
      id?.tag === context(1)
        ? { byName: id.value }
        : { byKey: readTlv(expect(id, context(2), 'responderID').value).value },
    producedAt: readTime(expect(producedAt, TAG.generalizedTime, 'producedAt')),
    thisUpdate: singles.map(([, , time]) => readTime(expect(time, TAG.generalizedTime, 'thisUpdate'))),
    nextUpdate: singles.map(([, , , time]) => readTime(readTlv(expect(time, context(0), 'nextUpdate').value))),
    archiveCutoff: singles.flatMap(([, , , , single]) =>
      single ? readExtensions(readTlv(single.value)).map(({ value }) => readTime(readTlv(value))) : [],
    ),
    nonce: nonce && readTlv(nonce.value).value,
    extensions: extensions.map(({ oid, critical, value }) => [oid, critical, value]),
    certificate: first && readCertificate(first.der),
    signedBy: ({ publicKey }) =>
      verifySignature(
        expect(algorithm, TAG.seq, 'signatureAlgorithm').der,
        publicKey,
        tbs.der,
        readBits(expect(signature, TAG.bits, 'signature')).bytes,
      ),
  }
}

function statusText(tag: number, value: Buffer): string {
  if (tag === context(0, false)) return 'good'
  if (tag === context(2, false)) return 'unknown'
  const [time, reason] = children(value)
  const code = reason && readTlv(reason.value).value[0]
  return `revoked ${readTime(expect(time, TAG.generalizedTime, 'revocationTime')).toISOString()} ${code ?? '-'}`
}

/** Whatever a request asks, of this world. */
export async function askOcsp(world: World, request: Buffer): Promise<OcspAnswer> {
  return world.core.as(acmeAccount()).ocsp({ text: request.toString('latin1'), der: () => request })
}

/** What the world says of one serial, in one word. */
export async function statusOf(world: World, issuer: Issuer, serial: string): Promise<string> {
  const { der } = await askOcsp(world, ocspRequest(issuer, [serial]))
  return readOcsp(der).statuses.join()
}
