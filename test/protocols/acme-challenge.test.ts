import { describe, expect, it } from 'vitest'
import { acmeServer } from '../../protocols/acme/server.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, Json } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'

const challengeUrl = (authorization: string, type = 'http-01') =>
  `${authorization.replace('/authz/', '/challenge/')}/${type}`

describe.each(databases)('ACME authorizations and challenges on $name', ({ open }) => {
  const acme = useAcme(open)

  async function offered(client: AcmeClient, name: string | { type: string; value: string }) {
    const order = await client.order([name])
    const [url = ''] = order.authorizations
    const { json, headers } = await client.post(url)
    return { order, url, json, headers, challenges: json.challenges as (Json & { token: string; url: string })[] }
  }

  /** What http-01 finds at a name: a path for each token. */
  const page = (token: string) => `/.well-known/acme-challenge/${token}`

  it('wire 43 and 47: each kind of name has its challenges, all pending, with one token of 128 bits at least', async () => {
    const client = await acme.app.client()
    const kinds = [
      ['a.localhost', ['http-01', 'dns-01', 'tls-alpn-01']],
      ['*.a.localhost', ['dns-01']],
      [{ type: 'ip', value: '127.0.0.1' }, ['http-01', 'tls-alpn-01']],
      [{ type: 'ip', value: '::1' }, ['http-01', 'tls-alpn-01']],
    ] as const
    for (const [name, types] of kinds) {
      const { challenges, headers, url } = await offered(client, name)
      expect(challenges.map(({ type }) => type)).toEqual(types)
      expect(headers.get('retry-after')).toBe('1')
      for (const challenge of challenges) {
        expect(challenge).toEqual({
          type: challenge.type,
          status: 'pending',
          token: challenges[0]?.token,
          url: challengeUrl(url, String(challenge.type)),
        })
        expect(challenge.token).toMatch(/^[A-Za-z0-9_-]{22,}$/)
        const { json } = await client.post(challenge.url)
        expect(json).toEqual(challenge)
      }
    }
  })

  it('wire 42: a validation that is quick settles in the answer; afterwards nothing is tried again', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const { url, challenges } = await offered(client, 'quick.localhost')
    const [http] = challenges
    const answer = await client.post(http?.url ?? '', {})
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({
      ...http,
      status: 'valid',
      validated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    })
    expect(answer.headers.get('retry-after')).toBeUndefined()
    const { json } = await client.post(url)
    expect(json).toMatchObject({ status: 'valid', challenges: [answer.json] })
    expect(json.challenges).toHaveLength(1)
    expect((await client.post(http?.url ?? '', {})).json).toEqual(answer.json)
    expectProblem(await client.post(challengeUrl(url, 'dns-01'), {}), 404, 'malformed')
  })

  it('wire 46: a wrong answer makes it invalid for good, with an error that says what was seen', async () => {
    const client = await acme.app.client()
    const { order, url, challenges } = await offered(client, 'wrong.localhost')
    const [http] = challenges
    acme.app.pages.set(page(http?.token ?? ''), 'something else')
    const answer = await client.post(http?.url ?? '', {})
    expect(answer.json).toMatchObject({
      status: 'invalid',
      error: {
        type: expect.stringMatching(/:(incorrectResponse|unauthorized)$/),
        detail: expect.stringContaining('something else'),
        status: 403,
      },
    })
    acme.app.pages.set(page(http?.token ?? ''), `${http?.token}.${client.key.thumbprint}`)
    expect((await client.post(http?.url ?? '', {})).json.status).toBe('invalid')
    expect((await client.post(url)).json).toMatchObject({ status: 'invalid', challenges: [answer.json] })
    expect((await client.post(order.url)).json).toMatchObject({
      status: 'invalid',
      error: { subproblems: [{ identifier: { value: 'wrong.localhost' } }] },
    })
  })

  it('wire 40 and 42: a slow one is processing with Retry-After, and is finished without the client', async () => {
    const client = await acme.app.client()
    const { url, challenges } = await offered(client, 'slow.localhost')
    const [http] = challenges
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    acme.app.pages.set(page(http?.token ?? ''), () => held.then(() => `${http?.token}.${client.key.thumbprint}`))
    const answer = await client.post(http?.url ?? '', {})
    expect(answer.json).toEqual({ ...http, status: 'processing' })
    expect(answer.headers.get('retry-after')).toBe('1')
    expect((await client.post(url)).json).toMatchObject({
      status: 'pending',
      challenges: [{ status: 'processing' }, { status: 'pending' }, { status: 'pending' }],
    })
    expectProblem(await client.post(challengeUrl(url, 'dns-01'), {}), 400, 'malformed', /http-01/)
    acme.app.world.time.pass(20_000)
    const job = acme.app.runJobs()
    release()
    await job
    expect((await client.post(url)).json.status).toBe('valid')
  })

  it('many answers to one challenge at once make one query', async () => {
    const client = await acme.app.client()
    const { challenges } = await offered(client, 'many.localhost')
    const [http] = challenges
    let queries = 0
    acme.app.pages.set(page(http?.token ?? ''), async () => {
      queries++
      return `${http?.token}.${client.key.thumbprint}`
    })
    const bodies: string[] = []
    for (let at = 0; at < 10; at++)
      bodies.push(
        await client.jws(
          http?.url ?? '',
          {},
          { header: { nonce: await acme.app.client({ register: false }).then((other) => other.nonce()) } },
        ),
      )
    const replies = await Promise.all(bodies.map((body) => client.send(http?.url ?? '', body)))
    expect(replies.map(({ json }) => json.status)).toEqual(new Array(10).fill('valid'))
    expect(queries).toBe(1)
  })

  it('beyond so many at a time validations wait for their turn, and all come to their end', async () => {
    const { most, queries } = acmeServer(acme.app.host)
    const before = { ...most }
    most.account = 2
    try {
      const client = await acme.app.client()
      const order = await client.order(['1', '2', '3', '4'].map((at) => `turn-${at}.localhost`))
      let release = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      let asked = 0
      for (const url of order.authorizations) {
        const [http] = (await client.post(url)).json.challenges as { token: string }[]
        acme.app.pages.set(`/.well-known/acme-challenge/${http?.token}`, async () => {
          asked += 1
          await released
          return `${http?.token}.${client.key.thumbprint}`
        })
      }
      for (const { json } of await client.answer(order, 'http-01')) expect(json.status).toBe('processing')
      expect(asked).toBe(2)
      // Another account has its own turn.
      const other = await acme.app.ready(['turn-5.localhost'])
      expect((await other.client.post(other.order.url)).json.status).toBe('ready')
      release()
      await Promise.all(queries.values())
      expect((await client.post(order.url)).json.status).toBe('pending')
      acme.app.world.time.pass(2_000)
      await acme.app.runJobs()
      expect((await client.post(order.url)).json.status).toBe('ready')
    } finally {
      Object.assign(most, before)
    }
  })

  it('wire 48: deactivation always answers 200 and shows what became of it (section 7.5.2)', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const { url, challenges } = await offered(client, 'off.localhost')
    const deactivated = await client.post(url, { status: 'deactivated' })
    expect(deactivated.status).toBe(200)
    expect(deactivated.json.status).toBe('deactivated')
    expect((await client.post(url, { status: 'deactivated' })).json).toEqual(deactivated.json)
    expect((await client.post(challenges[0]?.url ?? '', {})).json.status).toBe('pending')
    expect((await client.post(url)).json.status).toBe('deactivated')
    const valid = await offered(client, 'was-valid.localhost')
    await client.post(valid.challenges[0]?.url ?? '', {})
    expect((await client.post(valid.url, { status: 'deactivated' })).json.status).toBe('deactivated')
    expect((await client.post(valid.order.url)).json.status).toBe('invalid')
  })

  it('wire 20: other objects sent to an authorization are malformed', async () => {
    const client = await acme.app.client()
    const { url } = await offered(client, 'other.localhost')
    for (const payload of [{}, { status: 'valid' }, { status: null }, { status: ['deactivated'] }])
      expectProblem(await client.post(url, payload), 400, 'malformed')
    expect((await client.post(url, { status: 'deactivated', resource: 'authz' })).status).toBe(200)
  })

  it('wire 20: members of the answer to a challenge that nobody knows are ignored', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const { challenges } = await offered(client, 'old.localhost')
    const answer = { resource: 'challenge', type: 'http-01', keyAuthorization: 'x.y' }
    expect((await client.post(challenges[0]?.url ?? '', answer)).json.status).toBe('valid')
  })

  it('a challenge that was not offered is not found', async () => {
    const client = await acme.app.client()
    const { url } = await offered(client, { type: 'ip', value: '127.0.0.1' })
    for (const type of ['dns-01', 'http-02', 'toString', ''])
      expectProblem(await client.post(challengeUrl(url, type), {}), 404, 'malformed')
  })
})
