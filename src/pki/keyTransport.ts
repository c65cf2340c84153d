import { constants, createHmac, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import { type BareCertificate, encodeIssuerAndSerial } from './certificateIdentifier.ts'
import type { Tlv } from './der.ts'
import {
  children,
  context,
  expect,
  explicit,
  integer,
  nullValue,
  octets,
  oid,
  readOid,
  readTlv,
  seq,
  TAG,
} from './der.ts'
import { DIGESTS, type Digest, readDigest } from './digest.ts'
import { malformed, unsupported } from './error.ts'
import { OID } from './oid.ts'
import { unpadPkcs1 } from './unpad.ts'

// KeyTransRecipientInfo with RSA: RFC 5652 section 6.2.1, RFC 3370 section 4.2.1, RFC 4055 section 4.1.

/** How the content-encryption key is encrypted to an RSA key; `oaep-…` names the one hash of OAEP and of its MGF1. */
export type KeyTransport = 'rsaes-pkcs1' | `oaep-${Exclude<Digest, 'sha224'>}`

/** A private RSA key of ours that opens envelopes, with the certificate by which senders name it. */
export interface DecryptionKey {
  /** DER. */
  certificate: Buffer
  /**
   * RSADP. `none`: the whole block, as long as the modulus, without a look at what is in it; else what RSAES-OAEP with this hash makes of it.
   * Undefined where the ciphertext cannot be one of this key; throws only when the key cannot be used at present.
   */
  decrypt(ciphertext: Buffer, padding: RsaPadding): Promise<Buffer | undefined> | Buffer | undefined
}

export type RsaPadding = 'none' | Exclude<KeyTransport, 'rsaes-pkcs1'>

/** A decryption key over a private RSA key held in this process. Throws PkiError('unsupported') for another kind of key. */
export function decryptionKey(certificate: Buffer, key: KeyObject): DecryptionKey {
  if (key.asymmetricKeyType !== 'rsa') throw unsupported('only RSA keys open envelopes')
  return { certificate, decrypt: (ciphertext, padding) => rsaDecrypt(key, ciphertext, padding) }
}

function rsaDecrypt(key: KeyObject, ciphertext: Buffer, padding: RsaPadding): Buffer | undefined {
  const { RSA_NO_PADDING, RSA_PKCS1_OAEP_PADDING } = constants
  const how =
    padding === 'none'
      ? { padding: RSA_NO_PADDING }
      : { padding: RSA_PKCS1_OAEP_PADDING, oaepHash: padding.slice('oaep-'.length) }
  try {
    return privateDecrypt({ key, ...how }, ciphertext)
  } catch {
    // A number above the modulus, which everybody can see, or RSAES-OAEP that failed, of which no more is told than that.
    return undefined
  }
}

const OAEP_HASHES = ['sha1', 'sha256', 'sha384', 'sha512'] as const satisfies readonly Digest[]

/** Reads a keyEncryptionAlgorithm. Throws PkiError: `malformed`; `unsupported` for another one, OAEP with two hashes or a label among them. */
export function readKeyTransport(algorithm: Tlv | undefined): KeyTransport {
  const [id, parameters] = children(expect(algorithm, TAG.seq, 'keyEncryptionAlgorithm'), 2)
  const dotted = readOid(expect(id, TAG.oid, 'keyEncryptionAlgorithm'))
  if (dotted === OID.rsaEncryption) return 'rsaes-pkcs1'
  if (dotted !== OID.rsaesOaep) throw unsupported(`the key encryption ${dotted} is not supported`)
  const fields = new Map(
    children(expect(parameters, TAG.seq, 'RSAES-OAEP parameters'), 3).map((field) => [field.tag, field.value]),
  )
  const hash = fields.get(context(0))
  const digest = hash ? readDigest(readTlv(hash)) : 'sha1'
  if (readMgf1(fields.get(context(1))) !== digest) throw unsupported('RSAES-OAEP with two different hashes')
  refuseLabel(fields.get(context(2)))
  const known = OAEP_HASHES.find((each) => each === digest)
  if (!known) throw unsupported(`RSAES-OAEP with ${digest} is not supported`)
  return `oaep-${known}`
}

function readMgf1(field: Buffer | undefined): Digest {
  if (!field) return 'sha1'
  const [id, hash] = children(expect(readTlv(field), TAG.seq, 'mask generation function'), 2)
  if (readOid(expect(id, TAG.oid, 'mask generation function')) !== OID.mgf1)
    throw unsupported('RSAES-OAEP without MGF1')
  return readDigest(hash)
}

function refuseLabel(field: Buffer | undefined): void {
  if (!field) return
  const [, label] = children(expect(readTlv(field), TAG.seq, 'label of RSAES-OAEP'), 2)
  if (expect(label, TAG.octets, 'label of RSAES-OAEP').value.length > 0) throw unsupported('RSAES-OAEP with a label')
}

function encodeKeyTransport(transport: KeyTransport): Buffer {
  if (transport === 'rsaes-pkcs1') return seq(oid(OID.rsaEncryption), nullValue())
  // RFC 4055 section 4.1: defaults are left out.
  if (transport === 'oaep-sha1') return seq(oid(OID.rsaesOaep), seq())
  const hash = seq(oid(DIGESTS[oaepHash(transport)].oid), nullValue())
  return seq(oid(OID.rsaesOaep), seq(explicit(0, hash), explicit(1, seq(oid(OID.mgf1), hash))))
}

const oaepHash = (transport: Exclude<KeyTransport, 'rsaes-pkcs1'>) =>
  transport.slice('oaep-'.length) as Exclude<Digest, 'sha224'>

const rejectionSecret = randomBytes(32)

/** A key that stands in for one that cannot be had: always the same for the same ciphertext, and known to nobody. 32 octets. */
export const standIn = (ciphertext: Buffer): Buffer => createHmac('sha256', rejectionSecret).update(ciphertext).digest()

/**
 * The content-encryption key of `length` octets that was encrypted to `key`; where there is none, for whatever reason, another one of that length which opens
 * nothing. So nobody learns from the answer whether the padding was good (RFC 3218, RFC 5652 section 14).
 */
export async function transportedKey(
  key: DecryptionKey,
  transport: KeyTransport,
  ciphertext: Buffer,
  length: number,
): Promise<Buffer> {
  const instead = standIn(ciphertext).subarray(0, length)
  const opened = await key.decrypt(ciphertext, transport === 'rsaes-pkcs1' ? 'none' : transport)
  if (!opened) return instead
  if (transport !== 'rsaes-pkcs1') return opened.length === length ? opened : instead
  // The size of our key is known to all.
  if (ciphertext.length !== opened.length || opened.length < length + 11) return instead
  return unpadPkcs1(opened, length, instead)
}

/** KeyTransRecipientInfo by issuerAndSerialNumber. Throws PkiError('unsupported') for a key that is not RSA. */
export function encodeKeyTransRecipient(
  certificate: BareCertificate,
  transport: KeyTransport,
  contentKey: Buffer,
): Buffer {
  const { publicKey } = certificate
  if (publicKey.algorithm !== 'RSA') throw unsupported('only to RSA keys can be encrypted')
  const { RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING } = constants
  const how =
    transport === 'rsaes-pkcs1'
      ? { padding: RSA_PKCS1_PADDING }
      : { padding: RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHash(transport) }
  return seq(
    integer(0),
    encodeIssuerAndSerial(certificate),
    encodeKeyTransport(transport),
    octets(encryptTo(publicKey.key, how, contentKey)),
  )
}

function encryptTo(key: KeyObject, how: { padding: number; oaepHash?: string }, contentKey: Buffer): Buffer {
  try {
    return publicEncrypt({ key, ...how }, contentKey)
  } catch (cause) {
    throw malformed('an RSA key to which nothing can be encrypted', { cause })
  }
}
