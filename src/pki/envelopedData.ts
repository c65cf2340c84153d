import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  type BareCertificate,
  type CertificateIdentifier,
  encodeIssuerAndSerial,
  identifies,
  keptBareCertificate,
  readBareCertificate,
  readCertificateIdentifier,
} from './certificateIdentifier.ts'
import {
  CONTENT_CIPHERS,
  type ContentCipher,
  cipherKey,
  encodeCipher,
  newContentKey,
  readCipher,
} from './contentCipher.ts'
import { encodeContentInfo, readContentInfo } from './contentInfo.ts'
import {
  children,
  context,
  expect,
  implicit,
  integer,
  oid,
  readOctets,
  readOid,
  readSmallInteger,
  seq,
  set,
  TAG,
  type Tlv,
  tlv,
} from './der.ts'
import { malformed, unsupported } from './error.ts'
import { encodeKeyAgreeRecipient, type KeyAgreement, recipientKeyIdentifier } from './keyAgreement.ts'
import {
  type DecryptionKey,
  encodeKeyTransRecipient,
  type KeyTransport,
  readKeyTransport,
  transportedKey,
} from './keyTransport.ts'
import { encodeKekRecipient, type KekRecipient } from './keyWrap.ts'
import { OID } from './oid.ts'
import {
  encodePasswordRecipient,
  type PasswordRecipient,
  readPasswordRecipient,
  unwrapWithPassword,
} from './passwordRecipient.ts'
import { unpadBlocks } from './unpad.ts'

/** An EnvelopedData, read and not opened. */
export interface EnvelopedData {
  /** For RSA keys, in the order of the message. `algorithm` is the AlgorithmIdentifier, not yet looked at. */
  keyRecipients: { identifier: CertificateIdentifier; algorithm: Tlv; encryptedKey: Buffer }[]
  /** [3] PasswordRecipientInfo, not yet looked at. */
  passwordRecipients: Tlv[]
  cipher: ContentCipher
  iv: Buffer
  encryptedContent: Buffer
}

const MAX_RECIPIENTS = 16
const KEY_AGREE = context(1)
const KEK = context(2)
const PASSWORD = context(3)
const OTHER = context(4)

/**
 * Reads an EnvelopedData in its ContentInfo (RFC 5652 section 6), in DER or BER, whose content is id-data. Recipients of kinds that we do not serve are passed
 * over. Throws PkiError: `malformed`, `unsupported` for a cipher that we do not know.
 */
export function readEnvelopedData(bytes: Buffer): EnvelopedData {
  const fields = readContentInfo(bytes, 'envelopedData', 5)
  readSmallInteger(expect(fields.shift(), TAG.integer, 'version'))
  if (fields[0]?.tag === context(0)) fields.shift()
  const [recipients, encrypted, ...more] = fields
  if (more.some(({ tag }) => tag !== context(1))) throw malformed('an EnvelopedData with something left over')
  return {
    ...readRecipients(expect(recipients, TAG.set, 'recipientInfos')),
    ...readEncrypted(expect(encrypted, TAG.seq, 'encryptedContentInfo')),
  }
}

function readRecipients(infos: Tlv): Pick<EnvelopedData, 'keyRecipients' | 'passwordRecipients'> {
  const out: Pick<EnvelopedData, 'keyRecipients' | 'passwordRecipients'> = { keyRecipients: [], passwordRecipients: [] }
  for (const info of children(infos, MAX_RECIPIENTS)) {
    if (info.tag === TAG.seq) out.keyRecipients.push(readKeyRecipient(info))
    else if (info.tag === PASSWORD) out.passwordRecipients.push(info)
    else if (![KEY_AGREE, KEK, OTHER].includes(info.tag)) throw malformed('a recipient of an unknown kind')
  }
  return out
}

function readKeyRecipient(info: Tlv): EnvelopedData['keyRecipients'][number] {
  const [version, identifier, algorithm, encryptedKey, ...rest] = children(info, 5)
  readSmallInteger(expect(version, TAG.integer, 'version of a recipient'))
  if (rest.length > 0) throw malformed('a recipient with something left over')
  return {
    identifier: readCertificateIdentifier(identifier),
    algorithm: expect(algorithm, TAG.seq, 'keyEncryptionAlgorithm'),
    encryptedKey: readOctets(expect(encryptedKey, TAG.octets, 'encryptedKey')),
  }
}

function readEncrypted(info: Tlv): Pick<EnvelopedData, 'cipher' | 'iv' | 'encryptedContent'> {
  const [type, algorithm, content, ...rest] = children(info, 4)
  if (readOid(expect(type, TAG.oid, 'contentType')) !== OID.data)
    throw malformed('an envelope whose content is not id-data')
  if (rest.length > 0) throw malformed('an encryptedContentInfo with something left over')
  const { cipher, iv } = readCipher(algorithm)
  const encryptedContent = readEncryptedContent(content)
  if (encryptedContent.length === 0 || encryptedContent.length % iv.length > 0)
    throw malformed('encrypted content that is not whole blocks')
  return { cipher, iv, encryptedContent }
}

/** [0] IMPLICIT OCTET STRING, in BER also in pieces. */
function readEncryptedContent(content: Tlv | undefined): Buffer {
  if (content?.tag === context(0, false)) return content.value
  const pieces = children(expect(content, context(0), 'encryptedContent'), content?.value.length)
  return Buffer.concat(pieces.map((piece) => readOctets(piece)))
}

/** With what envelopes are opened, and which of them. */
export interface Opener {
  keys: readonly DecryptionKey[]
  /** For PasswordRecipientInfo, UTF-8. */
  password?: Buffer
  ciphers: readonly ContentCipher[]
}

export interface Opened {
  /** One DER SEQUENCE. */
  content: Buffer
  cipher: ContentCipher
  transport: KeyTransport | 'password'
  /** The key that opened it, unless it was the password. */
  key?: DecryptionKey
}

/**
 * Opens an envelope that carries one DER SEQUENCE, which is all that SCEP and EST put into one. Whatever is wrong behind the outside, key transport, its
 * padding, the length of the key, the content's padding, the content itself, is one and the same PkiError('malformed'), at the same point, after the same steps:
 * an attacker who sends altered copies of another's envelope learns nothing (RFC 3218).
 * What anybody can see is told before: PkiError('unsupported') for a cipher or key transport that is not taken, 'malformed' for an envelope to others.
 */
export async function openEnvelopedData(envelope: EnvelopedData, opener: Opener): Promise<Opened> {
  const { cipher, iv, encryptedContent } = envelope
  if (!opener.ciphers.includes(cipher)) throw unsupported(`the content cipher ${cipher} is not taken here`)
  const { keyLength, blockLength, algorithm } = CONTENT_CIPHERS[cipher]
  const { contentKey, ...by } = await contentKeyOf(envelope, opener, keyLength)
  const decipher = createDecipheriv(algorithm, cipherKey(cipher, contentKey), iv).setAutoPadding(false)
  const plain = decipher.update(encryptedContent)
  const { length, bad } = unpadBlocks(plain, blockLength)
  if (bad | shapeOf(plain, length)) throw malformed('the envelope cannot be opened')
  return { content: plain.subarray(0, length), cipher, ...by }
}

/** 0 where these octets are one DER SEQUENCE by their header, else another number. */
function shapeOf(plain: Buffer, length: number): number {
  const second = plain[1] ?? 0
  const count = second & 0x80 ? second & 0x7f : 0
  let content = count ? 0 : second
  for (let i = 0; i < 4; i++) content = i < count ? content * 256 + (plain[2 + i] ?? 0) : content
  return ((plain[0] ?? 0) ^ TAG.seq) | (2 + count + content === length ? 0 : 1)
}

async function contentKeyOf(
  { keyRecipients, passwordRecipients }: EnvelopedData,
  { keys, password }: Opener,
  length: number,
): Promise<{ contentKey: Buffer } & Pick<Opened, 'transport' | 'key'>> {
  for (const { identifier, algorithm, encryptedKey } of keyRecipients) {
    const key = keys.find(({ certificate }) => identifies(identifier, keptBareCertificate(certificate)))
    if (!key) continue
    const transport = readKeyTransport(algorithm)
    return { contentKey: await transportedKey(key, transport, encryptedKey, length), transport, key }
  }
  const [info] = passwordRecipients
  if (!info || !password) throw malformed('the envelope is for another key than ours')
  const recipient: PasswordRecipient = readPasswordRecipient(info)
  return { contentKey: await unwrapWithPassword(recipient, password, length), transport: 'password' }
}

/**
 * To whom an envelope is closed: an RSA key by its certificate, an EC key likewise, whoever knows a password (UTF-8) or a key-encryption key. A certificate that was
 * read before, a signer's, spares the import of its key; else DER. `byKeyIdentifier`: in place of issuer and serial number, the identifier that the certificate has.
 */
export type EnvelopeRecipient =
  | { certificate: BareCertificate | Buffer; transport: KeyTransport; byKeyIdentifier?: boolean }
  | { certificate: BareCertificate | Buffer; agreement: KeyAgreement; byKeyIdentifier?: boolean }
  | { password: Buffer }
  | { kek: KekRecipient }

/**
 * An EnvelopedData in its ContentInfo, DER, with one recipient; `contentType` (dotted) is id-data when absent, and for another type `content` is the DER of its
 * value. Throws PkiError('unsupported') for a certificate whose key does not do what is asked.
 */
export async function writeEnvelopedData(
  content: Buffer,
  recipient: EnvelopeRecipient,
  cipher: ContentCipher,
  contentType: string = OID.data,
): Promise<Buffer> {
  const { algorithm, blockLength } = CONTENT_CIPHERS[cipher]
  const contentKey = newContentKey(cipher)
  const iv = randomBytes(blockLength)
  const encryption = createCipheriv(algorithm, cipherKey(cipher, contentKey), iv)
  const encrypted = Buffer.concat([encryption.update(content), encryption.final()])
  const { version, info } = await encodeRecipient(recipient, contentKey)
  return encodeContentInfo(
    'envelopedData',
    integer(version),
    set(info),
    seq(oid(contentType), encodeCipher(cipher, iv), implicit(0, encrypted)),
  )
}

/** A RecipientInfo, and the version that it makes of the EnvelopedData (RFC 5652 section 6.1). */
async function encodeRecipient(
  recipient: EnvelopeRecipient,
  contentKey: Buffer,
): Promise<{ version: 0 | 2 | 3; info: Buffer }> {
  if ('password' in recipient) {
    const fields = await encodePasswordRecipient(recipient.password, contentKey)
    return { version: 3, info: tlv(PASSWORD, Buffer.concat(fields)) }
  }
  if ('kek' in recipient)
    return { version: 2, info: tlv(KEK, Buffer.concat(encodeKekRecipient(recipient.kek, contentKey))) }
  const certificate = asBare(recipient.certificate)
  const identifier = recipient.byKeyIdentifier ? certificate.keyIdentifier : undefined
  if ('transport' in recipient) {
    const info = encodeKeyTransRecipient(certificate, recipient.transport, contentKey, identifier)
    return { version: identifier ? 2 : 0, info }
  }
  const rid = identifier ? recipientKeyIdentifier(identifier) : encodeIssuerAndSerial(certificate)
  const fields = encodeKeyAgreeRecipient(certificate, rid, recipient.agreement, contentKey)
  return { version: 2, info: tlv(KEY_AGREE, Buffer.concat(fields)) }
}

const asBare = (certificate: BareCertificate | Buffer): BareCertificate =>
  Buffer.isBuffer(certificate) ? readBareCertificate(certificate) : certificate
