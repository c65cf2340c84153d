import type { Csr, CsrAttribute } from './csr.ts'
import { readUnproved } from './csr.ts'
import type { KeyWish } from './csrAttributes.ts'
import { bits, implicit, integer, oid, readOctets, seq, set, type Tlv } from './der.ts'
import { malformed, PkiError } from './error.ts'
import { OID } from './oid.ts'
import { readPublicKey } from './publicKey.ts'
import type { Signer } from './signer.ts'
import { readSmimeCapabilities, type SmimeCapabilities } from './smimeCapabilities.ts'

// Requests for a key that the server makes: RFC 7030 section 4.4.1.

/** A certification request in which only the names and attributes count. */
export interface KeyRequest
  extends Pick<Csr, 'subject' | 'identifiers' | 'otherNames' | 'attributes' | 'extensions' | 'challengePassword'> {
  /** Of the kind of the key in the request, whatever that key is; undefined for one that we cannot read. */
  kind?: KeyWish
  /** DER of the subject. */
  subjectDer: Buffer
}

/**
 * Reads a DER CertificationRequest whose key and signature are nobody's concern: the key says which kind is wanted and may be of no use, the signature anything.
 * Throws PkiError('malformed') for everything else that parseCsr refuses.
 */
export function readKeyRequest(der: Buffer): KeyRequest {
  const { spki, signed: _, der: __, ...fields } = readUnproved(Buffer.from(der))
  const kind = kindOf(spki)
  return { ...fields, ...(kind ? { kind } : {}) }
}

function kindOf(spki: Tlv): KeyWish | undefined {
  try {
    const { algorithm, size, curve } = readPublicKey(spki)
    if (algorithm === 'EC') return curve && { algorithm, curve }
    return algorithm === 'RSA' ? { algorithm, size } : { algorithm }
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/** DER of a PKCS#10 request with the subject and the extensions of another one, for a new key that signs it. What the client asked beside them is left out. */
export async function writeCsrLike(request: KeyRequest, signer: Signer): Promise<Buffer> {
  const asked = request.attributes.filter(({ oid: type }) => EXTENSION_REQUESTS.has(type))
  const attributes = asked.map(({ oid: type, values }) => seq(oid(type), set(...values.map((value) => value.der))))
  const info = seq(integer(0), request.subjectDer, signer.publicKey.spki, implicit(0, Buffer.concat(attributes), true))
  return seq(info, signer.algorithm, bits(await signer.sign(info)))
}

const EXTENSION_REQUESTS: ReadonlySet<string> = new Set([OID.extensionRequest, OID.microsoftExtensionRequest])

/** The key to which the private key shall be encrypted, by the name under which it is known: `symmetric` of a secret one, else of one with a certificate. */
export interface KeyEncryption {
  identifier: Buffer
  symmetric: boolean
  capabilities: SmimeCapabilities
}

const MAX_IDENTIFIER = 128

/**
 * What a request says about the encryption of the private key (sections 4.4.1.1 and 4.4.1.2); undefined where it wants none beside TLS. Throws
 * PkiError('malformed'), also for two identifiers and for one without SMIMECapabilities.
 */
export function readKeyEncryption(attributes: readonly CsrAttribute[]): KeyEncryption | undefined {
  const secret = single(attributes, OID.decryptKeyID)
  const certified = single(attributes, OID.asymmDecryptKeyID)
  if (!secret && !certified) return undefined
  if (secret && certified)
    throw malformed('the request names two keys to encrypt to: DecryptKeyIdentifier and AsymmetricDecryptKeyIdentifier')
  const capabilities = single(attributes, OID.smimeCapabilities)
  if (!capabilities)
    throw malformed('the request names a key to encrypt to, and no SMIMECapabilities (RFC 7030 section 4.4.1)')
  const identifier = readOctets((secret ?? certified) as Tlv)
  if (identifier.length === 0 || identifier.length > MAX_IDENTIFIER)
    throw malformed(`the identifier of a key has 1 to ${MAX_IDENTIFIER} octets`)
  return { identifier, symmetric: secret !== undefined, capabilities: readSmimeCapabilities(capabilities) }
}

function single(attributes: readonly CsrAttribute[], type: string): Tlv | undefined {
  const attribute = attributes.find((candidate) => candidate.oid === type)
  if (!attribute) return undefined
  const [value, ...rest] = attribute.values
  if (!value || rest.length > 0) throw malformed(`attribute ${type} must have one value`)
  return value
}
