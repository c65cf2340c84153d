import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** What the contract's clients read in a token. The session behind it decides; these say only what was so at login. */
export interface Claims {
  id: number
  email: string
  role_id: number
  /** Epoch seconds. */
  exp: number
  /** The secret of a session of ours; in the token sealed, for by itself it would be good over other contracts, and longer than the token. */
  jti: string
}

const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url')

/** A JWT (RFC 7519) under HS256. */
export function writeToken(secret: Buffer, claims: Claims): string {
  const shown = { ...claims, jti: seal(secret, claims.jti) }
  const signed = `${header}.${Buffer.from(JSON.stringify(shown)).toString('base64url')}`
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
  return exp * 1000 > now.getTime() ? unseal(secret, jti) : undefined
}

function mac(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest()
}

const NONCE = 12
const TAG = 16

/** AES-256-GCM: nonce, text, tag; base64url. */
function seal(secret: Buffer, text: string): string {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', mac(secret, 'session'), nonce)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** Undefined for what we have not sealed. */
function unseal(secret: Buffer, sealed: string): string | undefined {
  const octets = Buffer.from(sealed, 'base64url')
  if (octets.length < NONCE + TAG) return undefined
  const decipher = createDecipheriv('aes-256-gcm', mac(secret, 'session'), octets.subarray(0, NONCE))
  decipher.setAuthTag(octets.subarray(-TAG))
  try {
    return decipher.update(octets.subarray(NONCE, -TAG), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}
