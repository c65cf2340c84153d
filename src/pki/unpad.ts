// Paddings that an attacker may probe: each function reads the same octets in the same order and does the same steps whatever they are, and tells the outcome
// in a value, not by leaving early. Masks are -1 (all bits) or 0.

/** -1 where `value`, 0 to 2^31 - 1, is not 0, else 0. */
export const nonZero = (value: number): number => -value >> 31

/**
 * The last `length` octets of a block of RSAES-PKCS1-v1_5 (RFC 8017 section 7.2.2), 00 02, padding without zeros, 00, message; `instead`, of that length, when
 * the block is no such thing or its message has another length. `block` is as long as the modulus, at least `length` + 11.
 */
export function unpadPkcs1(block: Uint8Array, length: number, instead: Uint8Array): Buffer {
  const separator = block.length - length - 1
  let bad = octet(block, 0) | (octet(block, 1) ^ 2) | octet(block, separator)
  for (let i = 2; i < separator; i++) bad |= ((octet(block, i) - 1) >>> 31) & 1
  return choose(nonZero(bad), instead, block.subarray(separator + 1))
}

/** `first` where the mask is -1, `second` where it is 0; both of the same length. */
export function choose(mask: number, first: Uint8Array, second: Uint8Array): Buffer {
  const out = Buffer.alloc(first.length)
  for (let i = 0; i < out.length; i++) out[i] = (octet(first, i) & mask) | (octet(second, i) & ~mask)
  return out
}

/**
 * How long the content is that was padded to whole blocks (RFC 5652 section 6.3), and a mask that is -1 for bad padding; then the length is that of all.
 * `plain` has at least one block.
 */
export function unpadBlocks(plain: Uint8Array, blockLength: number): { length: number; bad: number } {
  const count = octet(plain, plain.length - 1)
  let bad = ((count - 1) >> 31) | ((blockLength - count) >> 31)
  for (let i = 0; i < blockLength; i++) {
    const within = (i - count) >> 31
    bad |= within & nonZero(octet(plain, plain.length - 1 - i) ^ count)
  }
  return { length: plain.length - (count & ~bad), bad }
}

const octet = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0
