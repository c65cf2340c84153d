import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createNotaryMetrics } from '../../protocols/notary/metrics.ts'
import { operations } from '../../protocols/notary/operations.ts'
import { notaryOptions } from '../../protocols/notary/options.ts'
import { ACCOUNTS, AUTHORITIES, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const all = () => operations(createNotaryMetrics(it.app.host))
const withBodies = [
  ['POST', '/login'],
  ['POST', REQUESTS],
  ['POST', `${REQUESTS}/:id/certificate`],
  ['POST', `${REQUESTS}/:id/sign`],
  ['POST', AUTHORITIES],
  ['PUT', `${AUTHORITIES}/:id`],
  ['POST', `${AUTHORITIES}/:id/certificate`],
  ['POST', `${AUTHORITIES}/:id/sign`],
  ['POST', ACCOUNTS],
  ['POST', `${ACCOUNTS}/me/change_password`],
  ['POST', `${ACCOUNTS}/:id/change_password`],
  ['PUT', `${ACCOUNTS}/:id/role`],
] as const

const names = [
  ...['csr', 'certificate', 'certificate_chain', 'certificate_authority_id', 'signing_method', 'self_signed'],
  ...['common_name', 'country_name', 'not_valid_after', 'enabled', 'email', 'username', 'password', 'role_id'],
  ...['current_password', 'organization_name', '__proto__', 'constructor'],
]
const words = [
  '1',
  'acme',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
  '\u0000',
  '\ud800',
  'Z'.repeat(300),
]
const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(...words), fc.string({ unit: 'binary' }))
const body = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 10 }))

describe('hostile clients', () => {
  test('the operations with a body are these', () => {
    const known = all().flatMap(({ method, path, body }) => (body ? [`${method.toUpperCase()} ${path}`] : []))
    expect(known.sort()).toEqual(withBodies.map((row) => row.join(' ')).sort())
  })

  test.each(withBodies)(
    '%s %s: bodies of any shape are answered, and never as an error of the server',
    async (method, path) => {
      const requestId = await it.app.request('hostile.test')
      const { id: authorityId } = await it.app.result('POST', AUTHORITIES, {
        by: it.app.admin,
        body: { common_name: 'Hostile CA' },
      })
      const { id: accountId } = await it.app.result('GET', `${ACCOUNTS}/me`, { by: it.app.reader })
      const id = path.startsWith(REQUESTS) ? requestId : path.startsWith(AUTHORITIES) ? authorityId : accountId
      const target = path.replace(':id', String(id))
      const by = path === '/login' || path.endsWith('me/change_password') ? it.app.manager : it.app.admin
      await fc.assert(
        fc.asyncProperty(body, async (body) => {
          const { status, text } = await it.app.call(method, target, { by, body })
          // The contract's own word for who asks for a signature over ACME.
          if (!(status === 503 && text.includes('ACME is not configured'))) expect(status).toBeLessThan(500)
        }),
        { numRuns: 40 },
      )
    },
  )

  test('octets of any kind for a body, and any Content-Type', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary-ascii' }), async (raw, type) => {
        const headers = { 'content-type': type.replace(/[^\x20-\x7e]/g, '') }
        const { status, json } = await it.app.call('POST', REQUESTS, {
          by: it.app.admin,
          raw: Buffer.from(raw),
          headers,
        })
        expect(status).toBe(400)
        expect(json.error).toMatch(/^(Invalid JSON format|invalid request: .+)$/)
      }),
      { numRuns: 50 },
    )
  })

  test.each([['text/plain'], ['application/x-www-form-urlencoded'], ['text/html; charset=x'], [undefined]])(
    'JSON as %s is read all the same',
    async (type) => {
      const body = { csr: await it.app.csr('typed.test') }
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
      expect((await it.app.call('POST', REQUESTS, { by: it.app.requestor, body, headers })).status).toBe(201)
    },
  )

  test.each(withBodies)('%s %s: more than 100 KiB is 413, and the connection ends', async (method, path) => {
    const target = path.replace(':id', '1')
    const raw = JSON.stringify({ csr: 'x'.repeat(100 * 1024) })
    const refused = await it.app.call(method, target, { by: it.app.admin, raw })
    expect(refused).toMatchObject({ status: 413, json: { error: 'Request Entity Too Large' } })
    expect(refused.headers.get('connection')).toBe('close')
  })

  test('a body of 100 KiB is read', async () => {
    const raw = JSON.stringify({ csr: '' }).padEnd(100 * 1024)
    const { status, json } = await it.app.call('POST', REQUESTS, { by: it.app.admin, raw })
    expect({ status, error: json.error }).toEqual({ status: 400, error: 'invalid request: csr is required' })
  })

  test('deeply nested JSON', async () => {
    for (const raw of [
      '['.repeat(50_000),
      `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      `{"csr":${'['.repeat(40_000)}${']'.repeat(40_000)}}`,
    ])
      expect((await it.app.call('POST', REQUESTS, { by: it.app.admin, raw })).status).toBe(400)
  })

  test.each(['x', '-1', '1.5', '1e3', '%00', '99999999999999999999', '1;drop', ' '])(
    'the number %j in a path is 400, whatever the operation',
    async (id) => {
      for (const path of [REQUESTS, AUTHORITIES, ACCOUNTS]) {
        const refused = await it.app.call('GET', `${path}/${encodeURIComponent(id)}`, { by: it.app.admin })
        expect(refused).toMatchObject({ status: 400, json: { error: 'Invalid ID' } })
      }
    },
  )

  test.each(['0', '999999999999999'])('the number %s in a path is 404', async (id) => {
    for (const path of [REQUESTS, AUTHORITIES, ACCOUNTS])
      expect((await it.app.call('GET', `${path}/${id}`, { by: it.app.admin })).status).toBe(404)
    expect((await it.app.call('GET', `${AUTHORITIES}/${id}/crl`)).status).toBe(404)
  })

  test('another method is 405 with those that there are; another path 404; both as the contract has it', async () => {
    for (const [method, path, allow] of [
      ['PATCH', REQUESTS, 'GET, POST'],
      ['PUT', `${REQUESTS}/1`, 'GET, DELETE'],
      ['GET', '/login', 'POST'],
    ] as const) {
      const refused = await it.app.call(method, path, { by: it.app.admin })
      expect(refused.status).toBe(405)
      expect(refused.headers.get('allow')).toBe(allow)
    }
    for (const path of ['', '/', '/api', '/api/v1', '/api/v2/accounts', `${REQUESTS}/`, `${REQUESTS}/1/`, '/login/'])
      expect((await it.app.call('GET', path, { by: it.app.admin })).status).toBe(404)
  })

  test('headers that are no token, and cookies that are none, are 401', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme-ascii', maxLength: 60 }), async (text) => {
        for (const headers of [
          { authorization: text },
          { authorization: `Bearer ${text}` },
          { cookie: `user_token=${text}` },
        ]) {
          const given = headers as Record<string, string>
          expect((await it.app.call('GET', `${ACCOUNTS}/me`, { headers: given })).status).toBe(401)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('options of a profile are what the page says, and nothing else', () => {
    expect(notaryOptions.parse({})).toEqual({ receives: false })
    expect(notaryOptions.parse({ receives: true })).toEqual({ receives: true })
    expect(notaryOptions.safeParse({ receives: 'yes' }).success).toBe(false)
    expect(notaryOptions.safeParse({ other: 1 }).success).toBe(false)
  })
})
