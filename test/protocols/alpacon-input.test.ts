import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BASE, issued, ordered, useAlpaconApp } from '../helpers/alpaconApp.ts'

/** Bodies that nobody honest sends: every operation refuses them in the form of the contract. */

const used = useAlpaconApp()
const NOWHERE = '01890000-0000-7000-8000-000000000000'

/** Every operation that reads a body. */
async function readers(): Promise<[method: string, path: string][]> {
  const { app } = used
  const parked = await app.call('POST', `${BASE}/sign-requests/`, { body: { domain_list: ['p.test'] } })
  const authorities = await app.call('GET', `${BASE}/authorities/`, { by: app.admin })
  const [issuing] = authorities.json.results.filter(({ name }: { name: string }) => name === 'issuing')
  return [
    ['POST', '/api/auth/login/'],
    ['POST', `${BASE}/sign-requests/`],
    ['PATCH', parked.json.submit_url],
    ['POST', `${BASE}/revoke-requests/`],
    ['POST', `${BASE}/authorities/`],
    ['PATCH', `${BASE}/authorities/${issuing.id}/`],
  ]
}

it('is JSON in UTF-8 and says so', async () => {
  const { app } = used
  for (const [method, path] of await readers()) {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', '']) {
      const refused = await app.call(method, path, { by: app.admin, raw: '{}', headers: { 'content-type': type } })
      expect([refused.status, refused.json.detail]).toEqual([415, expect.stringContaining('application/json')])
    }
    for (const raw of ['', '{', '{"a":1}}', Buffer.of(0x7b, 0xff, 0x7d), 'NaN'])
      expect([path, (await app.call(method, path, { by: app.admin, raw })).status]).toEqual([path, 400])
    const typed = { 'content-type': 'application/json; charset=utf-8' }
    expect((await app.call(method, path, { by: app.admin, raw: '[]', headers: typed })).json).toEqual({
      non_field_errors: [expect.stringContaining('object')],
    })
  }
})

it('has at most a MiB, is not deep, and closes the connection when it is more', async () => {
  const { app } = used
  for (const [method, path] of await readers()) {
    const long = await app.call(method, path, { by: app.admin, raw: Buffer.alloc(10 * 2 ** 20, 0x20) })
    expect([long.status, long.headers.get('connection')]).toEqual([413, 'close'])
    const raw = `{"owner":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    expect((await app.call(method, path, { by: app.admin, raw })).status).toBe(400)
  }
})

it('is read after it is known who calls', async () => {
  const { app } = used
  for (const [method, path] of (await readers()).slice(1))
    expect((await app.call(method, path, { by: null, raw: '{' })).status).toBe(401)
})

it('may be anything: no operation fails, and what is refused is refused in the form of the contract', async () => {
  const { app } = used
  const all = await readers()
  const fields = [
    ...['domain_list', 'ip_list', 'valid_days', 'csr_text', 'authority', 'certificate', 'reason', 'requested_reason'],
    ...['name', 'organization', 'domain', 'root_valid_days', 'default_valid_days', 'max_valid_days', 'agent', 'owner'],
    ...['username', 'password', '__proto__', 'constructor', 'id', 'crt_text'],
  ]
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('a.test', '192.0.2.1', NOWHERE, 'operator', '\0', '\ud800', '-----BEGIN CERTIFICATE REQUEST-----'),
  )
  const value = fc.oneof(
    text,
    fc.integer(),
    fc.double(),
    fc.array(text, { maxLength: 4 }),
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(null, true, 0, 1, 90, 1e308, -1),
  )
  const body = fc.oneof(fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 8 }), fc.jsonValue())
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...all), body, fc.boolean(), async ([method, path], given, chief) => {
      const by = chief ? app.admin : app.operator
      const answer = await app.call(method, path, { by, raw: JSON.stringify(given) })
      expect(answer.status, JSON.stringify(given)).toBeLessThan(500)
    }),
    { numRuns: 250 },
  )
})

it('does not matter where none is read', async () => {
  const { app } = used
  const id = await ordered(app, ['nobody.test'])
  const raw = Buffer.from([0xff, 0x00])
  const answer = await app.call('POST', `${BASE}/sign-requests/${id}/approve/`, { by: app.approver, raw })
  expect(answer.json.status).toBe('signed')
})

it('as a query may be anything', async () => {
  const { app } = used
  await issued(app, ['query.test'])
  const lists = ['sign-requests', 'revoke-requests', 'certificates', 'authorities']
  const name = fc.constantFrom('page', 'page_size', 'status', 'certificate', '__proto__')
  const given = fc.array(fc.tuple(name, fc.string({ unit: 'binary' })), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...lists), given, async (list, query) => {
      const path = `${BASE}/${list}/?${new URLSearchParams(query)}`
      expect((await app.call('GET', path)).status, path).toBeLessThan(500)
    }),
    { numRuns: 100 },
  )
})
