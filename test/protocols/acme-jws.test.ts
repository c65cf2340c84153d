import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, Tampering } from '../helpers/acmeClient.ts'
import { clientKey, type KeyKind, newKey } from '../helpers/acmeKeys.ts'
import { openSqlite } from '../helpers/databases.ts'

const root = `${BASE_URL}/acme/default`
const newOrder = `${root}/new-order`
const payload = { identifiers: [{ type: 'dns', value: 'jws.test' }] }
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('JWS of ACME requests (RFC 8555 section 6.2)', () => {
  const acme = useAcme(openSqlite)
  const send = async (tampering: Tampering, client?: AcmeClient) =>
    (client ?? (await acme.app.client())).post(newOrder, payload, tampering)

  it.each(['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA'] satisfies KeyKind[])('takes %s', async (kind) => {
    const client = await acme.app.client({ key: newKey(kind) })
    expect((await send({}, client)).status).toBe(201)
  })

  it('ignores members and header parameters that it does not know (RFC 7515 sections 4 and 7.2.1)', async () => {
    expect((await send({ members: { resource: 'new-order' }, header: { typ: 'JOSE', x5t: 'AA' } })).status).toBe(201)
  })

  const malformed: [string, Tampering][] = [
    ['wire 15: signatures', { members: { signatures: [] } }],
    ['wire 15: an unprotected header', { members: { header: {} } }],
    ['wire 15: an empty signature', { members: { signature: '' } }],
    ['wire 15: no signature', { members: { signature: undefined } }],
    ['wire 15: a detached payload', { members: { payload: undefined } }],
    ['wire 15: a payload that is no text', { members: { payload: {} } }],
    ['wire 15: no protected header', { members: { protected: undefined } }],
    ['wire 15: a protected header that is no JSON', { members: { protected: 'AAAA' } }],
    ['wire 15: a protected header that is a list', { members: { protected: encode([]) } }],
    ['wire 15: crit', { header: { crit: ['exp'] } }],
    ['wire 15: b64 false', { header: { b64: false } }],
    ['section 6.1: padding in the signature', { members: { signature: `${'A'.repeat(86)}==` } }],
    ['section 6.1: padding in the header', { members: { protected: `${encode({})}==` } }],
    ['section 6.1: base64 in place of base64url', { members: { payload: '+/+/' } }],
    ['wire 15: no alg', { header: { alg: undefined } }],
    ['wire 15: no url', { header: { url: undefined } }],
    ['wire 15: a url that is no text', { header: { url: 5 } }],
    ['wire 15: a nonce that is no text', { header: { nonce: 5 } }],
    ['section 6.5.2: a nonce that is not base64url', { header: { nonce: 'a+b/c=' } }],
    ['wire 15: kid and jwk', { header: { jwk: newKey().jwk } }],
    ['wire 15: neither kid nor jwk', { header: { kid: undefined } }],
    ['wire 16: jwk where an account must sign', { header: { kid: undefined, jwk: newKey().jwk } }],
    ['wire 15: a kid that is no text', { header: { kid: 5 } }],
    ['a signature by another key', { key: newKey(), header: { jwk: undefined, kid: 'set below' } }],
  ]
  it.each(malformed)('wire 15 and 16: refuses as malformed: %s', async (_name, { header, ...rest }) => {
    const client = await acme.app.client()
    const changed = header?.kid === 'set below' ? { ...header, kid: client.kid } : header
    expectProblem(await send({ ...rest, ...(changed ? { header: changed } : {}) }, client), 400, 'malformed')
  })

  it('refuses a signature over another payload, and one that is not r and s of full length (wire 18)', async () => {
    const client = await acme.app.client()
    expectProblem(
      await send({ members: { payload: encode({ identifiers: [] }) } }, client),
      400,
      'malformed',
      /signature/,
    )
    for (const octets of [63, 65, 70, 1])
      expectProblem(
        await send({ members: { signature: Buffer.alloc(octets, 1).toString('base64url') } }, client),
        400,
        'malformed',
      )
  })

  it.each(['none', 'HS256', 'HS512', 'ES256K', 'RS1', 'es256', ''])(
    'wire 17: alg %j is badSignatureAlgorithm with the list',
    async (alg) => {
      const reply = await send({ header: { alg } })
      expectProblem(reply, 400, 'badSignatureAlgorithm')
      expect(reply.json.algorithms).toEqual(expect.arrayContaining(['ES256', 'RS256', 'EdDSA']))
    },
  )

  it('wire 17: the algorithm must be one of the account’s key', async () => {
    const reply = await send({ header: { alg: 'RS256' } })
    expectProblem(reply, 400, 'badSignatureAlgorithm')
    expect(reply.json.algorithms).toEqual(['ES256'])
  })

  it.each([
    `${newOrder}/`,
    `${newOrder}?a=1`,
    newOrder.replace('https', 'http'),
    newOrder.replace('acme.test', 'ACME.test'),
    `${root}/order/x`,
    '/acme/default/new-order',
  ])('wire 10: a signed url of %s is unauthorized (section 6.4)', async (url) => {
    expectProblem(await send({ header: { url } }), 403, 'unauthorized', /"url"/)
  })

  it('wire 16: a kid that is not the URL of an account here is accountDoesNotExist', async () => {
    const client = await acme.app.client()
    const kid = client.kid ?? ''
    await acme.app.world.save('other', {})
    const wrong = [
      `${kid}/`,
      kid.replace('default', 'other'),
      kid.replace(/.$/, 'x'),
      kid.replace('https', 'http'),
      kid.split('/').pop(),
      '',
    ]
    for (const other of wrong) expectProblem(await send({ header: { kid: other } }, client), 400, 'accountDoesNotExist')
    const elsewhere = await acme.app.client({ profile: 'other', register: false })
    elsewhere.kid = kid
    expectProblem(
      await elsewhere.post(`${BASE_URL}/acme/other/new-order`, payload, {
        key: client.key,
        header: { jwk: undefined, kid },
      }),
      400,
      'accountDoesNotExist',
    )
  })

  it('wire 16: newAccount wants a jwk', async () => {
    const client = await acme.app.client()
    expectProblem(await client.post(`${root}/new-account`, {}), 400, 'malformed', /jwk/)
  })

  it.each([
    ['null', Buffer.from('null')],
    ['a number', Buffer.from('5')],
    ['a list', Buffer.from('[]')],
    ['no JSON', Buffer.from('{')],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a byte order mark', Buffer.from('\ufeff{}')],
  ])('wire 21: a payload of %s is malformed, at each resource that takes an object', async (_name, bytes) => {
    const client = await acme.app.client()
    const raw = { members: { payload: bytes.toString('base64url') } }
    const order = await client.order(['payload.localhost'])
    const authorization = order.authorizations[0] ?? ''
    const challenge = authorization.replace('/authz/', '/challenge/')
    for (const url of [
      newOrder,
      client.kid,
      order.finalize,
      authorization,
      `${challenge}/http-01`,
      `${root}/revoke-cert`,
    ]) {
      const body = JSON.parse(await client.jws(url ?? '', '')) as { protected: string }
      const signature = client.key.sign(Buffer.from(`${body.protected}.${raw.members.payload}`)).toString('base64url')
      expectProblem(
        await client.send(url ?? '', JSON.stringify({ ...body, ...raw.members, signature })),
        400,
        'malformed',
      )
    }
  })
})

describe('keys of ACME requests (wire 17)', () => {
  const acme = useAcme(openSqlite)
  const good = newKey()
  const rsa = newKey('RS256')
  const badKeys: [string, Record<string, unknown>, string?][] = [
    ['a private key', { ...good.privateKey.export({ format: 'jwk' }) }],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }],
    ['no kty', {}],
    ['a point off the curve', { ...good.jwk, y: good.jwk.x }],
    ['a coordinate of 31 octets', { ...good.jwk, x: Buffer.alloc(31, 1).toString('base64url') }],
    ['a coordinate with a leading zero octet too many', { ...good.jwk, x: Buffer.alloc(33).toString('base64url') }],
    ['padding in a coordinate', { ...good.jwk, x: `${good.jwk.x}=` }],
    ['a curve that is not served', { ...good.jwk, crv: 'secp256k1' }],
    ['a P-384 key for ES256', newKey('ES384').jwk],
    ['an RSA key for ES256', rsa.jwk],
    ['an RSA key of 1024 bits', clientKey('RS256', generateKeyPairSync('rsa', { modulusLength: 1024 })).jwk, 'RS256'],
    ['an RSA exponent of 3', { ...rsa.jwk, e: 'Aw' }, 'RS256'],
    ['an even RSA exponent', { ...rsa.jwk, e: 'AQAA' }, 'RS256'],
    [
      'an RSA modulus with a leading zero',
      {
        ...rsa.jwk,
        n: Buffer.concat([Buffer.alloc(3), Buffer.from(String(rsa.jwk.n), 'base64url')]).toString('base64url'),
      },
      'RS256',
    ],
    ['an RSA modulus of zero length', { ...rsa.jwk, n: '' }, 'RS256'],
    ['an RSA modulus of 64 KiB', { ...rsa.jwk, n: 'a'.repeat(30_000) }, 'RS256'],
    ['Ed448', { kty: 'OKP', crv: 'Ed448', x: Buffer.alloc(57, 1).toString('base64url') }, 'EdDSA'],
    [
      'an Ed25519 key of small order',
      { kty: 'OKP', crv: 'Ed25519', x: Buffer.alloc(32).toString('base64url') },
      'EdDSA',
    ],
  ]
  it.each(badKeys)('refuses %s as badPublicKey with a reason', async (_name, jwk, alg = 'ES256') => {
    const client = await acme.app.client({ register: false })
    const reply = await client.post(`${root}/new-account`, {}, { header: { jwk, alg }, key: good })
    expectProblem(reply, 400, 'badPublicKey')
  })

  it('wire 19: the same key in another spelling is the same account', async () => {
    const client = await acme.app.client({ key: newKey() })
    const { kty, crv, x, y } = client.key.jwk
    const jwk = { use: 'sig', y, x, kty, crv, alg: 'ES256', kid: 'mine' }
    const again = await client.post(`${root}/new-account`, {}, { key: client.key, header: { jwk } })
    expect(again.status).toBe(200)
    expect(again.headers.get('location')).toBe(client.kid)
  })
})
