import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import type { AcmeClient, Reply } from '../helpers/acmeClient.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const root = `${BASE_URL}/acme/default`
const deep = '['.repeat(30_000)

describe('anything at all, sent to ACME', () => {
  const acme = useAcme(openSqlite)

  /** Every resource that is there, for an account that may use it. */
  async function targets(): Promise<{ client: AcmeClient; urls: string[] }> {
    const { client, order } = await acme.app.ready(['random.localhost'])
    const done = await client.order(['other.localhost'])
    const [authorization = ''] = done.authorizations
    const { json } = await client.finalize(order, (await newCsr(['random.localhost'])).der)
    const own = [client.kid ?? '', `${client.kid}/orders`, order.url, order.finalize, done.finalize, authorization]
    const challenge = `${authorization.replace('/authz/', '/challenge/')}/tls-alpn-01`
    const fixed = ['directory', 'new-nonce', 'new-account', 'new-order', 'revoke-cert', 'nothing'].map(
      (path) => `${root}/${path}`,
    )
    return { client, urls: [...own, challenge, String(json.certificate), ...fixed] }
  }

  function expectRefusal({ status, json, headers, text }: Reply, what: string): void {
    expect(status, `${what}: ${text}`).toBeGreaterThanOrEqual(400)
    expect(status, `${what}: ${text}`).toBeLessThan(500)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(json).toMatchObject({ type: expect.stringMatching(/^urn:ietf:params:acme:error:/), status })
  }

  it('bodies of random bytes and random JSON are refused by a problem document', async () => {
    const { client, urls } = await targets()
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...urls), body, async (url, bytes) =>
        expectRefusal(await client.send(url, bytes), url),
      ),
      { numRuns: 300 },
    )
  })

  it('JSON bombs are refused', async () => {
    const { client, urls } = await targets()
    const bombs = [
      deep,
      `{"a":${deep}`,
      '{"a":'.repeat(10_000),
      `{"protected":"${'A'.repeat(60_000)}"}`,
      `${'{"__proto__":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
      `{${'"a":1,'.repeat(9_000)}"b":2}`,
      '9'.repeat(60_000),
      `"${'\\u0000'.repeat(9_000)}"`,
    ]
    for (const url of urls) for (const bomb of bombs) expectRefusal(await client.send(url, bomb), url)
  })

  it('a JWS whose header and payload are random JSON never is our fault', async () => {
    const { client, urls } = await targets()
    const value = fc.jsonValue()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...urls),
        value,
        fc.dictionary(fc.constantFrom('alg', 'kid', 'jwk', 'url', 'nonce', 'crit'), value),
        async (url, payload, header) => {
          const reply = await client.post(url, payload, { header })
          expect(reply.status, `${url} ${reply.text}`).toBeLessThan(500)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('a well signed payload of random members never is our fault', async () => {
    const { client, urls } = await targets()
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string().map((text) => `${text}\u0000`),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64url')),
    )
    const identifiers = fc.array(fc.record({ type: fc.constantFrom('dns', 'ip', 'x'), value: fc.string() }))
    const payload = fc.dictionary(
      fc.constantFrom(
        'contact',
        'csr',
        'certificate',
        'reason',
        'identifiers',
        'notBefore',
        'notAfter',
        'onlyReturnExisting',
        'termsOfServiceAgreed',
      ),
      fc.oneof(value, identifiers),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...urls), payload, async (url, members) => {
        const jwk = /new-account|revoke/.test(url) ? { key: client.key } : {}
        const reply = await client.post(url, members, jwk)
        expect(reply.status, `${url} ${JSON.stringify(members)} ${reply.text}`).toBeLessThan(500)
      }),
      { numRuns: 500 },
    )
  })

  it('random paths and methods are never our fault', async () => {
    const { client } = await targets()
    const part = fc.oneof(
      fc.constantFrom(
        'order',
        'authz',
        'challenge',
        'account',
        'finalize',
        'orders',
        '%00',
        '%zz',
        '%F0',
        '..',
        '__proto__',
      ),
      fc.string({ maxLength: 20 }).map(encodeURIComponent),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 5 }),
        fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE'),
        async (parts, method) => {
          const { status } = await client.transport({ method, url: `${BASE_URL}/acme/${parts.join('/')}`, headers: {} })
          expect(status).toBeLessThan(500)
        },
      ),
      { numRuns: 300 },
    )
  })
})
