import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const octets = 32

/**
 * The token that every form of a session posts back: nobody makes it without the session and the installation's secret. It is masked by
 * random octets, which it begins with: no two pages show the same, and how well a page compresses tells nothing of it. base64url.
 */
export function csrfToken(secret: Buffer, session: string): string {
  const mask = randomBytes(octets)
  return Buffer.concat([mask, masked(secret, session, mask)]).toString('base64url')
}

/** Whether that is a token of the session; in a time that does not tell where it differs. */
export function isCsrfToken(secret: Buffer, session: string, given: string): boolean {
  const shown = Buffer.from(given, 'base64url')
  if (shown.length !== 2 * octets) return false
  return timingSafeEqual(shown.subarray(octets), masked(secret, session, shown.subarray(0, octets)))
}

function masked(secret: Buffer, session: string, mask: Buffer): Buffer {
  const token = createHmac('sha256', secret).update(`csrf ${session}`).digest()
  return token.map((octet, n) => octet ^ (mask[n] ?? 0)) as Buffer
}

/** A text for a cookie that its reader can trust to be ours; base64url and a dot. */
export function seal(secret: Buffer, purpose: string, text: string): string {
  const carried = Buffer.from(text).toString('base64url')
  return `${carried}.${mac(secret, `${purpose} ${carried}`)}`
}

/** Undefined for what this installation did not seal for that purpose. */
export function unseal(secret: Buffer, purpose: string, sealed: string): string | undefined {
  const [carried = '', shown = ''] = sealed.split('.')
  const [wanted, given] = [Buffer.from(mac(secret, `${purpose} ${carried}`)), Buffer.from(shown)]
  if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return undefined
  return Buffer.from(carried, 'base64url').toString()
}

function mac(secret: Buffer, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}
