import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { readCrl, verifyCrl } from '../../pki/crlReader.ts'
import { children, context, expect, octets, oid, readBits, readTlv, seq, TAG, tlv } from '../../pki/der.ts'
import { issuerHashes } from '../../pki/ocsp.ts'
import { OID } from '../../pki/oid.ts'
import { verifySignature } from '../../pki/signer.ts'
import { fail, ok } from './check.ts'

/** Whether a CRL (DER) is this issuer's, signed by it, and good now. */
export function crlCheck(der: Buffer, issuer: CertificateFields, now: Date) {
  const crl = readCrl(der)
  if (!crl.issuerDer.equals(issuer.subjectDer) || !verifyCrl(crl, issuer.publicKey))
    return fail('the CRL is not signed by the authority')
  if (!crl.nextUpdate || crl.nextUpdate <= now) return fail(`the CRL ended on ${crl.nextUpdate?.toISOString()}`)
  return ok(`number ${crl.number}, ${crl.entries.length} entries, good until ${crl.nextUpdate.toISOString()}`)
}

/** DER OCSPRequest (RFC 6960 section 4.1.1) about a serial number that nobody has: the answer still has to be signed. */
export function ocspQuestion(issuer: CertificateFields): Buffer {
  const { name, key } = issuerHashes(issuer).sha256
  const certId = seq(seq(oid(OID.sha256)), octets(name), octets(key), tlv(TAG.integer, Buffer.of(1)))
  return seq(seq(seq(seq(certId))))
}

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
