import { createHash } from 'node:crypto'

/** A name of a Tor hidden service, RFC 9799 section 2. */
export interface OnionName {
  /** The service's own name, without what stands below it. */
  address: string
  /** Its Ed25519 key: 32 octets. */
  publicKey: Buffer
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const ADDRESS = /^[a-z2-7]{56}$/
const VERSION = 3

export function isOnion(name: string): boolean {
  return /(?:^|\.)onion$/i.test(name)
}

/**
 * Reads a name below .onion, without "*.", in lower case: a version 3 address, with labels in front of it or without. What is wrong with it is
 * the answer otherwise, as the end of a sentence. The address is base32 of key, checksum and version (Tor's rend-spec-v3 section 6).
 */
export function readOnion(name: string): OnionName | { fault: string } {
  const label = name.split('.').at(-2) ?? ''
  if (/^[a-z2-7]{16}$/.test(label))
    return { fault: 'is a version 2 address, which must not be used any more (RFC 9799)' }
  if (!ADDRESS.test(label)) return { fault: 'is no version 3 .onion address of 56 letters and digits' }
  const octets = decodeBase32(label)
  const [publicKey, checksum, version] = [octets.subarray(0, 32), octets.subarray(32, 34), octets[34]]
  if (version !== VERSION) return { fault: `is an .onion address of version ${version}, not 3` }
  if (!onionChecksum(publicKey).equals(checksum)) return { fault: 'is an .onion address with a wrong checksum' }
  return { address: `${label}.onion`, publicKey }
}

/** The address of a key of 32 octets. */
export function onionAddress(publicKey: Buffer): string {
  const octets = Buffer.concat([publicKey, onionChecksum(publicKey), Buffer.of(VERSION)])
  const bits = BigInt(`0x${octets.toString('hex')}`)
  const letters = Array.from({ length: 56 }, (_, at) => BASE32[Number((bits >> BigInt(5 * (55 - at))) & 31n)])
  return `${letters.join('')}.onion`
}

function onionChecksum(publicKey: Buffer): Buffer {
  const hash = createHash('sha3-256').update('.onion checksum').update(publicKey).update(Buffer.of(VERSION))
  return hash.digest().subarray(0, 2)
}

/** 56 characters are exactly 35 octets. */
function decodeBase32(text: string): Buffer {
  let bits = 0n
  for (const letter of text) bits = (bits << 5n) | BigInt(BASE32.indexOf(letter))
  return Buffer.from(bits.toString(16).padStart(70, '0'), 'hex')
}
