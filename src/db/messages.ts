/**
 * The messages by which PostgreSQL is given a prepared statement (its documentation, section 55.7, "Message Formats"), written one after the other into one
 * piece. Values are text, but for octets.
 */
const PARSE = 0x50
const BIND = 0x42
const DESCRIBE = 0x44
const EXECUTE = 0x45
const SYNC = 0x53

const USUAL = 16_384
/** What has grown beyond this is given away with what it holds: it was for a certificate list, or a file. */
const KEPT = 262_144

let octets = Buffer.allocUnsafe(USUAL)
let at = 0
/** Where the length of the message at hand stands. */
let lengthAt = 0

export const messages = {
  start(): void {
    at = 0
  },

  parse(name: string, text: string): void {
    open(PARSE)
    terminated(name)
    terminated(text)
    int16(0)
    close()
  },

  /** Each value is null, text, a number or octets. The rows come as text. */
  bind(name: string, values: readonly unknown[]): void {
    open(BIND)
    terminated('')
    terminated(name)
    int16(values.length)
    for (const value of values) int16(value instanceof Uint8Array ? 1 : 0)
    int16(values.length)
    for (const value of values) bound(value)
    int16(0)
    close()
  },

  /** What the rows of the statement bound last look like. */
  describe(): void {
    open(DESCRIBE)
    room(1)
    octets[at++] = 0x50
    terminated('')
    close()
  },

  /** The statement bound last, with all its rows. */
  execute(): void {
    open(EXECUTE)
    terminated('')
    int32(0)
    close()
  },

  sync(): void {
    open(SYNC)
    close()
  },

  /** All since start(), for whoever keeps it. */
  taken(): Buffer {
    const all = octets.subarray(0, at)
    if (octets.length <= KEPT) return Buffer.from(all)
    octets = Buffer.allocUnsafe(USUAL)
    return all
  },
}

function bound(value: unknown): void {
  if (value === null) {
    int32(-1)
  } else if (value instanceof Uint8Array) {
    int32(value.length)
    room(value.length)
    octets.set(value, at)
    at += value.length
  } else {
    const before = at
    int32(0)
    text(String(value))
    octets.writeInt32BE(at - before - 4, before)
  }
}

function open(type: number): void {
  room(5)
  octets[at] = type
  lengthAt = at + 1
  at += 5
}

function close(): void {
  octets.writeInt32BE(at - lengthAt, lengthAt)
}

function terminated(value: string): void {
  text(value)
  room(1)
  octets[at++] = 0
}

function text(value: string): void {
  room(value.length * 3)
  at += octets.write(value, at)
}

function int16(value: number): void {
  room(2)
  at = octets.writeUInt16BE(value, at)
}

function int32(value: number): void {
  room(4)
  at = octets.writeInt32BE(value, at)
}

function room(more: number): void {
  if (at + more <= octets.length) return
  const larger = Buffer.allocUnsafe(Math.max(octets.length * 2, at + more))
  octets.copy(larger, 0, 0, at)
  octets = larger
}
