const ALPHABET = /^[A-Za-z0-9_-]*$/

/**
 * Octets of base64url text without padding (RFC 7515 section 2), undefined for any other text. RFC 8555 section 6.1: text with trailing
 * `=` MUST be rejected; Buffer alone reads that, `+`, `/` and whatever else stands between.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  if (text.length % 4 === 1 || !ALPHABET.test(text)) return undefined
  return Buffer.from(text, 'base64url')
}
