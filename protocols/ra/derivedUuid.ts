import { createHash } from 'node:crypto'

/** The same for the same text for ever: a UUID of version 8 (RFC 9562 section 5.8), for what has none of its own. */
export function derivedUuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
