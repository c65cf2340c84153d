import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { readCrl, verifyCrl } from '../../pki/crlReader.ts'
import { children, context, expect, integer, octets, oid, readBits, readTlv, seq, TAG } from '../../pki/der.ts'
import { issuerHashes } from '../../pki/ocsp.ts'
import { OID } from '../../pki/oid.ts'
import { verifySignature } from '../../pki/signer.ts'
import { type Check, fail, ok, warn } from './check.ts'

/** Whether a CRL (DER) is this issuer's, signed by it, and good now. */
export function crlCheck(der: Buffer, issuer: CertificateFields, now: Date) {
  const crl = readCrl(der)
  if (!crl.issuerDer.equals(issuer.subjectDer) || !verifyCrl(crl, issuer.publicKey))
    return fail('the CRL is not signed by the authority')
  if (!crl.nextUpdate || crl.nextUpdate <= now) return fail(`the CRL ended on ${crl.nextUpdate?.toISOString()}`)
  return ok(`number ${crl.number}, ${crl.entries.length} entries, good until ${crl.nextUpdate.toISOString()}`)
}

/** DER OCSPRequest (RFC 6960 section 4.1.1) about a serial number in hex. */
export function ocspQuestion(issuer: CertificateFields, serial: string): Buffer {
  const { name, key } = issuerHashes(issuer).sha256
  const certId = seq(seq(oid(OID.sha256)), octets(name), octets(key), integer(BigInt(`0x${serial}`)))
  return seq(seq(seq(seq(certId))))
}

/** A serial number that nobody has: the answer to it is signed, unless the authority's settings say otherwise. */
const NOBODYS = '01'
/** Some of the newest certificates may be of an earlier key. */
const tried = 20

/**
 * Asks about a serial number that must have a signed answer. Where what was never issued has none (ocspNeverIssued), about the
 * newest certificates of the authority, until one has. `issued`: at most so many of their serial numbers.
 */
export async function askOcsp(
  settings: unknown,
  issued: (limit: number) => Promise<readonly { serial: string }[]>,
  ask: (serial: string) => Promise<Check>,
): Promise<Check | undefined> {
  if (!saysNothing(settings)) return ask(NOBODYS)
  let last: Check | undefined
  for (const { serial } of await issued(tried)) {
    last = await ask(serial)
    if (last.state !== 'fail') return last
  }
  return last
}

function saysNothing(settings: unknown): boolean {
  return (
    typeof settings === 'object' &&
    settings !== null &&
    'ocspNeverIssued' in settings &&
    settings.ocspNeverIssued === 'unauthorized'
  )
}

/** What there is to say where nothing was issued that could be asked about. */
export const notAsked = warn('it has issued nothing yet, and says nothing of what was never issued (ocspNeverIssued)')

/** Whether an OCSP answer (DER, RFC 6960 section 4.2.1) is signed by this issuer or by a responder that it certified. */
export function ocspCheck(der: Buffer, issuer: CertificateFields) {
  const [status, bytes] = children(expect(readTlv(der), TAG.seq, 'OCSPResponse'), 2)
  const code = status?.value[0]
  if (code !== 0 || !bytes) return fail(`the responder answers with error ${code}`)
  const [, response] = children(expect(readTlv(bytes.value), TAG.seq, 'ResponseBytes'), 2)
  const basic = expect(readTlv(expect(response, TAG.octets, 'response').value), TAG.seq, 'BasicOCSPResponse')
  const [data, algorithm, signature, certificates] = children(basic, 4)
  const signed = expect(data, TAG.seq, 'tbsResponseData').der
  const [first] = certificates ? children(readTlv(expect(certificates, context(0), 'certs').value), 10) : []
  const signer = first ? readCertificate(first.der) : issuer
  if (signer !== issuer && !verifyIssuedBy(signer, issuer))
    return fail('the responder is not certified by the authority')
  const { bytes: value } = readBits(expect(signature, TAG.bits, 'signature'))
  if (!verifySignature(expect(algorithm, TAG.seq, 'signatureAlgorithm').der, signer.publicKey, signed, value)) {
    return fail('the signature of the answer is wrong')
  }
  return ok(`signed by a responder that is good until ${signer.notAfter.toISOString()}`)
}
