import * as jose from 'jose'
import { describe, expect, it } from 'vitest'
import { AcmeError } from '../../protocols/acme/errors.ts'
import { readJwk } from '../../protocols/acme/jwk.ts'
import { checkJws, openJws, verifyJws } from '../../protocols/acme/jws.ts'

const url = 'https://acme.test/acme/default/new-account'

/** What a program built on jose would send. */
async function signed(alg: string, payload: string) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = await jose.exportJWK(publicKey)
  const jws = await new jose.FlattenedSign(Buffer.from(payload))
    .setProtectedHeader({ alg, jwk, nonce: 'abc', url })
    .sign(privateKey)
  return { jwk, jws }
}

describe('our JWS code beside jose', () => {
  it.each(['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'])(
    '%s signed by jose is verified, its thumbprint is the same, and one changed octet is refused',
    async (alg) => {
      const { jwk, jws } = await signed(alg, '{"termsOfServiceAgreed":true}')
      const opened = checkJws(openJws(Buffer.from(JSON.stringify(jws))))
      const key = readJwk(opened.jwk ?? {})
      verifyJws(opened, key)
      expect(key.thumbprint).toBe(await jose.calculateJwkThumbprint(jwk))
      const signature = Buffer.from(opened.signature)
      signature[10] = (signature[10] ?? 0) ^ 1
      expect(() => verifyJws({ ...opened, signature }, key)).toThrow(AcmeError)
      expect(() => verifyJws({ ...opened, signingInput: `${opened.signingInput}A` }, key)).toThrow(AcmeError)
    },
  )
})
