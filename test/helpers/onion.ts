import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { bits, context, integer, octets, oid, seq, set, tlv, utf8 } from '../../src/pki/der.ts'

/** A hidden service that exists nowhere: its key and its version 3 address, made after Tor's rend-spec-v3 section 6. */
export interface Onion {
  privateKey: KeyObject
  publicKey: KeyObject
  address: string
}

export function newOnion(): Onion {
  const pair = generateKeyPairSync('ed25519')
  return { ...pair, address: addressOf(pair.publicKey) }
}

function addressOf(publicKey: KeyObject): string {
  const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const checksum = createHash('sha3-256')
    .update(Buffer.concat([Buffer.from('.onion checksum'), key, Buffer.of(3)]))
    .digest()
  const digits = [...key, ...checksum.subarray(0, 2), 3].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  const letters = (digits.match(/.{5}/g) ?? []).map(
    (five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)],
  )
  return `${letters.join('')}.onion`
}

export interface OnionCsr {
  caNonce?: Buffer | Buffer[]
  applicantNonce?: Buffer
  /** Whose key stands in it, and who signs it. */
  publicKey?: KeyObject
  signer?: KeyObject
  /** DER of the subject. */
  subject?: Buffer
  version?: number
}

/** DER of the CSR of RFC 9799 section 3.2. */
export function onionCsr({ publicKey, privateKey }: Onion, change: OnionCsr): Buffer {
  const { caNonce = [], applicantNonce = randomBytes(8), version = 0 } = change
  const attribute = (type: string, values: Buffer[]) => seq(oid(type), set(...values.map(octets)))
  const nonces = Buffer.isBuffer(caNonce) ? [caNonce] : caNonce
  const attributes = [
    // One that a client may add.
    seq(oid('1.2.840.113549.1.9.2'), set(utf8('a service'))),
    ...(nonces.length > 0 ? [attribute('2.23.140.41', nonces)] : []),
    ...(applicantNonce.length > 0 ? [attribute('2.23.140.42', [applicantNonce])] : []),
  ]
  const info = seq(
    integer(version),
    change.subject ?? seq(),
    (change.publicKey ?? publicKey).export({ type: 'spki', format: 'der' }),
    tlv(context(0), Buffer.concat(attributes)),
  )
  const signature = sign(null, info, change.signer ?? privateKey)
  return seq(info, seq(oid('1.3.101.112')), bits(signature))
}

/** An entry of onionCAA, RFC 9799 section 6.4. */
export function onionCaa(service: Onion, caa: string | null, expiry: number, signedText?: string) {
  const text = signedText ?? `onion-caa|${expiry}|${caa ?? ''}`
  return { caa, expiry, signature: sign(null, Buffer.from(text), service.privateKey).toString('base64url') }
}
