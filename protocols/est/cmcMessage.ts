import type { BareCertificate, CertificateIdentifier } from '../../src/pki/certificateIdentifier.ts'
import { type CertReqMsg, readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { readOctets, readTime, readTlv } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { type PkiData, readPkiData, type TaggedRequest } from '../../src/pki/pkiData.ts'
import { keyIdentifier, type PublicKeyInfo } from '../../src/pki/publicKey.ts'
import { findSigner, type SignedParts } from '../../src/pki/signedData.ts'
import { type ClaimedSigner, verifySignerInfo } from '../../src/pki/signerInfo.ts'
import { type Controls, readControls } from './cmcControls.ts'
import { CmcRefusal } from './cmcRefusal.ts'

/** A request for a certificate within a message, or what is wrong with it. */
export type Requested = { id: number } & (Proved | { unproved: CertReqMsg } | { error: unknown })

/** `crmf`: what it asks beside what a Csr holds. */
export interface Proved {
  csr: Csr
  crmf?: CertReqMsg
}

/** Who signed a message: by a certificate that came along, of which nothing is judged yet, or by a key that it asks a certificate for. */
export type CmcSigner = { certificate: Buffer; publicKey: PublicKeyInfo } | { publicKey: PublicKeyInfo }

/** A full PKI request whose signature, if it has one, is good. */
export interface CmcMessage {
  data: PkiData
  controls: Controls
  requests: Requested[]
  /** Absent: nobody signed. */
  signer?: CmcSigner
  /** By its own word; absent: it does not say. */
  signedAt?: Date
  /** All that came along, DER. */
  certificates: Buffer[]
}

/** What a message was found to be on the way: an answer to one that is refused gives back what it can. */
export type Reading = Partial<Pick<CmcMessage, 'controls'>>

/**
 * Reads a PKIData and checks who signed it (RFC 10002 section 3.2). `waiting`: keys for which a certificate was asked before, by a token that the message has. What
 * was read is noted in `reading` before anything is refused. Throws CmcRefusal.
 */
export async function readMessage(
  { content, certificates, signers }: SignedParts & { content: Buffer },
  reading: Reading,
  waiting: (controls: Controls) => Promise<PublicKeyInfo[]>,
): Promise<CmcMessage> {
  const data = readData(content)
  const controls = readControls(data)
  reading.controls = controls
  const requests = data.requests.map(readRequested)
  const [claimed, ...others] = signers
  if (others.length > 0) throw new CmcRefusal('badMessageCheck', 'a message has one signer here, or none')
  const message = { data, controls, requests, certificates }
  if (!claimed) return message
  if (claimed.unsigned.includes(OID.cmcUnsignedData))
    throw new CmcRefusal('badRequest', 'CMC Unsigned Data is not served here')
  const signer = await signerOf(claimed, message, () => waiting(controls))
  checkSignature(claimed, content, signer)
  const signedAt = signingTime(claimed)
  return { ...message, signer, ...(signedAt ? { signedAt } : {}) }
}

function readData(content: Buffer): PkiData {
  try {
    return readPkiData(content)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new CmcRefusal('badRequest', `this is no PKIData: ${error.message}`, { cause: error })
  }
}

function readRequested(request: TaggedRequest): Requested {
  const id = request.bodyPartId
  try {
    if (request.kind === 'orm')
      throw new CmcRefusal('badRequest', `requests of the kind ${request.oid} are not served here`, { unserved: true })
    if (request.kind === 'tcr') return { id, csr: parseCsr(request.der) }
    const crmf = readCertReqMsg(request.der)
    return crmf.possession === 'signature' ? { id, csr: verifyCertReqMsg(crmf), crmf } : { id, unproved: crmf }
  } catch (error) {
    return { id, error }
  }
}

async function signerOf(
  { identifier }: ClaimedSigner,
  { requests, certificates }: Pick<CmcMessage, 'requests' | 'certificates'>,
  waiting: () => Promise<PublicKeyInfo[]>,
): Promise<CmcSigner> {
  if ('keyIdentifier' in identifier) {
    const named = identifier.keyIdentifier
    const requested = requests.find((request) => 'csr' in request && named.equals(requestedIdentifier(request.csr)))
    if (requested && 'csr' in requested) return { publicKey: requested.csr.publicKey }
    const earlier = (await waiting()).find((key) => keyIdentifier(key).equals(named))
    if (earlier) return { publicKey: earlier }
  }
  const { der, publicKey } = certificateOf(identifier, certificates)
  return { certificate: der, publicKey }
}

function certificateOf(identifier: CertificateIdentifier, certificates: readonly Buffer[]): BareCertificate {
  try {
    return findSigner(identifier, certificates)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const text = 'neither a certificate in the message nor a request in it is its signer’s'
    throw new CmcRefusal('badMessageCheck', text, { cause: error })
  }
}

/** Section 3.2: a request whose key signs names it by this extension; one that does not goes by the usual SHA-1 of its key. */
function requestedIdentifier({ extensions, publicKey }: Csr): Buffer {
  const extension = extensions.find(({ oid }) => oid === OID.subjectKeyIdentifier)
  if (!extension) return keyIdentifier(publicKey)
  try {
    return readOctets(readTlv(extension.value))
  } catch {
    return keyIdentifier(publicKey)
  }
}

function signingTime({ attributes }: ClaimedSigner): Date | undefined {
  const value = attributes.get(OID.signingTime)
  try {
    return value && readTime(value)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new CmcRefusal('badTime', `signingTime cannot be read: ${error.message}`, { cause: error })
  }
}

const DIGESTS = ['sha256', 'sha384', 'sha512'] as const

/** Section 3.2.1.3.4. */
function checkSignature(claimed: ClaimedSigner, content: Buffer, { publicKey }: CmcSigner): void {
  try {
    verifySignerInfo(claimed, { contentType: OID.pkiData, content, publicKey, digests: DIGESTS })
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const failInfo = error.kind === 'unsupported' ? 'badAlg' : 'badMessageCheck'
    throw new CmcRefusal(failInfo, error.message, { cause: error })
  }
}
