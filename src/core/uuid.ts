import { randomBytes } from 'node:crypto'

let pool = Buffer.alloc(0)
let used = 0

/** Random octets from a pool that is filled 4 KiB at a time: one call into OpenSSL for some two hundred uuids. */
export function random(octets: number): Buffer {
  if (used + octets > pool.length) {
    pool = randomBytes(4096)
    used = 0
  }
  const taken = pool.subarray(used, used + octets)
  used += octets
  return taken
}

/** 48 bits of milliseconds, then `octets` - 6 random octets. Never hand the result's buffer out for writing. */
function timed(at: Date, octets: number): Buffer {
  const bytes = Buffer.allocUnsafe(octets)
  bytes.writeUIntBE(at.getTime(), 0, 6)
  random(octets - 6).copy(bytes, 6)
  return bytes
}

/** UUID version 7 (RFC 9562 section 5.7): time-ordered, 74 random bits. */
export function uuidv7(at: Date): string {
  const bytes = timed(at, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/**
 * A serial number of 16 octets, positive, as lower-case hex without leading zero octets: 48 bits of milliseconds, so
 * that the unique index only ever grows at its end, then 80 random bits (the CA/Browser Forum asks for 64).
 */
export function newSerial(at: Date): string {
  return timed(at, 16)
    .toString('hex')
    .replace(/^(00)+/, '')
}
