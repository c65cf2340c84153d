import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { z } from 'zod'
import type { Operation } from '../../protocols/fastpki/operation.ts'
import { operations } from '../../protocols/fastpki/operations.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { operationOf, server, useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { newCsr } from '../helpers/world.ts'

/** Bodies, queries and paths that nobody honest sends: every operation refuses them in the form of the contract. */

const used = useFastpkiApp()

const SECRET = 'a-secret-that-nobody-repeats'

function fieldsOf(schema: z.ZodType | undefined): string[] {
  if (!schema) return []
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.keys(properties)
}

let addresses = 0

/** The operation’s own path, about something that is there. */
function send(operation: Operation, more: { query?: string; body?: unknown; raw?: string }) {
  const { app } = used
  addresses++
  app.source = `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`
  const path = operation.path.replace('{id}', String(app.ca)).replace('{user_id}', String(app.operator.id))
  return app.call(operation.method, `${path}${more.query ?? ''}`, { by: app.operator, ...more })
}

test('random JSON to every operation that takes a body is no error of the server', async () => {
  const taking = operations.filter(({ body, form }) => body && !form)
  expect(taking.length).toBeGreaterThan(8)
  for (const operation of taking) {
    const fields = fieldsOf(operation.body)
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('server', 1, 2048, true, null, 'CN=x,O=y', -1, 1e300, [['x']]),
    )
    const bodies = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...fields), value),
      fc.record(Object.fromEntries(fields.map((field) => [field, value]))),
    )
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const query = operation.path === '/certificates/' ? `?ca_id=${used.app.ca}` : ''
        const { status, text } = await send(operation, { query, body })
        expect([status < 500, text]).toEqual([true, text])
      }),
      { numRuns: 40 },
    )
  }
}, 120_000)

test('what would pass but for one field is no error of the server, by who may everything', async () => {
  const { app } = used
  const csr = pemEncode('CERTIFICATE REQUEST', (await newCsr(['a.test'], { subject: { CN: 'a.test' } })).der)
  const { json: target } = await app.call('post', '/users/', { body: person('target'), by: app.admin })
  let made = 0
  const right: [string, string, () => Record<string, unknown>][] = [
    ['post', '/users/', () => person(`made${++made}`)],
    ['patch', `/users/${target.id}`, () => ({ email: 'target@b.test', role: 'user', is_active: true })],
    ['post', '/organizations/', () => ({ name: `Made ${++made}`, description: 'x' })],
    ['put', `/organizations/${app.admin.organizationId}`, () => ({ description: 'x' })],
    ['post', '/cas/', () => ({ name: `Made ${++made}`, subject_dn: 'CN=Made', key_size: 2048, path_length: 0 })],
    ['post', `/certificates/?ca_id=${app.ca}`, () => server('a.test')],
    ['post', '/certificates/sign-csr', () => ({ csr, ca_id: app.ca, certificate_type: 'server' })],
  ]
  for (const [method, path, body] of right) {
    const operation = operationOf(method as 'post', path.replace(/\d+$/, '1'))
    const odd = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double(),
      fc.constantFrom(
        '',
        ' ',
        '\0',
        '\u{202e}x',
        'CN=',
        'CN=x+O=y',
        'x'.repeat(300),
        [],
        {},
        null,
        true,
        [null],
        ['*'],
      ),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fieldsOf(operation?.body)), odd, async (field, value) => {
        const sent = { body: { ...body(), [field]: value }, by: app.admin }
        const { status, text } = await app.call(method as 'post', path, sent)
        expect([status < 500, text]).toEqual([true, text])
      }),
      { numRuns: 40 },
    )
  }
}, 240_000)

const person = (username: string) => ({ username, email: `${username}@a.test`, password: 'a long enough password' })

test('random queries to every operation that reads one', async () => {
  for (const operation of operations.filter(({ query }) => query)) {
    const names = fieldsOf(operation.query)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.string(), async (name, value) => {
        const query = `?${encodeURIComponent(name)}=${encodeURIComponent(value)}`
        const { status, text } = await send(operation, { query, ...(operation.body ? { body: server('a.test') } : {}) })
        expect([status < 500, text]).toEqual([true, text])
      }),
      { numRuns: 30 },
    )
  }
}, 60_000)

test('what is no JSON, is nested deep, or too large', async () => {
  const deep = `{"common_name":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
  for (const operation of operations.filter(({ body, form }) => body && !form)) {
    const query = operation.path === '/certificates/' ? `?ca_id=${used.app.ca}` : ''
    for (const raw of ['{', '\u{feff}', '"\\ud800"', deep, '[1,', 'nul'])
      expect((await send(operation, { query, raw })).status, `${operation.path} ${raw.slice(0, 9)}`).toBe(422)
    expect((await send(operation, { query, raw: `"${'x'.repeat(2 ** 20)}"` })).status).toBe(413)
  }
})

test('no refusal repeats a secret', async () => {
  const { app } = used
  const wrong = [SECRET, [SECRET], { x: SECRET }]
  for (const operation of operations.filter(({ body, form }) => body && !form)) {
    const query = operation.path === '/certificates/' ? `?ca_id=${app.ca}` : ''
    for (const field of fieldsOf(operation.body).filter((name) => /password|token|csr/.test(name)))
      for (const value of wrong)
        expect((await send(operation, { query, body: { [field]: value } })).text).not.toContain(SECRET)
  }
  addresses++
  const form = await app.call('post', '/auth/token', { by: null, form: { password: SECRET } })
  expect(form.text).not.toContain(SECRET)
})

describe('the form of the contract', () => {
  it('sends who forgets a slash, or adds one, to the right path with 307', async () => {
    const { app } = used
    const at = async (path: string) => {
      const { status, headers } = await app.call('get', path, { by: null })
      return [status, headers.get('location')]
    }
    const base = 'https://pki.test/fastpki/api/v1'
    expect(await at('/certificates?ca_id=1')).toEqual([307, `${base}/certificates/?ca_id=1`])
    expect(await at('/cas')).toEqual([307, `${base}/cas/`])
    expect(await at('/users/me/')).toEqual([307, `${base}/users/me`])
    expect(await at('/certificates/1/')).toEqual([307, `${base}/certificates/1`])
    const posted = await app.call('post', '/certificates?ca_id=1', { body: server('a.test'), by: null })
    expect(posted.status).toBe(307)
  })

  it('knows no other paths and methods', async () => {
    const { app } = used
    expect(await app.call('get', '/nothing')).toMatchObject({ status: 404, json: { detail: 'Not Found' } })
    const wrong = await app.call('put', '/certificates/')
    expect(wrong).toMatchObject({ status: 405, json: { detail: 'Method Not Allowed' } })
    expect(wrong.headers.get('allow')).toBe('POST, GET')
  })

  it('says where and what does not fit, with what was given', async () => {
    const { app } = used
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      body: { common_name: 7, subject_dn: 'CN=x', certificate_type: 'king', key_size: 'big', san_dns_names: 'x' },
    })
    expect(json.detail).toEqual([
      { type: 'string_type', loc: ['body', 'common_name'], msg: 'Input should be a valid string', input: 7 },
      {
        type: 'enum',
        loc: ['body', 'certificate_type'],
        msg: "Input should be 'server', 'client', 'ca', 'dual_purpose'",
        input: 'king',
      },
      { type: 'int_type', loc: ['body', 'key_size'], msg: 'Input should be a valid integer', input: null },
      { type: 'list_type', loc: ['body', 'san_dns_names'], msg: 'Input should be a valid list', input: 'x' },
    ])
    const word = await app.call('get', '/certificates/one')
    expect(word.json.detail).toMatchObject([{ type: 'int_parsing', loc: ['path', 'id'], input: 'one' }])
    const form = await app.call('post', `/certificates/?ca_id=${app.ca}`, {
      raw: '{}',
      headers: { 'content-type': 'text/plain' },
    })
    expect(form.json.detail[0]).toMatchObject({ type: 'model_attributes_type', loc: ['body'] })
  })

  it('keeps every answer out of caches and frames', async () => {
    const { app } = used
    for (const path of ['/users/me', '/nothing', '/openapi.json']) {
      const { headers } = await app.call('get', path)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('asks everybody who he is, but where a log-in begins and for what is public', async () => {
    const { app } = used
    const open = operations.filter(({ open }) => open).map(({ path }) => path)
    expect(open).toEqual(['/auth/token', '/auth/refresh'])
    for (const { method, path, open } of operations) {
      if (open) continue
      const answer = await app.call(method, path.replace(/\{\w+\}/g, '1'), { by: null })
      expect([path, answer.status]).toEqual([path, 401])
    }
  })

  it('is told in an OpenAPI document, made of the schemas that check every call', async () => {
    const { json } = await used.app.call('get', '/openapi.json', { by: null })
    const told = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(told.sort()).toEqual(operations.map(({ method, path }) => `${method} /api/v1${path}`).sort())
    expect(json.paths['/api/v1/certificates/'].post.requestBody.content['application/json'].schema.required).toEqual([
      'common_name',
      'subject_dn',
      'certificate_type',
    ])
  })
})
