import { constants, createHmac, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import { type BareCertificate, encodeIssuerAndSerial } from './certificateIdentifier.ts'
import type { Tlv } from './der.ts'
import {
  children,
  context,
  expect,
  explicit,
  implicit,
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
import { type OaepHashes, padOaep, unpadOaep } from './oaep.ts'
import { OID } from './oid.ts'
import type { PublicKeyInfo } from './publicKey.ts'
import { unpadPkcs1 } from './unpad.ts'

// KeyTransRecipientInfo with RSA: RFC 5652 section 6.2.1, RFC 3370 section 4.2.1, RFC 4055 section 4.1.

/** How the content-encryption key is encrypted to an RSA key. `oaep-…` names the one hash of OAEP and of its MGF1, or both. */
export type KeyTransport = 'rsaes-pkcs1' | `oaep-${Digest}` | `oaep-${Digest}-mgf1-${Digest}`

/** A private RSA key of ours that opens envelopes, with the certificate by which senders name it. */
export interface DecryptionKey {
  /** DER. */
  certificate: Buffer
  /**
   * RSADP (RFC 8017 section 5.1.2): the whole block, as long as the modulus, without a look at what is in it.
   * Undefined where the ciphertext cannot be one of this key; throws only when the key cannot be used at present.
   */
  decrypt(ciphertext: Buffer): Promise<Buffer | undefined> | Buffer | undefined
}

/** A decryption key over a private RSA key held in this process. Throws PkiError('unsupported') for another kind of key. */
export function decryptionKey(certificate: Buffer, key: KeyObject): DecryptionKey {
  if (key.asymmetricKeyType !== 'rsa') throw unsupported('only RSA keys open envelopes')
  return { certificate, decrypt: (ciphertext) => rsaDecrypt(key, ciphertext) }
}

function rsaDecrypt(key: KeyObject, ciphertext: Buffer): Buffer | undefined {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext)
  } catch {
    // A number above the modulus, which everybody can see.
    return undefined
  }
}

/** Reads a keyEncryptionAlgorithm. Throws PkiError: `malformed`; `unsupported` for another one, OAEP with a label among them. */
export function readKeyTransport(algorithm: Tlv | undefined): KeyTransport {
  const [id, parameters] = children(expect(algorithm, TAG.seq, 'keyEncryptionAlgorithm'), 2)
  const dotted = readOid(expect(id, TAG.oid, 'keyEncryptionAlgorithm'))
  if (dotted === OID.rsaEncryption) return 'rsaes-pkcs1'
  if (dotted !== OID.rsaesOaep) throw unsupported(`the key encryption ${dotted} is not supported`)
  const fields = new Map(
    children(expect(parameters, TAG.seq, 'RSAES-OAEP parameters'), 3).map((field) => [field.tag, field.value]),
  )
  const hash = fields.get(context(0))
  refuseLabel(fields.get(context(2)))
  const digest = hash ? readDigest(readTlv(hash)) : 'sha1'
  const mgf1 = readMgf1(fields.get(context(1)))
  return mgf1 === digest ? `oaep-${digest}` : `oaep-${digest}-mgf1-${mgf1}`
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
  const { hash, mgf1 } = oaepHashes(transport)
  const named = (digest: Digest) => seq(oid(DIGESTS[digest].oid), nullValue())
  // RFC 4055 section 4.1: defaults are left out.
  const parameters = [
    ...(hash === 'sha1' ? [] : [explicit(0, named(hash))]),
    ...(mgf1 === 'sha1' ? [] : [explicit(1, seq(oid(OID.mgf1), named(mgf1)))]),
  ]
  return seq(oid(OID.rsaesOaep), seq(...parameters))
}

function oaepHashes(transport: Exclude<KeyTransport, 'rsaes-pkcs1'>): OaepHashes {
  const [, hash, , mgf1 = hash] = transport.split('-') as ['oaep', Digest, 'mgf1'?, Digest?]
  return { hash, mgf1 }
}

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
  const opened = await key.decrypt(ciphertext)
  // The size of our key is known to all.
  if (!opened || ciphertext.length !== opened.length || opened.length < length + 11) return instead
  if (transport === 'rsaes-pkcs1') return unpadPkcs1(opened, length, instead)
  return unpadOaep(opened, length, oaepHashes(transport), instead)
}

/**
 * KeyTransRecipientInfo (RFC 5652 section 6.2.1), by `keyIdentifier` where one is given, else by issuerAndSerialNumber. Throws PkiError('unsupported') for a key
 * that is not RSA.
 */
export function encodeKeyTransRecipient(
  certificate: BareCertificate,
  transport: KeyTransport,
  contentKey: Buffer,
  keyIdentifier?: Buffer,
): Buffer {
  const { publicKey } = certificate
  if (publicKey.algorithm !== 'RSA') throw unsupported('only to RSA keys can be encrypted')
  return seq(
    integer(keyIdentifier ? 2 : 0),
    keyIdentifier ? implicit(0, keyIdentifier) : encodeIssuerAndSerial(certificate),
    encodeKeyTransport(transport),
    octets(encryptTo(publicKey, transport, contentKey)),
  )
}

function encryptTo({ key, size }: PublicKeyInfo, transport: KeyTransport, contentKey: Buffer): Buffer {
  const { RSA_PKCS1_PADDING, RSA_NO_PADDING } = constants
  const pkcs1 = transport === 'rsaes-pkcs1'
  const block = pkcs1 ? contentKey : padOaep(contentKey, Math.ceil(size / 8), oaepHashes(transport))
  try {
    return publicEncrypt({ key, padding: pkcs1 ? RSA_PKCS1_PADDING : RSA_NO_PADDING }, block)
  } catch (cause) {
    throw malformed('an RSA key to which nothing can be encrypted', { cause })
  }
}
