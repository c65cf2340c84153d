import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { assemble } from '../../src/pki/certificate.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { CONTENT_CIPHERS, type ContentCipher } from '../../src/pki/contentCipher.ts'
import {
  bits,
  explicit,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  seq,
  set,
  TAG,
  time,
  tlv,
} from '../../src/pki/der.ts'
import { openEnvelopedData, readEnvelopedData } from '../../src/pki/envelopedData.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import { type DecryptionKey, decryptionKey } from '../../src/pki/keyTransport.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { authority, type KeyKind, keyPair, later, now } from './pkiSamples.ts'

/** A key with a certificate for it, as devices make them for a first request. */
export interface Party {
  certificate: Buffer
  key: KeyObject
}

export interface Oddities {
  cn?: string
  /** Contents of the INTEGER. */
  serial?: Buffer
  /** Extensions as they stand in the certificate. */
  extensions?: Buffer[]
}

/** A self-signed certificate of our own bytes; its signature is nonsense, which nobody who reads it bare may mind. */
export function party(kind: KeyKind, { cn = `device ${kind}`, ...odd }: Oddities = {}): Party {
  return partyOf(keyPair(kind, `party ${cn}`).privateKey, { cn, ...odd })
}

/** The same for a key that is there. */
export function partyOf(
  privateKey: KeyObject,
  { cn = 'device', serial = Buffer.of(7), extensions = [] }: Oddities = {},
): Party {
  const algorithm = seq(oid(OID.sha1WithRSAEncryption), nullValue())
  const name = encodeName(nameOf({ CN: cn }))
  const tbs = seq(
    explicit(0, integer(2)),
    tlv(TAG.integer, serial),
    algorithm,
    name,
    seq(time(later(-400)), time(now)),
    name,
    publicKeyFrom(createPublicKey(privateKey)).spki,
    ...(extensions.length > 0 ? [explicit(3, seq(...extensions))] : []),
  )
  return { certificate: assemble(tbs, algorithm, Buffer.alloc(256, 9)), key: privateKey }
}

export const brokenSki = (): Buffer => encodeExtension(OID.subjectKeyIdentifier, Buffer.of(0xff))

/** authorityKeyIdentifier, critical, as Windows writes it against RFC 5280 section 4.2.1.1. */
export const criticalAki = (): Buffer =>
  encodeExtension(OID.authorityKeyIdentifier, seq(tlv(0x80, Buffer.alloc(16, 3))), true)

export const unknownCritical = (): Buffer => encodeExtension('1.2.3.4', bits(Buffer.of(1)), true)

export const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

export const signedAttribute = (type: string, ...values: Buffer[]): Buffer => seq(oid(type), set(...values))

export interface OddMessage {
  content?: Buffer
  /** As they are sent, and as they are signed, if otherwise. */
  attributes: Buffer[]
  signed?: Buffer[]
  signatureAlgorithm?: Buffer
  digest?: 'sha512'
}

/** A SignedData, with SHA-256 unless otherwise said, whose attributes are in the caller's hands, good or not. */
export function messageOf(
  { certificate, key }: Party,
  { content, attributes, signed, signatureAlgorithm, digest }: OddMessage,
): Buffer {
  const { issuer, serial } = readBareCertificate(certificate)
  const algorithm = seq(oid(key.asymmetricKeyType === 'rsa' ? OID.rsaEncryption : OID.ecdsaWithSHA256))
  const signerInfo = seq(
    integer(1),
    seq(issuer, tlv(TAG.integer, serial)),
    seq(oid(digest ? OID.sha512 : OID.sha256)),
    implicit(0, Buffer.concat(attributes), true),
    signatureAlgorithm ?? algorithm,
    octets(sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', set(...(signed ?? attributes)), key)),
  )
  const encapsulated = content ? seq(oid(OID.data), explicit(0, octets(content))) : seq(oid(OID.data))
  const signedData = seq(integer(1), set(), encapsulated, implicit(0, certificate, true), set(signerInfo))
  return seq(oid(OID.signedData), explicit(0, signedData))
}

export interface OddEnvelope {
  certificate: Buffer
  encryptedKey: Buffer
  iv: Buffer
  /** encryptedContent with its tag; empty: none. */
  encrypted: Buffer
  contentType?: string
  /** AlgorithmIdentifier; by default AES-128. */
  cipher?: Buffer
  /** In place of the one of `certificate`. */
  recipients?: Buffer[]
}

/** An EnvelopedData whose parts are in the caller's hands, good or not. */
export function envelopeOf(odd: OddEnvelope): Buffer {
  const { issuer, serial } = readBareCertificate(odd.certificate)
  const rsa = seq(oid(OID.rsaEncryption), nullValue())
  const recipient = seq(integer(0), seq(issuer, tlv(TAG.integer, serial)), rsa, octets(odd.encryptedKey))
  const cipher = odd.cipher ?? seq(oid(OID.aes128Cbc), octets(odd.iv))
  const encrypted = seq(oid(odd.contentType ?? OID.data), cipher, odd.encrypted)
  return seq(oid(OID.envelopedData), explicit(0, seq(integer(0), set(...(odd.recipients ?? [recipient])), encrypted)))
}

export const ciphers = Object.keys(CONTENT_CIPHERS) as ContentCipher[]

/** An RSA key with a certificate in order, and as a key that opens envelopes. */
export async function rsaRecipient(kind: 'RSA-2048' | 'RSA-3072' = 'RSA-2048') {
  const { certificate } = await authority(kind)
  const { privateKey } = keyPair(kind, `ca Test ${kind}`)
  return { certificate, key: privateKey, opener: decryptionKey(certificate, privateKey) }
}

/** Opens an envelope with one key. */
export const open = (bytes: Buffer, key: DecryptionKey, taken: readonly ContentCipher[] = ciphers) =>
  openEnvelopedData(readEnvelopedData(bytes), { keys: [key], ciphers: taken })
