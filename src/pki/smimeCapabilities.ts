import type { ContentCipher } from './contentCipher.ts'
import { CONTENT_CIPHERS } from './contentCipher.ts'
import { children, expect, readOid, TAG, type Tlv } from './der.ts'
import { PkiError, unsupported } from './error.ts'
import { KEY_DERIVATIONS, type KeyAgreement, type KeyDerivation } from './keyAgreement.ts'
import { type KeyTransport, readKeyTransport } from './keyTransport.ts'
import { KEY_WRAPS, type KeyWrap, keyWraps } from './keyWrap.ts'
import { OID } from './oid.ts'

// SMIMECapabilities: RFC 8551 section 2.5.2; what of it says how an envelope may be closed.

/** The algorithms that a client can use, in its order of preference. `der`: the SMIMECapability, of the same shape as an AlgorithmIdentifier. */
export type SmimeCapabilities = readonly { oid: string; parameters?: Tlv; der: Tlv }[]

const MAX_CAPABILITIES = 64

/** Reads the value of the attribute. Throws PkiError('malformed'). */
export function readSmimeCapabilities(value: Tlv): SmimeCapabilities {
  return children(expect(value, TAG.seq, 'SMIMECapabilities'), MAX_CAPABILITIES).map((der) => {
    const [id, parameters] = children(expect(der, TAG.seq, 'SMIMECapability'), 2)
    const oid = readOid(expect(id, TAG.oid, 'capabilityID'))
    return { oid, der, ...(parameters ? { parameters } : {}) }
  })
}

/** How a content-encryption key goes to an RSA key: by OAEP where the client can, else by PKCS #1 v1.5. Throws PkiError('unsupported'). */
export function chooseTransport(capabilities: SmimeCapabilities): KeyTransport {
  for (const capability of capabilities) {
    const transport = capability.oid === OID.rsaesOaep ? readOaep(capability) : undefined
    if (transport) return transport
  }
  if (capabilities.some(({ oid }) => oid === OID.rsaEncryption)) return 'rsaes-pkcs1'
  throw unsupported('the SMIMECapabilities name no way to encrypt to an RSA key (rsaEncryption or id-RSAES-OAEP)')
}

/** Without parameters: the defaults of RFC 4055 section 4.1. Undefined for hashes that we do not have. */
function readOaep({ der, parameters }: SmimeCapabilities[number]): KeyTransport | undefined {
  if (!parameters || parameters.tag === TAG.null) return 'oaep-sha1'
  try {
    return readKeyTransport(der)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

const derivations = Object.keys(KEY_DERIVATIONS) as KeyDerivation[]

/**
 * How a key is agreed upon with an EC key: the first scheme of standard ECDH that we know (RFC 5753 section 8); where the client names key wraps alone, the strongest
 * of them with SHA-256. Throws PkiError('unsupported').
 */
export function chooseAgreement(capabilities: SmimeCapabilities): KeyAgreement {
  for (const { oid, parameters } of capabilities) {
    const derivation = derivations.find((name) => KEY_DERIVATIONS[name] === oid)
    const wrap = derivation && parameters ? wrapIn(parameters) : undefined
    if (derivation && wrap) return { derivation, wrap }
  }
  const wrap = keyWraps.find((name) => names(capabilities, KEY_WRAPS[name].oid))
  if (wrap) return { derivation: 'sha256', wrap }
  throw unsupported('the SMIMECapabilities name no way to agree on a key (ECDH with SHA-2 and AES key wrap)')
}

function wrapIn(parameters: Tlv): KeyWrap | undefined {
  if (parameters.tag !== TAG.seq) return undefined
  const [id] = children(parameters, 2)
  if (id?.tag !== TAG.oid) return undefined
  const dotted = readOid(id)
  return keyWraps.find((wrap) => KEY_WRAPS[wrap].oid === dotted)
}

/** Whether the client can open what is wrapped like this. */
export const canUnwrap = (capabilities: SmimeCapabilities, wrap: KeyWrap): boolean =>
  names(capabilities, KEY_WRAPS[wrap].oid)

const AES: readonly ContentCipher[] = ['aes-256-cbc', 'aes-192-cbc', 'aes-128-cbc']

/** The strongest AES that the client names; many name only how keys are encrypted: `otherwise`. */
export function chooseCipher(capabilities: SmimeCapabilities, otherwise: ContentCipher): ContentCipher {
  return AES.find((cipher) => names(capabilities, CONTENT_CIPHERS[cipher].oid)) ?? otherwise
}

const names = (capabilities: SmimeCapabilities, dotted: string): boolean =>
  capabilities.some(({ oid }) => oid === dotted)
