import { children, generalizedTime, readTlv, seq, time } from './der.ts'
import { malformed } from './error.ts'
import { encodeExtension } from './extensions.ts'
import { OID } from './oid.ts'
import { reasonCodes, reasonName } from './reason.ts'

/** `reason` is a CRLReason number; absent or 0 writes no reasonCode, as RFC 5280 section 5.3.1 wants it. */
export interface CrlEntry {
  /** Lower-case hex, no leading 00 octet. */
  serial: string
  revokedAt: Date
  reason?: number
  /** Since when the key is thought to be known by others (section 5.3.2); whole seconds. */
  invalidityDate?: Date
  /** Indirect CRLs: DER GeneralNames of who issued the certificate, critical (section 5.3.3); it holds for the entries after it too. */
  certificateIssuer?: Buffer
}

// reasonCode without its last octet: SEQUENCE of one Extension whose value is an ENUMERATED.
const REASON = encodeExtension(OID.reasonCode, Buffer.of(0x0a, 1, 0))
const REASONS = seq(REASON)
const MAX_SERIAL = 20
// INTEGER of 21 octets, GeneralizedTime, reason and invalidityDate, header.
const MAX_ENTRY = 2 + 23 + 17 + 48
const FIRST_PART = 4096
/** Encoded entries from this length on are a part of their own and not copied. */
const OWN_PART = 1 << 15
const LAST_PART = 1 << 20

/**
 * Entries of a CRL as DER, collected in parts of up to a MiB so that a million of them need no second copy. No entry lies across two parts.
 * `add` throws PkiError('malformed') for a serial that is not hex, a reason that has no name, or removeFromCRL outside a delta CRL.
 */
export class RevokedCertificates {
  readonly #full: Buffer[] = []
  readonly #delta: boolean
  #open = Buffer.allocUnsafeSlow(FIRST_PART)
  #at = 0
  #length = 0
  #issuer: Buffer | undefined
  #toldIssuer: Buffer | undefined
  count = 0

  constructor({ delta }: { delta: boolean }) {
    this.#delta = delta
  }

  /** Octets of all entries. */
  get length(): number {
    return this.#length + this.#at
  }

  get parts(): Buffer[] {
    return this.#at === 0 ? [...this.#full] : [...this.#full, this.#open.subarray(0, this.#at)]
  }

  /**
   * Whose certificates the entries from here on are, as DER GeneralNames: the first of them says it, where that is not who the last
   * one said. For indirect CRLs (RFC 5280 section 5.3.3).
   */
  from(certificateIssuer: Buffer): void {
    this.#issuer = certificateIssuer
  }

  add(given: CrlEntry): void {
    const certificateIssuer = this.#tellIssuer()
    const entry = certificateIssuer ? { ...given, certificateIssuer } : given
    checkReason(entry.reason ?? 0, this.#delta)
    if (entry.certificateIssuer) this.#addLong(entry)
    else {
      this.#reserve(MAX_ENTRY)
      this.#at = writeEntry(this.#open, this.#at, entry)
    }
    this.count++
  }

  /** Entries that encodeCrlEntry made, one behind the other: `count` of them. Not of a delta CRL. */
  addEncoded(entries: Buffer, count: number): void {
    const issuer = count > 0 ? this.#tellIssuer() : undefined
    if (issuer) {
      const [first, rest] = splitFirst(entries)
      this.#copy(withIssuer(first, issuer))
      this.#addParts(rest)
    } else this.#addParts(entries)
    this.count += count
  }

  #addParts(entries: Buffer): void {
    if (entries.length < OWN_PART) {
      this.#copy(entries)
      return
    }
    if (this.#at > 0) this.#close()
    this.#full.push(entries)
    this.#length += entries.length
  }

  #copy(encoded: Buffer): void {
    this.#reserve(encoded.length)
    this.#at += encoded.copy(this.#open, this.#at)
  }

  #tellIssuer(): Buffer | undefined {
    if (!this.#issuer || this.#toldIssuer?.equals(this.#issuer)) return undefined
    this.#toldIssuer = this.#issuer
    return this.#issuer
  }

  /** With a name in it an entry may have any length. */
  #addLong(entry: CrlEntry): void {
    const { certificateIssuer = Buffer.alloc(0), ...rest } = entry
    const short = Buffer.alloc(MAX_ENTRY)
    const end = writeEntry(short, 0, { serial: rest.serial, revokedAt: rest.revokedAt })
    const issuer = encodeExtension(OID.certificateIssuer, certificateIssuer, true)
    this.#copy(seq(short.subarray(2, end), seq(...extensionsOf(rest), issuer)))
  }

  #reserve(octets: number): void {
    if (this.#at + octets <= this.#open.length) return
    this.#close()
    this.#open = Buffer.allocUnsafeSlow(Math.max(octets, Math.min(this.#open.length * 4, LAST_PART)))
  }

  /** What is written is a part; the rest of the buffer is written next. */
  #close(): void {
    this.#full.push(this.#open.subarray(0, this.#at))
    this.#length += this.#at
    this.#open = this.#open.subarray(this.#at)
    this.#at = 0
  }
}

/** DER of one entry of a complete CRL. Throws PkiError('malformed') as RevokedCertificates.add does. */
export function encodeCrlEntry(entry: CrlEntry): Buffer {
  const revoked = new RevokedCertificates({ delta: false })
  revoked.add(entry)
  return Buffer.concat(revoked.parts)
}

function splitFirst(entries: Buffer): [Buffer, Buffer] {
  // Entries without a name are shorter than 128 octets: their length is one octet.
  const end = 2 + (entries[1] ?? 0)
  return [entries.subarray(0, end), entries.subarray(end)]
}

function withIssuer(entry: Buffer, certificateIssuer: Buffer): Buffer {
  const [serial, date, extensions] = children(readTlv(entry), 3)
  const issuer = encodeExtension(OID.certificateIssuer, certificateIssuer, true)
  if (!serial || !date) throw malformed('an entry of a CRL without its date')
  return seq(serial.der, date.der, seq(...(extensions ? [extensions.value] : []), issuer))
}

function checkReason(reason: number, delta: boolean): void {
  if (reason !== 0 && reasonName(reason) === undefined) throw malformed(`${reason} is no revocation reason`)
  if (reason === reasonCodes.removeFromCRL && !delta) throw malformed('removeFromCRL stands only in delta CRLs')
}

function extensionsOf({ reason = 0, invalidityDate }: CrlEntry): Buffer[] {
  return [
    ...(reason === 0 ? [] : [encodeExtension(OID.reasonCode, Buffer.of(0x0a, 1, reason))]),
    ...(invalidityDate ? [encodeExtension(OID.invalidityDate, generalizedTime(invalidityDate))] : []),
  ]
}

/** Every entry is shorter than 128 octets, so all its lengths are one octet. */
function writeEntry(out: Buffer, start: number, entry: CrlEntry): number {
  const { serial, revokedAt, reason = 0, invalidityDate } = entry
  let at = writeTime(out, writeSerial(out, start + 2, serial), revokedAt)
  if (invalidityDate) at += seq(...extensionsOf(entry)).copy(out, at)
  else if (reason !== 0) {
    at += REASONS.copy(out, at)
    out[at - 1] = reason
  }
  out[start] = 0x30
  out[start + 1] = at - start - 2
  return at
}

/** What encodeSerial gives, without a buffer for each of a million entries. */
function writeSerial(out: Buffer, at: number, serial: string): number {
  // The top bit is set from hex digit 8 on.
  const pad = serial.charCodeAt(0) >= 0x38 ? 1 : 0
  const start = at + 2 + pad
  const length = serial.length > 2 * MAX_SERIAL ? 0 : out.write(serial, start, 'hex')
  if (length === 0 || length * 2 !== serial.length || (length > 1 && out[start] === 0))
    throw malformed('a serial number that is not 1 to 20 octets of hex, or has a leading zero octet')
  out[at] = 0x02
  out[at + 1] = length + pad
  if (pad) out[at + 2] = 0
  return start + length
}

let lastSecond = Number.NaN
const lastTime = Buffer.alloc(15)

function writeTime(out: Buffer, at: number, date: Date): number {
  const second = Math.floor(date.getTime() / 1000)
  if (second === lastSecond) return at + lastTime.copy(out, at)
  const year = date.getUTCFullYear()
  if (!(year >= 1950 && year < 2050)) return at + time(date).copy(out, at)
  writeUtcTime(lastTime, date, year)
  lastSecond = second
  return at + lastTime.copy(out, at)
}

function writeUtcTime(out: Buffer, date: Date, year: number): void {
  out[0] = 0x17
  out[1] = 13
  twoDigits(out, 2, year % 100)
  twoDigits(out, 4, date.getUTCMonth() + 1)
  twoDigits(out, 6, date.getUTCDate())
  twoDigits(out, 8, date.getUTCHours())
  twoDigits(out, 10, date.getUTCMinutes())
  twoDigits(out, 12, date.getUTCSeconds())
  out[14] = 0x5a
}

function twoDigits(out: Buffer, at: number, value: number): void {
  out[at] = 0x30 + Math.trunc(value / 10)
  out[at + 1] = 0x30 + (value % 10)
}
