import { constants } from 'node:crypto'
import { children, context, expect, nullValue, oid, readSmallInteger, readTlv, seq, TAG, type Tlv } from './der.ts'
import { malformed, unsupported } from './error.ts'

/** How one signature algorithm is computed by node:crypto. */
export interface Scheme {
  name: string
  /** DER AlgorithmIdentifier. */
  algorithm: Buffer
  keyType: 'ec' | 'rsa' | 'ed25519'
  /** Digest name; null where the algorithm brings its own. */
  hash: 'sha256' | 'sha384' | 'sha512' | null
  padding?: number
  saltLength?: number
}

const ecdsa = (size: '256' | '384' | '512', arc: number): Scheme => ({
  name: `ecdsa-with-SHA${size}`,
  // RFC 5758 section 3.2: parameters MUST be absent.
  algorithm: seq(oid(`1.2.840.10045.4.3.${arc}`)),
  keyType: 'ec',
  hash: `sha${size}`,
})

const rsa = (size: '256' | '384' | '512', arc: number): Scheme => ({
  name: `sha${size}WithRSAEncryption`,
  // RFC 4055 section 5: parameters MUST be NULL; readers accept absent ones.
  algorithm: seq(oid(`1.2.840.113549.1.1.${arc}`), nullValue()),
  keyType: 'rsa',
  hash: `sha${size}`,
})

/** The algorithms that we sign with. */
export const schemes = {
  'ecdsa-with-SHA256': ecdsa('256', 2),
  'ecdsa-with-SHA384': ecdsa('384', 3),
  'ecdsa-with-SHA512': ecdsa('512', 4),
  sha256WithRSAEncryption: rsa('256', 11),
  sha384WithRSAEncryption: rsa('384', 12),
  sha512WithRSAEncryption: rsa('512', 13),
  Ed25519: { name: 'Ed25519', algorithm: seq(oid('1.3.101.112')), keyType: 'ed25519', hash: null },
} satisfies Record<string, Scheme>

const byEncoding = new Map<string, Scheme>()
for (const scheme of Object.values<Scheme>(schemes)) {
  byEncoding.set(scheme.algorithm.toString('latin1'), scheme)
  if (scheme.keyType === 'rsa') {
    const [algorithm] = children(readTlv(scheme.algorithm))
    if (algorithm) byEncoding.set(seq(algorithm.der).toString('latin1'), scheme)
  }
}

const PSS = oid('1.2.840.113549.1.1.10')
const MGF1 = oid('1.2.840.113549.1.1.8')
const SHA2: readonly [oid: Buffer, hash: 'sha256' | 'sha384' | 'sha512'][] = [
  [oid('2.16.840.1.101.3.4.2.1'), 'sha256'],
  [oid('2.16.840.1.101.3.4.2.2'), 'sha384'],
  [oid('2.16.840.1.101.3.4.2.3'), 'sha512'],
]

/**
 * The scheme that a DER AlgorithmIdentifier names: ECDSA, RSA PKCS #1 v1.5 and RSASSA-PSS with SHA-2, Ed25519.
 * Throws PkiError('malformed') for bytes that are none, PkiError('unsupported') for another algorithm.
 */
export function schemeOf(algorithm: Buffer): Scheme {
  const known = byEncoding.get(algorithm.toString('latin1'))
  if (known) return known
  const [id, parameters] = children(expect(readTlv(algorithm), TAG.seq, 'AlgorithmIdentifier'))
  if (expect(id, TAG.oid, 'algorithm').der.equals(PSS)) return pss(algorithm, parameters)
  throw unsupported('a signature algorithm that we do not serve')
}

/** RSASSA-PSS-params, RFC 4055 section 3.1, with one SHA-2 hash for the message and for MGF1. */
function pss(algorithm: Buffer, parameters: Tlv | undefined): Scheme {
  const fields = new Map(
    children(expect(parameters, TAG.seq, 'RSASSA-PSS parameters')).map((field) => [field.tag, field]),
  )
  const hash = hashOf(fields.get(context(0)))
  const [mgf, mgfHash] = children(inner(fields.get(context(1))))
  if (!expect(mgf, TAG.oid, 'mask generation function').der.equals(MGF1)) throw unsupported('RSASSA-PSS without MGF1')
  if (algorithmHash(mgfHash) !== hash) throw unsupported('RSASSA-PSS with two different hashes')
  const salt = fields.get(context(2))
  const saltLength = salt ? readSmallInteger(inner(salt)) : 20
  if (saltLength < 0 || saltLength > 512) throw malformed('RSASSA-PSS salt length')
  return { name: 'RSASSA-PSS', algorithm, keyType: 'rsa', hash, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
}

function inner(field: Tlv | undefined): Tlv {
  // The defaults of absent fields are SHA-1.
  if (!field) throw unsupported('RSASSA-PSS with SHA-1')
  return readTlv(field.value)
}

const hashOf = (field: Tlv | undefined) => algorithmHash(inner(field))

function algorithmHash(algorithm: Tlv | undefined) {
  const [id] = children(expect(algorithm, TAG.seq, 'hash algorithm'))
  const found = SHA2.find(([known]) => id?.der.equals(known))
  if (!found) throw unsupported('RSASSA-PSS with a hash outside SHA-2')
  return found[1]
}
