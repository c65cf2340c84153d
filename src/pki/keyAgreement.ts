import { createHash, diffieHellman, generateKeyPairSync } from 'node:crypto'
import type { BareCertificate } from './certificateIdentifier.ts'
import { context, explicit, implicit, integer, octets, oid, readTlv, seq, tlv } from './der.ts'
import { unsupported } from './error.ts'
import { encodeKeyWrap, KEY_WRAPS, type KeyWrap, wrapKey } from './keyWrap.ts'
import { OID } from './oid.ts'
import { publicKeyFrom } from './publicKey.ts'

// KeyAgreeRecipientInfo with ephemeral-static ECDH: RFC 5652 section 6.2.2, RFC 5753 section 3.1.

export type KeyDerivation = 'sha256' | 'sha384' | 'sha512'

/** Standard ECDH; the key that both sides derive wraps the content-encryption key. */
export interface KeyAgreement {
  derivation: KeyDerivation
  wrap: KeyWrap
}

/** dhSinglePass-stdDH-*kdf-scheme, RFC 5753 section 7.1.4. */
export const KEY_DERIVATIONS = {
  sha256: OID.stdDHSha256Kdf,
  sha384: OID.stdDHSha384Kdf,
  sha512: OID.stdDHSha512Kdf,
} satisfies Record<KeyDerivation, string>

/**
 * The fields of KeyAgreeRecipientInfo for one recipient, with a new key of ours; `identifier` is a DER KeyAgreeRecipientIdentifier.
 * Throws PkiError('unsupported') for a key that is not on a curve.
 */
export function encodeKeyAgreeRecipient(
  { publicKey: theirs }: Pick<BareCertificate, 'publicKey'>,
  identifier: Buffer,
  { derivation, wrap }: KeyAgreement,
  contentKey: Buffer,
): Buffer[] {
  if (theirs.algorithm !== 'EC' || !theirs.curve) throw unsupported('a key can be agreed upon with EC keys only')
  const ours = generateKeyPairSync('ec', { namedCurve: theirs.curve })
  const secret = diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.key })
  const kek = derive(derivation, secret, wrap)
  // OriginatorPublicKey is a SubjectPublicKeyInfo under another tag.
  const originator = tlv(context(1), readTlv(publicKeyFrom(ours.publicKey).spki).value)
  return [
    integer(3),
    explicit(0, originator),
    seq(oid(KEY_DERIVATIONS[derivation]), encodeKeyWrap(wrap)),
    seq(seq(identifier, octets(wrapKey(wrap, kek, contentKey)))),
  ]
}

/** RecipientKeyIdentifier as the choice [0] of KeyAgreeRecipientIdentifier. */
export const recipientKeyIdentifier = (keyIdentifier: Buffer): Buffer => implicit(0, octets(keyIdentifier), true)

/** The key derivation function of SEC 1 section 3.6.1 over ECC-CMS-SharedInfo (RFC 5753 section 7.2). */
function derive(hash: KeyDerivation, secret: Buffer, wrap: KeyWrap): Buffer {
  const { keyLength } = KEY_WRAPS[wrap]
  const length = Buffer.alloc(4)
  length.writeUInt32BE(keyLength * 8)
  const info = seq(encodeKeyWrap(wrap), explicit(2, octets(length)))
  // Each of the hashes is as long as the longest key: one round.
  return createHash(hash)
    .update(secret)
    .update(Buffer.of(0, 0, 0, 1))
    .update(info)
    .digest()
    .subarray(0, keyLength)
}
