import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export type KeyKind = 'ES256' | 'ES384' | 'ES512' | 'RS256' | 'PS256' | 'EdDSA'

/** A key that signs JWS, as an ACME client holds it. */
export interface ClientKey {
  alg: string
  publicKey: KeyObject
  privateKey: KeyObject
  jwk: Record<string, unknown>
  /** RFC 7638, computed apart from the server's own code. */
  thumbprint: string
  sign(input: Buffer): Buffer
}

const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const

export function newKey(kind: KeyKind = 'ES256', bits = 2048): ClientKey {
  return clientKey(kind, pair(kind, bits))
}

function pair(kind: KeyKind, modulusLength: number) {
  if (kind === 'EdDSA') return generateKeyPairSync('ed25519')
  if (kind === 'RS256' || kind === 'PS256') return generateKeyPairSync('rsa', { modulusLength })
  return generateKeyPairSync('ec', { namedCurve: curves[kind] })
}

/** Any key pair, to sign with the algorithm named, whether that fits or not. */
export function clientKey(
  alg: string,
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
): ClientKey {
  const jwk = publicKey.export({ format: 'jwk' }) as Record<string, unknown>
  const members = Object.keys(jwk).sort()
  const canonical = JSON.stringify(Object.fromEntries(members.map((member) => [member, jwk[member]])))
  return {
    alg,
    publicKey,
    privateKey,
    jwk,
    thumbprint: createHash('sha256').update(canonical).digest('base64url'),
    sign: (input) => signWith(alg, privateKey, input),
  }
}

function signWith(alg: string, key: KeyObject, input: Buffer): Buffer {
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return sign(hash, input, { key, dsaEncoding: 'ieee-p1363' })
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return sign(hash, input, alg.startsWith('PS') ? { key, ...padding } : key)
}
