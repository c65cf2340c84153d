import { createHmac, timingSafeEqual } from 'node:crypto'

/** The token that every form of a session posts back: nobody makes it without the session and the installation's secret. */
export function csrfToken(secret: Buffer, session: string): string {
  return mac(secret, `csrf ${session}`)
}

/** Whether that is the session's token; in a time that does not tell where it differs. */
export function isCsrfToken(secret: Buffer, session: string, given: string): boolean {
  const [wanted, shown] = [Buffer.from(csrfToken(secret, session)), Buffer.from(given)]
  return wanted.length === shown.length && timingSafeEqual(wanted, shown)
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
