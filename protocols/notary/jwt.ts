import { createHmac, timingSafeEqual } from 'node:crypto'

/** What the contract's clients read in a token. The session behind it decides; these say only what was so at login. */
export interface Claims {
  id: number
  email: string
  role_id: number
  /** Epoch seconds. */
  exp: number
  /** The secret of a session of ours. */
  jti: string
}

const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url')

/** A JWT (RFC 7519) under HS256. */
export function writeToken(secret: Buffer, claims: Claims): string {
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${signed}.${mac(secret, signed).toString('base64url')}`
}

/** The session of a token that we have made and that has not ended; undefined for anything else. */
export function readToken(secret: Buffer, token: string, now: Date): string | undefined {
  const [head, claims, signature, more] = token.split('.')
  if (head !== header || claims === undefined || signature === undefined || more !== undefined) return undefined
  const shown = Buffer.from(signature, 'base64url')
  const right = mac(secret, `${head}.${claims}`)
  if (shown.length !== right.length || !timingSafeEqual(shown, right)) return undefined
  // Nobody but we could have written it.
  const { exp, jti } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as Claims
  return exp * 1000 > now.getTime() ? jti : undefined
}

function mac(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest()
}
