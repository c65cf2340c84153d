import { createHmac } from 'node:crypto'
import type { AcmeClient, Json } from './acmeClient.ts'

/** What an administrator hands to whoever runs the client. */
export interface MacKey {
  kid: string
  /** Base64url. */
  secret: string
}

/** Changes to a binding that a test wants wrong. undefined removes a member of the header. */
interface BindingTampering {
  alg?: string
  header?: Json
  members?: Json
  payload?: string | Json
  secret?: string
}

/** The externalAccountBinding of RFC 8555 section 7.3.4. */
export function bindingOf(client: AcmeClient, { kid, secret }: MacKey, tampering: BindingTampering = {}): Json {
  const { alg = 'HS256', header, members, payload = client.key.jwk } = tampering
  const url = client.directory.newAccount
  const encoded = encode(JSON.stringify({ alg, kid, url, ...header }))
  const body = encode(typeof payload === 'string' ? payload : JSON.stringify(payload))
  const key = Buffer.from(tampering.secret ?? secret, 'base64url')
  const hash = /^HS(256|384|512)$/.test(alg) ? `sha${alg.slice(2)}` : 'sha256'
  const signature = createHmac(hash, key).update(`${encoded}.${body}`).digest('base64url')
  return { protected: encoded, payload: body, signature, ...members }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
