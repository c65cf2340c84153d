import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { databases, openSqlite } from '../helpers/databases.ts'

const newOrder = `${BASE_URL}/acme/default/new-order`
const dns = (value: string) => ({ type: 'dns', value })
const day = 86_400_000

describe.each(databases)('ACME orders on $name', ({ open }) => {
  const acme = useAcme(open)

  it('section 7.4: an order is pending, with an authorization for each name, and reads back the same', async () => {
    const client = await acme.app.client()
    const identifiers = [dns('b.localhost'), dns('a.localhost'), { type: 'ip', value: '127.0.0.1' }]
    const reply = await client.post(newOrder, { identifiers })
    expect(reply.status).toBe(201)
    const { authorizations, ...order } = reply.json as { authorizations: string[] }
    const url = reply.headers.get('location')
    const expires = `${new Date(acme.app.world.time.now.getTime() + 7 * day).toISOString().slice(0, 19)}Z`
    expect(order).toEqual({ status: 'pending', identifiers, expires, finalize: `${url}/finalize` })
    expect(new Set(authorizations).size).toBe(3)
    expect((await client.post(url ?? '')).json).toEqual(reply.json)
    expect((await client.post(authorizations[1] ?? '')).json).toMatchObject({
      identifier: identifiers[1],
      status: 'pending',
    })
  })

  it('wire 30: a wildcard stands with *. in the order and without it in its authorization, beside the base name', async () => {
    const client = await acme.app.client()
    const order = await client.order(['*.wild.test', 'wild.test'])
    expect(order.identifiers).toEqual([dns('*.wild.test'), dns('wild.test')])
    const [wildUrl = '', baseUrl = ''] = order.authorizations
    const wild = (await client.post(wildUrl)).json
    const base = (await client.post(baseUrl)).json
    expect(wild).toMatchObject({ identifier: dns('wild.test'), wildcard: true })
    expect(wild.challenges).toMatchObject([{ type: 'dns-01' }])
    expect(base).not.toHaveProperty('wildcard')
  })

  it('wire 29: repeated names come once, in the order of their first coming, as they were written', async () => {
    const client = await acme.app.client()
    const order = await client.order(['Two.localhost', 'one.localhost', 'two.localhost', 'ONE.localhost'])
    expect(order.identifiers).toEqual([dns('Two.localhost'), dns('one.localhost')])
    expect(order.authorizations).toHaveLength(2)
    expect((await client.post(order.authorizations[0] ?? '')).json.identifier).toEqual(dns('two.localhost'))
  })

  it('wire 37: orders, authorizations and challenges of another account are not found, as what does not exist', async () => {
    const [client, other] = [await acme.app.client(), await acme.app.client()]
    const order = await client.order(['mine.localhost'])
    const [authorization = ''] = order.authorizations
    const challenge = `${authorization.replace('/authz/', '/challenge/')}/http-01`
    for (const url of [order.url, authorization, challenge]) {
      const missing = await other.post(url.replace(/[0-9a-f-]{36}/, '01890000-0000-7000-8000-000000000000'))
      const theirs = await other.post(url)
      expectProblem(theirs, 404, 'malformed')
      expect(theirs.json).toEqual(missing.json)
    }
    expectProblem(await other.post(order.finalize, { csr: 'AAAA' }), 404, 'malformed')
    expectProblem(await other.post(authorization, { status: 'deactivated' }), 404, 'malformed')
    expectProblem(await other.post(challenge, {}), 404, 'malformed')
    expect((await client.post(order.url)).json.status).toBe('pending')
  })

  it('wire 20: an order is read by POST-as-GET only', async () => {
    const client = await acme.app.client()
    const order = await client.order(['a.localhost'])
    expectProblem(await client.post(order.url, {}), 400, 'malformed', /POST-as-GET/)
  })

  it('wire 32: the order is ready when the last authorization is valid, in the same moment', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const order = await client.order(['r1.localhost', 'r2.localhost'])
    const [first = '', second = ''] = order.authorizations
    await client.answer({ ...order, authorizations: [first] }, 'http-01')
    expect((await client.post(order.url)).json.status).toBe('pending')
    await client.answer({ ...order, authorizations: [second] }, 'http-01')
    expect((await client.post(order.url)).json.status).toBe('ready')
  })

  it('wire 33 and 36: an authorization that ends makes the order invalid, with an error that names it', async () => {
    const client = await acme.app.client()
    const order = await client.order(['gone.localhost', 'stays.localhost'])
    await client.post(order.authorizations[0] ?? '', { status: 'deactivated' })
    const { json } = await client.post(order.url)
    expect(json).toMatchObject({
      status: 'invalid',
      error: {
        type: 'urn:ietf:params:acme:error:unauthorized',
        detail: expect.stringMatching(/gone\.localhost.*deactivated/),
        subproblems: [{ identifier: dns('gone.localhost') }],
      },
    })
    expect(json.error).not.toHaveProperty('identifier')
    expect(json.identifiers).toEqual(order.identifiers)
    expect(json.authorizations).toEqual(order.authorizations)
  })

  it('wire 33: an order that is not finalized in time is invalid, and so is one whose proof is too old', async () => {
    await acme.app.world.save('short', { protocols: { acme: { orderLifetime: '2h', authorizationLifetime: '1h' } } })
    const client = await acme.app.client({ profile: 'short' })
    acme.app.serveChallenges(client)
    const [late, proved] = [await client.order(['late.localhost']), await client.order(['proved.localhost'])]
    await client.answer(proved, 'http-01')
    const authorization = (await client.post(proved.authorizations[0] ?? '')).json
    expect(authorization.expires).toBe(
      `${new Date(acme.app.world.time.now.getTime() + day / 24).toISOString().slice(0, 19)}Z`,
    )
    acme.app.world.time.pass(day / 24 + 1000)
    await client.get(client.directory.newNonce ?? '')
    expect((await client.post(proved.authorizations[0] ?? '')).json.status).toBe('expired')
    expect((await client.post(proved.url)).json).toMatchObject({ status: 'invalid', error: { status: 403 } })
    expect((await client.post(late.url)).json.status).toBe('pending')
    acme.app.world.time.pass(day / 24)
    await client.get(client.directory.newNonce ?? '')
    expect((await client.post(late.url)).json).toMatchObject({
      status: 'invalid',
      error: { detail: expect.stringContaining('expire') },
    })
    expect((await client.post(late.authorizations[0] ?? '')).json.status).toBe('expired')
  })

  it('wire 54: times are echoed to the second; what cannot be issued as asked is refused', async () => {
    const client = await acme.app.client()
    const at = (milliseconds: number) =>
      `${new Date(acme.app.world.time.now.getTime() + milliseconds).toISOString().slice(0, 19)}Z`
    const [notBefore, notAfter] = [at(60_000), at(10 * day)]
    const order = await client.order(['t.localhost'], { notBefore, notAfter: notAfter.replace('Z', '+00:00') })
    expect(order).toMatchObject({ notBefore, notAfter })
    const wrong = [
      { notAfter: at(-1000) },
      { notAfter: at(400 * day) },
      { notBefore: at(-day) },
      { notBefore: at(day), notAfter: at(day / 2) },
      { notBefore: 'tomorrow' },
      { notBefore: '2026-02-30T00:00:00Z' },
      { notAfter: notAfter.replace('Z', '') },
      { notAfter: notAfter.replace('Z', '.5Z') },
      { notAfter: '' },
      { notAfter: 5 },
      { notAfter: null },
    ]
    for (const times of wrong) {
      const reply = await client.post(newOrder, { identifiers: [dns('t.localhost')], ...times })
      expectProblem(reply, 400, 'malformed', /notBefore|notAfter|at most/)
    }
  })
})

describe('identifiers of ACME orders (wire 29)', () => {
  const acme = useAcme(openSqlite)
  const long = `${'a'.repeat(63)}.`.repeat(4)

  it.each([
    ['ends.with.dot.', /dot/],
    ['under_score.test', /underscore/],
    ['bücher.test', /A-label/],
    ['xn--a.test', /host name/],
    ['192.0.2.1', /type ip/],
    ['2001:db8::1', /type ip/],
    ['1.2.3.4.5', /host name/],
    ['', /host name/],
    ['a..b', /host name/],
    ['-a.test', /host name/],
    [`${'a'.repeat(64)}.test`, /host name/],
    [`${long}test`, /host name/],
    ['a.*.test', /\*/],
    ['*.*.test', /\*/],
    ['*', /\*/],
    ['foo*.test', /\*/],
    ['a b.test', /host name/],
    ['a\u0000.test', /A-label|host name/],
    ['https://a.test/', /host name/],
  ])('dns %j is malformed, and the subproblem names it', async (value, detail) => {
    const client = await acme.app.client()
    const reply = await client.post(newOrder, { identifiers: [dns('good.test'), dns(value)] })
    expectProblem(reply, 400, 'malformed', detail)
    expect(reply.json.subproblems).toMatchObject([
      { identifier: dns(value), type: 'urn:ietf:params:acme:error:malformed' },
    ])
  })

  it.each([
    '192.0.2.01',
    '1.2.3',
    '192.0.2.1/32',
    '2001:DB8::1',
    '2001:db8:0:0:0:0:0:1',
    '::ffff:192.0.2.1%1',
    '[::1]',
    'a.test',
    '',
  ])('ip %j is malformed (RFC 8738 section 3)', async (value) => {
    const client = await acme.app.client()
    expectProblem(await client.post(newOrder, { identifiers: [{ type: 'ip', value }] }), 400, 'malformed')
  })

  it('a type that is not served is unsupportedIdentifier', async () => {
    const client = await acme.app.client()
    for (const type of ['email', 'DNS', 'permanent-identifier', ''])
      expectProblem(await client.post(newOrder, { identifiers: [{ type, value: 'a' }] }), 400, 'unsupportedIdentifier')
  })

  it('several faults are one problem with a subproblem each', async () => {
    const client = await acme.app.client()
    const reply = await client.post(newOrder, {
      identifiers: [dns('a_b.test'), dns('ok.test'), { type: 'mail', value: 'x' }],
    })
    expectProblem(reply, 400, 'malformed')
    expect((reply.json.subproblems as { type: string }[]).map(({ type }) => type.split(':').pop())).toEqual([
      'malformed',
      'unsupportedIdentifier',
    ])
  })

  it.each([
    [{}],
    [{ identifiers: [] }],
    [{ identifiers: 'a.test' }],
    [{ identifiers: [null] }],
    [{ identifiers: ['a.test'] }],
    [{ identifiers: [{ type: 'dns' }] }],
    [{ identifiers: [{ type: 'dns', value: 5 }] }],
    [{ identifiers: [{ value: 'a.test' }] }],
  ])('the payload %j is malformed', async (payload) => {
    const client = await acme.app.client()
    expectProblem(await client.post(newOrder, payload), 400, 'malformed', /identifier/)
  })

  it('names that the profile does not certify are rejectedIdentifier, each in a subproblem (section 7.4.1)', async () => {
    const names = { dns: ['.corp.test'], ip: [] }
    await acme.app.world.save('corp', { settings: { certificate: { names } } })
    const client = await acme.app.client({ profile: 'corp' })
    const wrong = [dns('outside.test'), { type: 'ip', value: '192.0.2.1' }]
    const reply = await client.post(client.directory.newOrder ?? '', { identifiers: [dns('in.corp.test'), ...wrong] })
    expectProblem(reply, 403, 'rejectedIdentifier')
    expect((reply.json.subproblems as { identifier: unknown }[]).map(({ identifier }) => identifier)).toEqual(wrong)
  })

  it('a name that no challenge of the profile can prove is rejectedIdentifier', async () => {
    await acme.app.world.save('http-only', { protocols: { acme: { challenges: ['http-01'] } } })
    const client = await acme.app.client({ profile: 'http-only' })
    const order = await client.order(['a.test'])
    const { json } = await client.post(order.authorizations[0] ?? '')
    expect((json.challenges as { type: string }[]).map(({ type }) => type)).toEqual(['http-01'])
    expectProblem(
      await client.post(client.directory.newOrder ?? '', { identifiers: [dns('*.a.test')] }),
      403,
      'rejectedIdentifier',
      /dns-01/,
    )
  })
})
