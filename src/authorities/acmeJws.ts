import { createHash, createHmac, createPublicKey, type KeyObject, sign } from 'node:crypto'

/** Members of a P-256 key as RFC 7638 orders them. */
export interface Jwk {
  crv: string
  kty: string
  x: string
  y: string
}

/** Of the public half. */
export function jwkOf(key: KeyObject): Jwk {
  const { crv = '', kty = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' })
  return { crv, kty, x, y }
}

/** RFC 7638, with SHA-256, in base64url. */
export function thumbprint(jwk: Jwk): string {
  return createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWS in flattened JSON under a P-256 key (RFC 8555 section 6.2). `payload` undefined: POST-as-GET. */
export function signJws(key: KeyObject, header: Record<string, unknown>, payload: unknown): string {
  const head = encode({ alg: 'ES256', ...header })
  const body = payload === undefined ? '' : encode(payload)
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' })
  return JSON.stringify({ protected: head, payload: body, signature: signature.toString('base64url') })
}

/** The externalAccountBinding of RFC 8555 section 7.3.4. */
export function bindAccount(jwk: Jwk, { kid, secret }: { kid: string; secret: Buffer }, url: string): object {
  const head = encode({ alg: 'HS256', kid, url })
  const payload = encode(jwk)
  const signature = createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url')
  return { protected: head, payload, signature }
}
