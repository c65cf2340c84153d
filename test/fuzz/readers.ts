import { berToDer } from '../../src/pki/ber.ts'
import { certificatesInFile } from '../../src/pki/certificateFile.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { readCmpMessage } from '../../src/pki/cmpMessage.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { parseCsr, readUnproved } from '../../src/pki/csr.ts'
import { readEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import { readPemBundle, readPkcs12 } from '../../src/pki/import.ts'
import { readKeyRequest } from '../../src/pki/keyRequest.ts'
import { decodeName, nameText, parseNameText } from '../../src/pki/name.ts'
import { parseOcspRequest } from '../../src/pki/ocsp.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { readPkiData } from '../../src/pki/pkiData.ts'
import { readPublicKey } from '../../src/pki/publicKey.ts'
import { readSignedData, readSignedParts, verifySignedData } from '../../src/pki/signedData.ts'
import { decoders } from './decoders.ts'
import type { Target } from './fuzz.ts'
import { mutateDer } from './mutateBytes.ts'
import { mutateText } from './mutateText.ts'
import type { Samples } from './samples.ts'

const digests = ['sha1', 'sha256', 'sha384', 'sha512'] as const

/** Runs a parser of src/pki, which throws PkiError and nothing else, whatever it is given. */
async function only(read: () => unknown): Promise<void> {
  try {
    await read()
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
  }
}

const der = (name: string, seeds: readonly Buffer[], ...reads: ((input: Buffer) => unknown)[]): Target => ({
  name,
  seeds,
  mutate: mutateDer,
  run: async (input) => {
    for (const read of reads) await only(() => read(input))
  },
})

const text = (name: string, seeds: readonly string[], read: (input: string) => unknown): Target => ({
  name,
  seeds: seeds.map((seed) => Buffer.from(seed)),
  mutate: mutateText,
  run: (input) => only(() => read(input.toString())),
})

/** Every reader of src/pki, over good messages of its kind. */
export function readerTargets(samples: Samples): Target[] {
  const { csrs, certificates, crls, signed, enveloped, crmfs, pkiData, ocsp, certsOnly, pkcs12, names, pems } = samples
  const anything = [...csrs, ...certificates, ...crls, ...signed, ...enveloped]
  return [
    der('csr', csrs, (input) => parseCsr(input, { allowSha1: true }), readUnproved, readKeyRequest),
    der('certificate', certificates, readCertificate, readBareCertificate, ...decoders),
    der(
      'certificate-file',
      [...certificates, ...certsOnly, ...pems.map((pem) => Buffer.from(pem))],
      certificatesInFile,
    ),
    der('crl', crls, readCrl),
    der('signed-data', signed, readSignedParts, readCertsOnly, (input) =>
      verifySignedData(readSignedData(input), { digests, contentMayBeAbsent: true }),
    ),
    der('certs-only', certsOnly, readCertsOnly),
    der('enveloped-data', enveloped, readEnvelopedData),
    der('crmf', crmfs, (input) => verifyCertReqMsg(readCertReqMsg(input))),
    der('pki-data', pkiData, readPkiData),
    der('ocsp-request', ocsp, (input) => parseOcspRequest(input)),
    der('cmp', samples.cmp, readCmpMessage),
    der('public-key', samples.publicKeys, readPublicKey),
    der('pkcs12', pkcs12, (input) => readPkcs12(input, 'passphrase')),
    der('name', names, (input) => nameText(decodeName(input))),
    der('ber', anything, berToDer),
    text('name-text', ['CN=a,O=b+OU=c', 'CN="a, b"', 'CN=a\\,b\\20', '1.2.3.4=#0c0161', ''], parseNameText),
    text('pem', pems, pemDecode),
    text('pem-bundle', pems, (input) => readPemBundle(input, 'passphrase')),
  ]
}
