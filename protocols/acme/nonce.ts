import { createCipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'

/** Anti-replay nonces, RFC 8555 section 6.5. */
export interface Nonces {
  /** A fresh one: base64url, 36 or 48 characters. */
  issue(): string | Promise<string>
  /** True for a nonce of ours that is not too old, and for each only once, however many ask at the same time. */
  spend(nonce: string): boolean | Promise<boolean>
}

/** Long enough for clients that keep a nonce while they wait for DNS, or for a person. */
export const NONCE_LIFETIME_SECONDS = 3600
/** A clock that was set back must not make nonces from the future. */
const SKEW_SECONDS = 60
const COUNTER_OCTETS = 6
const TIME_OCTETS = 5
const DATA_OCTETS = COUNTER_OCTETS + TIME_OCTETS
const MAC_OCTETS = 16
const SEGMENT_BITS = 16

/** Nonces with neighbouring counters: one bit for each that was spent. */
interface Segment {
  lastIssued: number
  spent: Uint8Array | undefined
}

/**
 * For one process. A nonce is a counter and a time under a MAC whose key dies with the process, so none is stored when it is issued, and
 * after a restart the old ones are unknown. Spent ones are bits in a window that moves with the clock.
 */
export function localNonces(clock: () => Date): Nonces {
  const macOf = blockMac()
  const segments = new Map<number, Segment>()
  let next = 0
  /** What lies below has expired and is forgotten, and stays refused even if the clock is set back. */
  let floor = 0

  const seconds = () => Math.floor(clock().getTime() / 1000)

  function forget(now: number): void {
    for (const [number, { lastIssued }] of segments) {
      if (lastIssued + NONCE_LIFETIME_SECONDS >= now) return
      segments.delete(number)
      floor = (number + 1) * 2 ** SEGMENT_BITS
    }
  }

  function segmentOf(counter: number, now: number): Segment {
    const number = Math.floor(counter / 2 ** SEGMENT_BITS)
    let segment = segments.get(number)
    if (!segment) {
      forget(now)
      segment = { lastIssued: now, spent: undefined }
      segments.set(number, segment)
    }
    return segment
  }

  return {
    issue() {
      const now = seconds()
      const counter = next++
      const segment = segmentOf(counter, now)
      if (now > segment.lastIssued) segment.lastIssued = now
      const bytes = Buffer.allocUnsafe(DATA_OCTETS + MAC_OCTETS)
      bytes.writeUIntBE(counter, 0, COUNTER_OCTETS)
      bytes.writeUIntBE(now, COUNTER_OCTETS, TIME_OCTETS)
      macOf(bytes).copy(bytes, DATA_OCTETS)
      return bytes.toString('base64url')
    },
    spend(nonce) {
      const bytes = readNonce(nonce)
      if (bytes.length !== DATA_OCTETS + MAC_OCTETS) return false
      if (!timingSafeEqual(macOf(bytes), bytes.subarray(DATA_OCTETS))) return false
      const counter = bytes.readUIntBE(0, COUNTER_OCTETS)
      if (counter < floor || !inTime(bytes.readUIntBE(COUNTER_OCTETS, TIME_OCTETS), seconds())) return false
      const segment = segments.get(Math.floor(counter / 2 ** SEGMENT_BITS))
      if (!segment) return false
      segment.spent ??= new Uint8Array(2 ** (SEGMENT_BITS - 3))
      const bit = counter % 2 ** SEGMENT_BITS
      const octet = segment.spent[bit >> 3] ?? 0
      const mask = 1 << (bit & 7)
      if (octet & mask) return false
      segment.spent[bit >> 3] = octet | mask
      return true
    },
  }
}

/**
 * The MAC of the first octets of a nonce: one block of AES under a key of its own, which for messages of one length, shorter than a block, is as
 * good as HMAC and takes a third of its time. Ten of them go into an issuance.
 */
function blockMac(): (bytes: Buffer) => Buffer {
  const cipher = createCipheriv('aes-256-ecb', randomBytes(32), null).setAutoPadding(false)
  const block = Buffer.alloc(MAC_OCTETS)
  return (bytes) => {
    bytes.copy(block, 0, 0, DATA_OCTETS)
    return cipher.update(block)
  }
}

export function inTime(issued: number, now: number): boolean {
  return issued + NONCE_LIFETIME_SECONDS >= now && issued <= now + SKEW_SECONDS
}

/** RFC 8555 section 6.5.2: what is not base64url makes the JWS malformed. Throws AcmeError('malformed'). */
export function readNonce(nonce: string): Buffer {
  const bytes = decodeBase64url(nonce)
  if (!bytes) throw new AcmeError('malformed', 'the nonce is not base64url without padding')
  return bytes
}
