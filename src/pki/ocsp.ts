import { createHash } from 'node:crypto'
import { children, context, expect, readBits, readOid, readSmallInteger, readTlv, TAG, type Tlv } from './der.ts'
import { malformed, unsupported } from './error.ts'
import { readExtensions } from './extensions.ts'
import { OID } from './oid.ts'
import { readSerial } from './serial.ts'

export const OCSP_HASHES = {
  sha1: OID.sha1,
  sha256: OID.sha256,
  sha384: OID.sha384,
  sha512: OID.sha512,
} as const
export type OcspHash = keyof typeof OCSP_HASHES

const HASH_BY_OID = new Map<string, OcspHash>(Object.entries(OCSP_HASHES).map(([name, oid]) => [oid, name as OcspHash]))
const HASH_OCTETS: Record<OcspHash, number> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

/** Which certificate is asked about, RFC 6960 section 4.1.1. */
export interface CertId {
  /** As it came: the response repeats it byte for byte. */
  der: Buffer
  hashOid: string
  hash: OcspHash
  issuerNameHash: Buffer
  issuerKeyHash: Buffer
  /** Lower-case hex, no leading 00 octet. */
  serial: string
}

export interface OcspRequest {
  certIds: CertId[]
  /** 1 to 128 octets. */
  nonce?: Buffer
  /** Whether the client signed it. The signature is not checked. */
  signed: boolean
}

/**
 * Reads a DER OCSPRequest (RFC 6960 section 4.1) of at most `maxIds` questions. Throws PkiError('malformed'), also for a nonce of no or of
 * more than 128 octets (RFC 9654 section 2.1); PkiError('unsupported') for a critical extension that we do not know, or a hash outside
 * SHA-1 and SHA-2.
 */
export function parseOcspRequest(der: Buffer, maxIds = 32): OcspRequest {
  const [tbs, signature, ...rest] = children(expect(readTlv(der), TAG.seq, 'OCSPRequest'), 2)
  if (rest.length) throw malformed('an OCSP request with something left over')
  if (signature) readSignature(expect(signature, context(0), 'optionalSignature'))
  const fields = children(expect(tbs, TAG.seq, 'TBSRequest'), 4)
  if (
    fields[0]?.tag === context(0) &&
    readSmallInteger(readTlv(expect(fields.shift(), context(0), 'version').value)) !== 0
  )
    throw malformed('an OCSP request of an unknown version')
  if (fields[0]?.tag === context(1)) fields.shift()
  const [list, extensions, ...left] = fields
  if (left.length) throw malformed('an OCSP request with something left over')
  const requests = children(expect(list, TAG.seq, 'requestList'), maxIds)
  if (requests.length === 0) throw malformed('an OCSP request without a question')
  const nonce = extensions && readNonce(expect(extensions, context(2), 'requestExtensions'))
  return { certIds: requests.map(readRequest), ...(nonce ? { nonce } : {}), signed: signature !== undefined }
}

function readSignature(field: Tlv): void {
  const [algorithm, value] = children(expect(readTlv(field.value), TAG.seq, 'Signature'), 3)
  expect(algorithm, TAG.seq, 'signatureAlgorithm')
  readBits(expect(value, TAG.bits, 'signature'))
}

function readRequest(request: Tlv): CertId {
  const [certId, extensions, ...rest] = children(expect(request, TAG.seq, 'Request'), 2)
  if (rest.length) throw malformed('a Request with something left over')
  if (extensions) refuseCritical(expect(extensions, context(0), 'singleRequestExtensions'))
  return readCertId(expect(certId, TAG.seq, 'CertID'))
}

function readCertId(certId: Tlv): CertId {
  const [algorithm, nameHash, keyHash, serial, ...rest] = children(certId, 4)
  if (rest.length) throw malformed('a CertID with something left over')
  const hashOid = readOid(expect(children(expect(algorithm, TAG.seq, 'hashAlgorithm'), 2)[0], TAG.oid, 'hashAlgorithm'))
  const hash = HASH_BY_OID.get(hashOid)
  if (!hash) throw unsupported(`an OCSP request with hash algorithm ${hashOid}`)
  const issuerNameHash = expect(nameHash, TAG.octets, 'issuerNameHash').value
  const issuerKeyHash = expect(keyHash, TAG.octets, 'issuerKeyHash').value
  if (issuerNameHash.length !== HASH_OCTETS[hash] || issuerKeyHash.length !== HASH_OCTETS[hash])
    throw malformed('a hash of the wrong length in a CertID')
  return { der: certId.der, hashOid, hash, issuerNameHash, issuerKeyHash, serial: readSerial(serial) }
}

// Clients before RFC 6960 put the bare nonce into extnValue; RFC 9654 section 2.1 knows only the OCTET STRING.
function readNonce(field: Tlv): Buffer | undefined {
  const values = refuseCritical(field).filter(({ oid }) => oid === OID.ocspNonce)
  const [found] = values
  if (!found) return undefined
  if (values.length > 1) throw malformed('an OCSP request with two nonces')
  const nonce = expect(readTlv(found.value), TAG.octets, 'nonce').value
  if (nonce.length < 1 || nonce.length > 128) throw malformed('a nonce has 1 to 128 octets')
  return nonce
}

const UNDERSTOOD = new Set<string>([
  OID.ocspNonce,
  OID.ocspResponse,
  OID.ocspPreferredSignatureAlgorithms,
  OID.ocspServiceLocator,
])

function refuseCritical(field: Tlv) {
  const extensions = readExtensions(readTlv(field.value))
  // RFC 6960 section 4.1.2.
  const unknown = extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid))
  if (unknown) throw unsupported(`an OCSP request with the critical extension ${unknown.oid}`)
  return extensions
}

/** The same in memory of its own: as it was read, it holds all octets of the request that it came in. */
export function copyCertId(certId: CertId): CertId {
  const { der, issuerNameHash, issuerKeyHash } = certId
  const copy = Buffer.allocUnsafeSlow(der.length)
  der.copy(copy)
  const part = ({ byteOffset, length }: Buffer) =>
    copy.subarray(byteOffset - der.byteOffset, byteOffset - der.byteOffset + length)
  return { ...certId, der: copy, issuerNameHash: part(issuerNameHash), issuerKeyHash: part(issuerKeyHash) }
}

/**
 * What CertIDs of an issuer's certificates hold, by hash algorithm: `name` over the DER of the issuer's subject, `key` over the bits of its
 * subjectPublicKey. Takes the fields of the issuer's certificate. Throws PkiError('malformed') for a broken SubjectPublicKeyInfo.
 */
export function issuerHashes(issuer: {
  subjectDer: Buffer
  spki: Buffer
}): Record<OcspHash, { name: Buffer; key: Buffer }> {
  const [, bits] = children(expect(readTlv(issuer.spki), TAG.seq, 'SubjectPublicKeyInfo'), 2)
  const key = readBits(expect(bits, TAG.bits, 'subjectPublicKey')).bytes
  const both = (hash: OcspHash) => ({
    name: createHash(hash).update(issuer.subjectDer).digest(),
    key: createHash(hash).update(key).digest(),
  })
  return { sha1: both('sha1'), sha256: both('sha256'), sha384: both('sha384'), sha512: both('sha512') }
}

/** Whether a CertID asks about a certificate of the issuer that `hashes` were made from. */
export function certIdMatches(certId: CertId, hashes: ReturnType<typeof issuerHashes>): boolean {
  const { name, key } = hashes[certId.hash]
  return certId.issuerNameHash.equals(name) && certId.issuerKeyHash.equals(key)
}
