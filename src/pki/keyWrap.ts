import { createCipheriv } from 'node:crypto'
import { integer, octets, oid, seq } from './der.ts'
import { OID } from './oid.ts'

// Keys encrypted with keys by AES: RFC 3394, in CMS by RFC 3565 section 2.3.2.

export type KeyWrap = 'aes-128-wrap' | 'aes-192-wrap' | 'aes-256-wrap'

/** `cipher` as node:crypto calls it; `keyLength`: octets of the key-encryption key. */
export const KEY_WRAPS = {
  'aes-128-wrap': { oid: OID.aes128Wrap, cipher: 'id-aes128-wrap', keyLength: 16 },
  'aes-192-wrap': { oid: OID.aes192Wrap, cipher: 'id-aes192-wrap', keyLength: 24 },
  'aes-256-wrap': { oid: OID.aes256Wrap, cipher: 'id-aes256-wrap', keyLength: 32 },
} satisfies Record<KeyWrap, { oid: string; cipher: string; keyLength: number }>

/** Strongest first. */
export const keyWraps: readonly KeyWrap[] = ['aes-256-wrap', 'aes-192-wrap', 'aes-128-wrap']

/** The wrap for which a key-encryption key is long enough and not too long; undefined for a length that no key has. */
export const wrapFor = (kek: Buffer): KeyWrap | undefined =>
  keyWraps.find((wrap) => KEY_WRAPS[wrap].keyLength === kek.length)

/** The initial value of RFC 3394 section 2.2.3.1. */
const INITIAL = Buffer.alloc(8, 0xa6)

/** RFC 3394 section 2.2.1: `key` of 16 octets or more, whole blocks of 8; the result has 8 more. */
export function wrapKey(wrap: KeyWrap, kek: Buffer, key: Buffer): Buffer {
  const cipher = createCipheriv(KEY_WRAPS[wrap].cipher, kek, INITIAL)
  return Buffer.concat([cipher.update(key), cipher.final()])
}

/** AlgorithmIdentifier, without parameters. */
export const encodeKeyWrap = (wrap: KeyWrap): Buffer => seq(oid(KEY_WRAPS[wrap].oid))

/** Who knows a key-encryption key by this name, and how a content-encryption key is wrapped for him. */
export interface KekRecipient {
  keyIdentifier: Buffer
  wrap: KeyWrap
  wrapKey(contentKey: Buffer): Buffer
}

/** The fields of KEKRecipientInfo (RFC 5652 section 6.2.3). */
export function encodeKekRecipient({ keyIdentifier, wrap, wrapKey }: KekRecipient, contentKey: Buffer): Buffer[] {
  return [integer(4), seq(octets(keyIdentifier)), encodeKeyWrap(wrap), octets(wrapKey(contentKey))]
}
