import { isUtf8 } from 'node:buffer'
import { constants, verify } from 'node:crypto'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'
import type { JwsAlgorithm, JwsKey } from './jwk.ts'

/** A flattened JWS whose three parts are there and whose protected header is a JSON object; nothing else is known of it yet. */
export interface OpenedJws {
  header: Record<string, unknown>
  /** What was signed: ASCII of protected, a dot, payload. */
  signingInput: string
  payload: string
  signature: string
}

/** A JWS that meets RFC 8555 section 6.2; its signature is not verified yet. */
export interface Jws {
  alg: JwsAlgorithm
  url: string
  nonce: string | undefined
  /** Exactly one of the two. */
  kid: string | undefined
  jwk: Record<string, unknown> | undefined
  payload: Buffer
  signature: Buffer
  signingInput: string
}

interface Algorithm {
  hash: string | null
  padding?: number
  saltLength?: number
  dsaEncoding?: 'ieee-p1363'
}

const ecdsa = (hash: string): Algorithm => ({ hash, dsaEncoding: 'ieee-p1363' })
const pss = (hash: string): Algorithm => ({
  hash,
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
})

/** RFC 7518 section 3.1, RFC 8037. No `none` and no MAC: RFC 8555 section 6.2. */
const algorithms: Record<JwsAlgorithm, Algorithm> = {
  ES256: ecdsa('sha256'),
  ES384: ecdsa('sha384'),
  ES512: ecdsa('sha512'),
  RS256: { hash: 'sha256' },
  RS384: { hash: 'sha384' },
  RS512: { hash: 'sha512' },
  PS256: pss('sha256'),
  PS384: pss('sha384'),
  PS512: pss('sha512'),
  EdDSA: { hash: null },
}

const names = Object.keys(algorithms) as JwsAlgorithm[]

/** Reads the outer shape, so that the nonce can be spent whatever else is wrong. Throws AcmeError('malformed'). */
export function openJws(body: Buffer): OpenedJws {
  return openFlattened(jsonObject(body, 'the body'))
}

/** As openJws, from the object. */
export function openFlattened(outer: Record<string, unknown>): OpenedJws {
  const { protected: header, payload, signature } = outer
  if (Object.hasOwn(outer, 'signatures')) throw malformed('a JWS in flattened serialization has no "signatures"')
  if (Object.hasOwn(outer, 'header')) throw malformed('a JWS here has no unprotected "header"')
  if (typeof header !== 'string' || typeof payload !== 'string' || typeof signature !== 'string')
    throw malformed('the body must be a flattened JWS: "protected", "payload" and "signature" as text')
  const decoded = decodeBase64url(header)
  if (!decoded) throw malformed('"protected" is not base64url without padding')
  return { header: jsonObject(decoded, '"protected"'), payload, signature, signingInput: `${header}.${payload}` }
}

/** Throws AcmeError: malformed, badSignatureAlgorithm. */
export function checkJws({ header, payload, signature, signingInput }: OpenedJws): Jws {
  const { alg, url, nonce, kid, jwk } = header
  if (Object.hasOwn(header, 'crit'))
    throw malformed('no critical extension of JWS is understood here: leave out "crit"')
  if (header.b64 === false) throw malformed('an unencoded payload ("b64": false) is not allowed')
  if (typeof alg !== 'string') throw malformed('the protected header must name its "alg"')
  const algorithm = names.find((name) => name === alg)
  if (!algorithm) throw badAlgorithm(`the algorithm ${JSON.stringify(alg.slice(0, 40))} is not supported`, names)
  if (typeof url !== 'string') throw malformed('the protected header must hold the "url" of the request')
  if (nonce !== undefined && typeof nonce !== 'string') throw malformed('the "nonce" must be text')
  if ((kid === undefined) === (jwk === undefined))
    throw malformed('the protected header must hold either "jwk" or "kid", and not both')
  if (kid !== undefined && typeof kid !== 'string') throw malformed('the "kid" must be text')
  if (jwk !== undefined && !isObject(jwk)) throw malformed('the "jwk" must be an object')
  const bytes = decodeBase64url(payload)
  const raw = decodeBase64url(signature)
  if (!bytes) throw malformed('"payload" is not base64url without padding')
  if (!raw?.length) throw malformed('"signature" is empty or not base64url without padding')
  return { alg: algorithm, url, nonce, kid, jwk, payload: bytes, signature: raw, signingInput }
}

/** Throws AcmeError: badSignatureAlgorithm when the key does not sign with that algorithm, malformed when the signature does not fit. */
export function verifyJws({ alg, signature, signingInput }: Jws, key: JwsKey): void {
  if (!key.algorithms.includes(alg)) throw badAlgorithm(`this key does not sign with ${alg}`, key.algorithms)
  const { hash, ...options } = algorithms[alg]
  // node:crypto demands the exact length of a raw ECDSA signature and answers false for any other.
  if (!verify(hash, Buffer.from(signingInput, 'latin1'), { key: key.key, ...options }, signature))
    throw malformed('the signature of the JWS does not fit its key')
}

/** A JSON object in UTF-8. Throws AcmeError('malformed'). */
export function jsonObject(bytes: Buffer, what: string): Record<string, unknown> {
  if (!isUtf8(bytes)) throw malformed(`${what} is not UTF-8`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw malformed(`${what} is not JSON`)
  }
  if (!isObject(value)) throw malformed(`${what} is not a JSON object`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badAlgorithm(detail: string, supported: readonly string[]): AcmeError {
  return new AcmeError('badSignatureAlgorithm', detail, { algorithms: supported })
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', detail)
}
