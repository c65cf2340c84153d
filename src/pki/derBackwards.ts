/**
 * Writes DER from its end to its beginning, into one buffer: whatever stands inside a value is there before its length is
 * written, so that nothing is copied together twice. For what is written thousands of times a second; der.ts for the rest.
 */
export class DerBackwards {
  readonly #octets: Buffer
  #at: number

  /** `room`: more octets than will be written. */
  constructor(room: number) {
    this.#octets = Buffer.allocUnsafe(room)
    this.#at = room
  }

  /** Where the next octet goes before: what is written later stands in front of it. */
  get at(): number {
    return this.#at
  }

  octet(value: number): void {
    this.#octets[--this.#at] = value
  }

  /** Ready octets, most often a complete value. Throws RangeError where there is no room. */
  put(ready: Uint8Array): void {
    this.#at -= ready.length
    this.#octets.set(ready, this.#at)
  }

  /** Tag and length of all that was written since `end`, the value of `at` before it. */
  wrap(tag: number, end: number): void {
    const length = end - this.#at
    if (length >= 0x80) {
      let octets = 0
      for (let left = length; left > 0; left >>>= 8) {
        this.octet(left & 0xff)
        octets++
      }
      this.octet(0x80 | octets)
    } else this.octet(length)
    this.octet(tag)
  }

  /** All that was written; a view, to which nothing must be written any more. */
  done(): Buffer {
    if (this.#at < 0) throw new RangeError('more DER than there was room for')
    return this.#octets.subarray(this.#at)
  }
}
