import { createPublicKey, randomBytes } from 'node:crypto'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { writeCrl } from '../../src/pki/crl.ts'
import { explicit, integer, nullValue, octets, oid, printable, seq } from '../../src/pki/der.ts'
import { writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { encodeGeneralNames, type Identifier } from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { writePkcs12 } from '../../src/pki/pkcs12.ts'
import { buildCrmf, buildPkiData, control, crm, signedRequest, tcr } from '../helpers/cmc.ts'
import { messageOf, party, signedAttribute } from '../helpers/cms.ts'
import { buildCsr, ecKey, extension, extensionRequest } from '../helpers/csrs.ts'
import { type Authority, authority, keyPair, later, leafDraft, now } from '../helpers/pkiSamples.ts'

/** Good messages of every kind that src/pki reads. */
export type Samples = Awaited<ReturnType<typeof pkiSamples>>

const NAMES: Identifier[] = [
  { type: 'dns', value: 'www.example.org' },
  { type: 'dns', value: '*.example.org' },
  { type: 'ip', value: '192.0.2.1' },
  { type: 'ip', value: '2001:db8::1' },
  { type: 'email', value: 'a@example.org' },
  { type: 'uri', value: 'https://example.org/a' },
]

export async function pkiSamples() {
  const root = await authority('P-256')
  const leaf = await issueCertificate(leafDraft(root, { identifiers: NAMES }), root.signer)
  const device = party('P-256')
  const rsa = party('RSA-2048')
  const csr = buildCsr({
    subject: nameOf({ C: 'DE', O: 'Example', CN: 'device' }),
    attributes: [extensionRequest(extension(OID.subjectAltName, encodeGeneralNames(NAMES)))],
  })
  const crmf = buildCrmf({ identifiers: NAMES })
  const data = buildPkiData({
    controls: [control(1, OID.cmcTransactionId, integer(7)), control(2, OID.cmcSenderNonce, octets(randomBytes(16)))],
    requests: [tcr(3, csr), crm(crmf)],
  })
  return {
    csrs: [
      csr,
      buildCsr(),
      buildCsr({ key: keyPair('RSA-2048').privateKey, algorithm: seq(oid(OID.sha256WithRSAEncryption), nullValue()) }),
    ],
    certificates: [leaf, root.certificate, device.certificate, rsa.certificate],
    crls: [await crlOf(root)],
    signed: [
      messageOf(device, { content: csr, attributes: [signedAttribute('2.16.840.1.113733.1.9.2', printable('19'))] }),
      signedRequest(data, [{ key: device.key, certificate: device.certificate }]),
    ],
    enveloped: [
      await writeEnvelopedData(csr, { certificate: rsa.certificate, transport: 'rsaes-pkcs1' }, 'aes-128-cbc'),
    ],
    crmfs: [crmf, buildCrmf({ proof: 'absent' })],
    pkiData: [data],
    cmp: [cmpQuestion()],
    ocsp: [ocspQuestion(), ocspQuestion(randomBytes(16))],
    certsOnly: [writeCertsOnly([leaf, root.certificate])],
    publicKeys: [ecKey(), keyPair('RSA-2048').privateKey, keyPair('Ed25519').privateKey].map((key) =>
      createPublicKey(key).export({ type: 'spki', format: 'der' }),
    ),
    pkcs12: [await pkcs12Of(leaf)],
    names: [encodeName(nameOf({ C: 'DE', O: 'Example, Inc.', CN: 'a+b=c' })), encodeName([])],
    pems: [
      pemEncode('CERTIFICATE', leaf) + pemEncode('CERTIFICATE', root.certificate),
      pemEncode('CERTIFICATE REQUEST', csr),
      ecKey().export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'passphrase' }).toString(),
      ecKey().export({ type: 'sec1', format: 'pem' }).toString(),
    ],
  }
}

function ocspQuestion(nonce?: Buffer): Buffer {
  const certId = seq(
    seq(oid(OID.sha1), nullValue()),
    octets(Buffer.alloc(20, 1)),
    octets(Buffer.alloc(20, 2)),
    integer(77),
  )
  const extensions = nonce ? [seq(oid(OID.ocspNonce), octets(octets(nonce)))] : []
  return seq(seq(seq(seq(certId)), ...extensions))
}

function crlOf({ fields, signer }: Authority): Promise<Buffer> {
  return writeCrl({
    issuer: fields.subjectDer,
    aki: Buffer.alloc(20, 3),
    number: 7,
    thisUpdate: now,
    nextUpdate: later(7),
    entries: [
      { serial: '01', revokedAt: now, reason: 1 },
      { serial: `7f${'00'.repeat(15)}`, revokedAt: now },
    ],
    idp: { urls: ['http://ca.test/crl/1'] },
    signer,
  })
}

function pkcs12Of(certificate: Buffer): Promise<Buffer> {
  const pkcs8 = keyPair('P-256', 'leaf').privateKey.export({ type: 'pkcs8', format: 'der' })
  return writePkcs12({ certificates: [certificate], pkcs8, password: 'passphrase', name: 'a' })
}

/** A general message of CMP (RFC 9810 section 5.1), without protection. */
function cmpQuestion(): Buffer {
  const name = explicit(4, encodeName(nameOf({ CN: 'device' })))
  const header = seq(integer(2), name, name, explicit(4, octets(randomBytes(16))), explicit(5, octets(randomBytes(16))))
  return seq(header, explicit(21, seq(seq(oid('1.3.6.1.5.5.7.4.14')))))
}
