import type { CertificateFields } from './certificateReader.ts'
import { children, expect, readOid, readTlv, TAG, type Tlv } from './der.ts'
import { PkiError } from './error.ts'
import { OID } from './oid.ts'

/** The algorithms of a certificate by the names that their standards give them; dotted where the name is not known here. */
export interface AlgorithmNames {
  signatureAlgorithm: string
  /** RSA, ECDSA, Ed25519 … */
  publicKeyAlgorithm: string
  /** P-256 … ; absent for keys without one, dotted for others. */
  curve?: string
  /** Bits; 0: not known. */
  keySize: number
}

const SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'md2WithRSAEncryption',
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  [OID.sha1WithRSAEncryption]: 'sha1WithRSAEncryption',
  [OID.sha224WithRSAEncryption]: 'sha224WithRSAEncryption',
  [OID.sha256WithRSAEncryption]: 'sha256WithRSAEncryption',
  [OID.sha384WithRSAEncryption]: 'sha384WithRSAEncryption',
  [OID.sha512WithRSAEncryption]: 'sha512WithRSAEncryption',
  [OID.rsassaPss]: 'RSASSA-PSS',
  [OID.ecdsaWithSHA1]: 'ecdsa-with-SHA1',
  [OID.ecdsaWithSHA224]: 'ecdsa-with-SHA224',
  [OID.ecdsaWithSHA256]: 'ecdsa-with-SHA256',
  [OID.ecdsaWithSHA384]: 'ecdsa-with-SHA384',
  [OID.ecdsaWithSHA512]: 'ecdsa-with-SHA512',
  '1.2.840.10040.4.3': 'dsa-with-sha1',
  '2.16.840.1.101.3.4.3.1': 'dsa-with-sha224',
  '2.16.840.1.101.3.4.3.2': 'dsa-with-sha256',
  [OID.ed25519]: 'Ed25519',
  [OID.ed448]: 'Ed448',
}

const KEYS: Readonly<Record<string, { name: string; size: number }>> = {
  [OID.rsaEncryption]: { name: 'RSA', size: 0 },
  [OID.rsassaPss]: { name: 'RSASSA-PSS', size: 0 },
  '1.2.840.10040.4.1': { name: 'DSA', size: 0 },
  [OID.ecPublicKey]: { name: 'ECDSA', size: 0 },
  [OID.ed25519]: { name: 'Ed25519', size: 256 },
  [OID.ed448]: { name: 'Ed448', size: 456 },
  [OID.x25519]: { name: 'X25519', size: 256 },
  '1.3.101.111': { name: 'X448', size: 448 },
  '2.16.840.1.101.3.4.3.17': { name: 'ML-DSA-44', size: 0 },
  '2.16.840.1.101.3.4.3.18': { name: 'ML-DSA-65', size: 0 },
  '2.16.840.1.101.3.4.3.19': { name: 'ML-DSA-87', size: 0 },
}

const CURVES: Readonly<Record<string, { name: string; size: number }>> = {
  '1.2.840.10045.3.1.1': { name: 'P-192', size: 192 },
  '1.3.132.0.33': { name: 'P-224', size: 224 },
  '1.3.132.0.10': { name: 'secp256k1', size: 256 },
  '1.3.36.3.3.2.8.1.1.7': { name: 'brainpoolP256r1', size: 256 },
  '1.3.36.3.3.2.8.1.1.11': { name: 'brainpoolP384r1', size: 384 },
  '1.3.36.3.3.2.8.1.1.13': { name: 'brainpoolP512r1', size: 512 },
}

/** Throws PkiError('malformed') for a key of a served algorithm that is broken. */
export function algorithmNames(fields: CertificateFields): AlgorithmNames {
  const signature = identifierOf(fields.signatureAlgorithm).id
  return { signatureAlgorithm: SIGNATURES[signature] ?? signature, ...keyNames(fields) }
}

function identifierOf(algorithm: Buffer): { id: string; parameters: Tlv | undefined } {
  const [id, parameters] = children(expect(readTlv(algorithm), TAG.seq, 'AlgorithmIdentifier'))
  return { id: readOid(expect(id, TAG.oid, 'algorithm')), parameters }
}

function keyNames(fields: CertificateFields): Omit<AlgorithmNames, 'signatureAlgorithm'> {
  try {
    const { algorithm, size, curve } = fields.publicKey
    const name = algorithm === 'EC' ? 'ECDSA' : algorithm
    return { publicKeyAlgorithm: name, keySize: size, ...(curve === undefined ? {} : { curve }) }
  } catch (error) {
    if (error instanceof PkiError && error.kind === 'unsupported') return unservedKey(fields.spki)
    throw error
  }
}

/** An algorithm or a curve that is not served here, as far as its name goes. */
function unservedKey(spki: Buffer): Omit<AlgorithmNames, 'signatureAlgorithm'> {
  const [algorithm] = children(expect(readTlv(spki), TAG.seq, 'SubjectPublicKeyInfo'))
  const { id, parameters } = identifierOf(expect(algorithm, TAG.seq, 'AlgorithmIdentifier').der)
  const { name, size } = KEYS[id] ?? { name: id, size: 0 }
  if (id !== OID.ecPublicKey || parameters?.tag !== TAG.oid) return { publicKeyAlgorithm: name, keySize: size }
  const dotted = readOid(parameters)
  const curve = CURVES[dotted] ?? { name: dotted, size: 0 }
  return { publicKeyAlgorithm: name, keySize: curve.size, curve: curve.name }
}
