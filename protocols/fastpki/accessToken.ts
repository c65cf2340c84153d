import { hkdfSync, randomUUID } from 'node:crypto'
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose'
import type { Host } from '../../src/protocol.ts'

/** Seconds. */
const LIFETIME = 900
const TYPE = 'fastpki+jwt'

export interface AccessTokenDraft {
  /** Uuid of its family. */
  family: string
  user: { id: number; name: string; role: string }
}

/** A JWT as the contract has it: HS256, 15 minutes; `family` is ours beside it. */
export function newAccessToken({ secret, clock }: Host, { family, user }: AccessTokenDraft): Promise<string> {
  const now = Math.floor(clock().getTime() / 1000)
  return new SignJWT({ id: user.id, role: user.role, family })
    .setProtectedHeader({ alg: 'HS256', typ: TYPE })
    .setSubject(user.name)
    .setIssuedAt(now)
    .setExpirationTime(now + LIFETIME)
    .setJti(randomUUID())
    .sign(keyOf(secret))
}

/** Whether a text is such a token, good or not: one of an OpenID provider is another. */
export function looksLikeAccessToken(text: string): boolean {
  try {
    return decodeProtectedHeader(text).typ === TYPE
  } catch {
    return false
  }
}

/** The family of a token that is good now; undefined for any other. */
export async function readAccessToken({ secret, clock }: Host, text: string): Promise<string | undefined> {
  try {
    const options = { algorithms: ['HS256'], typ: TYPE, currentDate: clock(), requiredClaims: ['exp', 'family'] }
    const { payload } = await jwtVerify(text, keyOf(secret), options)
    return typeof payload.family === 'string' ? payload.family : undefined
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function keyOf(secret: Buffer): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'fastpki access tokens', 32))
}
