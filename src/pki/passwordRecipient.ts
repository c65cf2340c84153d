import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { CONTENT_CIPHERS, encodeCipher, readCipher } from './contentCipher.ts'
import {
  children,
  context,
  expect,
  implicit,
  integer,
  octets,
  oid,
  readOctets,
  readOid,
  seq,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed, unsupported } from './error.ts'
import { standIn } from './keyTransport.ts'
import { OID } from './oid.ts'
import { pbkdf2Key } from './pbe.ts'
import { choose } from './unpad.ts'

// PasswordRecipientInfo: RFC 5652 section 6.2.4; its key wrap is RFC 3211 section 2.3. For requesters whose key cannot encrypt (RFC 8894 section 3.1).

/** What senders may ask of us: a tenth of a second. */
const MAX_ITERATIONS = 250_000
const OUR_ITERATIONS = 20_000
const deriveInPool = promisify(pbkdf2)

/** What stands in a PasswordRecipientInfo, taken apart. */
export interface PasswordRecipient {
  /** AlgorithmIdentifier of PBKDF2. */
  derivation: Tlv
  cipher: Exclude<ReturnType<typeof readCipher>['cipher'], 'des-cbc'>
  iv: Buffer
  wrapped: Buffer
}

/** Reads the contents of [3] PasswordRecipientInfo. Throws PkiError: `malformed`, `unsupported`. */
export function readPasswordRecipient(recipient: Tlv): PasswordRecipient {
  const fields = children(recipient, 4)
  const derivation = fields[1]?.tag === context(0) ? fields[1] : undefined
  const [algorithm, encryptedKey] = fields.slice(derivation ? 2 : 1)
  if (!derivation) throw unsupported('a password recipient whose key comes from elsewhere')
  const [id, parameters] = children(expect(algorithm, TAG.seq, 'keyEncryptionAlgorithm'), 2)
  if (readOid(expect(id, TAG.oid, 'keyEncryptionAlgorithm')) !== OID.pwriKek)
    throw unsupported('a password recipient with a key wrap other than PWRI-KEK')
  const { cipher, iv } = readCipher(parameters)
  if (cipher === 'des-cbc') throw unsupported('a key wrapped with single DES')
  const wrapped = readOctets(expect(encryptedKey, TAG.octets, 'encryptedKey'))
  const { blockLength } = CONTENT_CIPHERS[cipher]
  if (wrapped.length < 2 * blockLength || wrapped.length % blockLength > 0 || wrapped.length > 256)
    throw malformed('a wrapped key of an impossible length')
  // [0] IMPLICIT in place of SEQUENCE.
  return { derivation: { ...derivation, tag: TAG.seq }, cipher, iv, wrapped }
}

/** The content-encryption key of `length` octets; with a wrong password another one that opens nothing. Throws PkiError('unsupported'), 'malformed'. */
export async function unwrapWithPassword(
  { derivation, cipher, iv, wrapped }: PasswordRecipient,
  password: Buffer,
  length: number,
): Promise<Buffer> {
  const { algorithm, keyLength, blockLength } = CONTENT_CIPHERS[cipher]
  const kek = await pbkdf2Key(derivation, { password, keyLength, maxIterations: MAX_ITERATIONS })
  const decrypt = (from: Buffer, bytes: Buffer) =>
    createDecipheriv(algorithm, kek, from).setAutoPadding(false).update(bytes)
  const last = wrapped.length - blockLength
  const outer = decrypt(wrapped.subarray(last - blockLength, last), wrapped.subarray(last))
  const inner = Buffer.concat([decrypt(outer, wrapped.subarray(0, last)), outer])
  const plain = decrypt(iv, inner)
  const key = Buffer.alloc(length)
  plain.copy(key, 0, 4)
  const octet = (at: number) => plain[at] ?? 0
  // One octet of length, the complement of the key's first three, the key, anything.
  let bad = (octet(0) ^ length) | (plain.length < length + 4 ? 1 : 0)
  for (let i = 1; i <= 3; i++) bad |= octet(i) ^ octet(i + 3) ^ 0xff
  return choose(-bad >> 31, standIn(wrapped).subarray(0, length), key)
}

/** PasswordRecipientInfo without its tag: PBKDF2 with HMAC-SHA-256, the key wrapped with AES-256. `password` in UTF-8. */
export async function encodePasswordRecipient(password: Buffer, contentKey: Buffer): Promise<Buffer[]> {
  const { algorithm, keyLength, blockLength } = CONTENT_CIPHERS['aes-256-cbc']
  const salt = randomBytes(16)
  const iv = randomBytes(blockLength)
  const kek = await deriveInPool(password, salt, OUR_ITERATIONS, keyLength, 'sha256')
  const head = Buffer.from([contentKey.length, ...contentKey.subarray(0, 3).map((octet) => octet ^ 0xff)])
  const least = Math.max(2 * blockLength, Math.ceil((4 + contentKey.length) / blockLength) * blockLength)
  const plain = Buffer.concat([head, contentKey, randomBytes(least - 4 - contentKey.length)])
  const encrypt = (from: Buffer, bytes: Buffer) =>
    createCipheriv(algorithm, kek, from).setAutoPadding(false).update(bytes)
  const inner = encrypt(iv, plain)
  const wrapped = encrypt(inner.subarray(-blockLength), inner)
  const parameters = seq(octets(salt), integer(OUR_ITERATIONS), seq(oid(OID.hmacWithSHA256)))
  return [
    integer(0),
    implicit(0, Buffer.concat([oid(OID.pbkdf2), parameters]), true),
    seq(oid(OID.pwriKek), encodeCipher('aes-256-cbc', iv)),
    octets(wrapped),
  ]
}
