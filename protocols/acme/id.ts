import { randomBytes, randomUUID } from 'node:crypto'

/** UUID version 7 (RFC 9562 section 5.7): new rows go to the end of their index, and 74 random bits keep others' from being guessed. */
export function newId(at: Date): string {
  const time = at.getTime().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** When an id was made: epoch milliseconds. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

/** What newId makes: anything else in a URL names nothing. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text)
}

/** RFC 8555 section 8.1 asks for 128 random bits; this has 192. */
export function newToken(): string {
  return randomBytes(24).toString('base64url')
}
