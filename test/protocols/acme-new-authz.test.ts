import { describe, expect, it } from 'vitest'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { type AcmeClient, expectStatus } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'

const hour = 3_600_000
const dns = (value: string) => ({ type: 'dns', value })

describe.each(databases)('ACME pre-authorization (RFC 8555 section 7.4.1) on $name', ({ open }) => {
  const acme = useAcme(open)
  const newAuthz = (client: AcmeClient, payload: unknown) => client.post(client.directory.newAuthz ?? '', payload)
  const prove = async (client: AcmeClient, url: string) => {
    acme.app.serveChallenges(client)
    await client.answer({ url: '', status: '', finalize: '', authorizations: [url] }, 'http-01')
    expect((await client.post(url)).json.status).toBe('valid')
  }

  it('wire 11: 201 with Location and a pending authorization, which reads back the same', async () => {
    const client = await acme.app.client()
    const reply = expectStatus(await newAuthz(client, { identifier: dns('Pre.localhost') }), 201)
    const location = reply.headers.get('location') ?? ''
    expect(location).toMatch(/^https:\/\/acme\.test\/acme\/default\/authz\//)
    expect(reply.json).toMatchObject({ status: 'pending', identifier: dns('pre.localhost') })
    expect((reply.json.challenges as unknown[]).length).toBeGreaterThan(1)
    expect(reply.json).not.toHaveProperty('wildcard')
    expect(reply.json).not.toHaveProperty('subdomainAuthAllowed')
    expect((await client.post(location)).json).toEqual(reply.json)
  })

  it('what was proved before counts for every order of the account, without reuse being on', async () => {
    const client = await acme.app.client()
    const reply = await newAuthz(client, { identifier: { type: 'ip', value: '127.0.0.1' } })
    await prove(client, reply.headers.get('location') ?? '')
    const named = await newAuthz(client, { identifier: dns('early.localhost') })
    await prove(client, named.headers.get('location') ?? '')
    const order = await client.order(['early.localhost', { type: 'ip', value: '127.0.0.1' }])
    expect(order.status).toBe('ready')
    expect(order.authorizations).toContain(named.headers.get('location'))
    await issue(acme.app, ['early.localhost'], { client })
    expect((await client.order(['early.localhost', 'not.localhost'])).status).toBe('pending')
  })

  it('what was proved for an order does not, and a pending authorization proves nothing', async () => {
    const client = await acme.app.client()
    await newAuthz(client, { identifier: dns('pending.localhost') })
    expect((await client.order(['pending.localhost'])).status).toBe('pending')
    await issue(acme.app, ['ordered.localhost'], { client })
    expect((await client.order(['ordered.localhost'])).status).toBe('pending')
  })

  it('it counts for as long as a proof counts, and not once it was deactivated', async () => {
    await acme.app.world.save('brief', { protocols: { acme: { authorizationLifetime: '3h' } } })
    const client = await acme.app.client({ profile: 'brief' })
    const [one, two] = [
      await newAuthz(client, { identifier: dns('one.localhost') }),
      await newAuthz(client, { identifier: dns('two.localhost') }),
    ].map(({ headers }) => headers.get('location') ?? '')
    await prove(client, one ?? '')
    await prove(client, two ?? '')
    await client.post(two ?? '', { status: 'deactivated' })
    acme.app.world.time.pass(2 * hour)
    await client.get(client.directory.newNonce ?? '')
    expect((await client.order(['one.localhost'])).status).toBe('ready')
    expect((await client.order(['two.localhost'])).status).toBe('pending')
    acme.app.world.time.pass(hour)
    await client.get(client.directory.newNonce ?? '')
    expect((await client.order(['one.localhost'])).status).toBe('pending')
  })

  it('a wildcard is refused', async () => {
    const client = await acme.app.client()
    expectProblem(await newAuthz(client, { identifier: dns('*.wild.localhost') }), 400, 'malformed', /wildcard/)
  })

  it('a name that the profile would not certify is 403 rejectedIdentifier, one of another type unsupportedIdentifier', async () => {
    await acme.app.world.save('corp', { settings: { certificate: { names: { dns: ['.corp.test'], ip: [] } } } })
    const client = await acme.app.client({ profile: 'corp' })
    expectProblem(await newAuthz(client, { identifier: dns('outside.test') }), 403, 'rejectedIdentifier')
    const ip = { type: 'ip', value: '192.0.2.1' }
    expectProblem(await newAuthz(client, { identifier: ip }), 403, 'rejectedIdentifier')
    expectProblem(await newAuthz(client, { identifier: { type: 'email', value: 'a@b' } }), 400, 'unsupportedIdentifier')
    expectStatus(await newAuthz(client, { identifier: dns('in.corp.test') }), 201)
  })

  it.each([
    [''],
    [{}],
    [{ identifier: 'a.test' }],
    [{ identifier: null }],
    [{ identifier: { type: 'dns' } }],
    [{ identifier: { type: 'dns', value: 5 } }],
    [{ identifier: { type: 'dns', value: 'a_b.test' } }],
    [{ identifier: { type: 'dns', value: 'a.test', subdomainAuthAllowed: 'yes' } }],
    [{ identifiers: [dns('a.test')] }],
  ])('the payload %j is malformed', async (payload) => {
    expectProblem(await newAuthz(await acme.app.client(), payload), 400, 'malformed')
  })

  it('wire 37: another account does not find it', async () => {
    const client = await acme.app.client()
    const reply = await newAuthz(client, { identifier: dns('mine.localhost') })
    expectProblem(await (await acme.app.client()).post(reply.headers.get('location') ?? ''), 404, 'malformed')
  })
})
