import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ancestorsOf, isBelow } from '../../protocols/acme/subdomain.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { type AcmeClient, expectStatus, type Json } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'

const dns = (value: string, ancestorDomain?: unknown) => ({
  type: 'dns',
  value,
  ...(ancestorDomain === undefined ? {} : { ancestorDomain }),
})

describe.each(databases)('ACME subdomains (RFC 9444) on $name', ({ open }) => {
  const acme = useAcme(open)
  const clientOf = async (options: object = { subdomainAuthorization: 'any' }, profile = 'below') => {
    await acme.app.world.save(profile, { protocols: { acme: options } })
    return acme.app.client({ profile })
  }
  const ask = (client: AcmeClient, ...identifiers: object[]) =>
    client.post(client.directory.newOrder ?? '', { identifiers })
  const authorizations = async (client: AcmeClient, order: Json) =>
    Promise.all((order.authorizations as string[]).map(async (url) => (await client.post(url)).json))
  const preauthorize = async (client: AcmeClient, name: string) => {
    const identifier = { ...dns(name), subdomainAuthAllowed: true }
    const reply = expectStatus(await client.post(client.directory.newAuthz ?? '', { identifier }), 201)
    const url = reply.headers.get('location') ?? ''
    acme.app.serveChallenges(client)
    await client.answer({ url: '', status: '', finalize: '', authorizations: [url] }, 'http-01')
    return { url, json: (await client.post(url)).json }
  }

  it('section 4.4: the directory says so where the profile allows it', async () => {
    const client = await clientOf()
    expect((await client.get(client.directoryUrl)).json.meta).toEqual({ subdomainAuthAllowed: true })
    const plain = await acme.app.client()
    expect((await plain.get(plain.directoryUrl)).json).not.toHaveProperty('meta')
  })

  it('section 5: one authorization made before makes orders for names below it ready', async () => {
    const client = await clientOf()
    const { url, json } = await preauthorize(client, 'example.localhost')
    expect(json).toMatchObject({ status: 'valid', identifier: dns('example.localhost'), subdomainAuthAllowed: true })
    expect(json.identifier).toEqual(dns('example.localhost'))
    for (const names of [['sub1.example.localhost'], ['a.b.example.localhost', 'example.localhost']]) {
      const { order } = await issue(acme.app, names, { client })
      expect(order).toMatchObject({
        status: 'valid',
        identifiers: names.map((name) => dns(name)),
        authorizations: [url],
      })
    }
  })

  it('section 7.2: whole labels are compared, and it proves neither what stands beside it nor a wildcard', async () => {
    const client = await clientOf()
    await preauthorize(client, 'oo.localhost')
    for (const name of ['ooo.localhost', 'localhost', 'oo.localhost.test', '*.oo.localhost'])
      expect((await client.order([name])).status, name).toBe('pending')
    const other = await acme.app.client({ profile: 'below' })
    expect((await other.order(['a.oo.localhost'])).status).toBe('pending')
  })

  it('a certificate may be revoked by whoever holds an authorization for a name above all of its names, wildcards apart', async () => {
    const client = await clientOf()
    const certificate = (der: Buffer) => ({ certificate: der.toString('base64url') })
    const issued = await issue(acme.app, ['a.held.localhost', 'held.localhost'], { client })
    const beside = await issue(acme.app, ['a.other.localhost'], { client })
    const holder = await acme.app.client({ profile: 'below' })
    const revoke = ({ der }: { der: Buffer }) => holder.post(holder.directory.revokeCert ?? '', certificate(der))
    expectProblem(await revoke(issued), 403, 'unauthorized')
    const { url } = await preauthorize(holder, 'held.localhost')
    expectProblem(await revoke(beside), 403, 'unauthorized')
    await acme.app.world.save('below', { protocols: { acme: { subdomainAuthorization: 'off' } } })
    expectProblem(await revoke(issued), 403, 'unauthorized')
    await acme.app.world.save('below', { protocols: { acme: { subdomainAuthorization: 'dns' } } })
    expectProblem(await revoke(issued), 403, 'unauthorized')
    await acme.app.world.save('below', { protocols: { acme: { subdomainAuthorization: 'any' } } })
    await holder.post(url, { status: 'deactivated' })
    expectProblem(await revoke(issued), 403, 'unauthorized')
    await preauthorize(holder, 'held.localhost')
    expect((await revoke(issued)).status).toBe(200)
  })

  it('section 4.3: an ancestor named in the order is what has to be proved, once for all names below it', async () => {
    const client = await clientOf()
    const asked = [dns('foo.bar.shared.localhost', 'shared.localhost'), dns('baz.shared.localhost', 'shared.localhost')]
    const reply = expectStatus(await ask(client, ...asked, dns('alone.localhost')), 201)
    expect(reply.json.identifiers).toEqual([...asked, dns('alone.localhost')])
    const shown = await authorizations(client, reply.json)
    expect(shown.map(({ identifier }) => identifier)).toEqual([dns('shared.localhost'), dns('alone.localhost')])
    expect(shown.map(({ subdomainAuthAllowed }) => subdomainAuthAllowed)).toEqual([true, undefined])
    const url = reply.headers.get('location') ?? ''
    expect((await client.post(url)).json).toEqual(reply.json)
    acme.app.serveChallenges(client)
    await client.answer({ url, ...reply.json } as never, 'http-01')
    expect((await client.post(url)).json.status).toBe('ready')
  })

  it('in a profile without it the name itself has to be proved, and nothing says otherwise', async () => {
    const client = await clientOf({}, 'strict')
    const { json } = expectStatus(await ask(client, dns('a.strict.localhost', 'strict.localhost')), 201)
    const [shown] = await authorizations(client, json)
    expect(shown?.identifier).toEqual(dns('a.strict.localhost'))
    expect(shown).not.toHaveProperty('subdomainAuthAllowed')
    const made = await preauthorize(client, 'strict.localhost')
    expect(made.json).not.toHaveProperty('subdomainAuthAllowed')
    expect((await client.order(['b.strict.localhost'])).status).toBe('pending')
    expect((await client.order(['strict.localhost'])).status).toBe('ready')
  })

  it('a profile that takes it back stops counting what was proved for names below', async () => {
    const client = await clientOf({ subdomainAuthorization: 'any' }, 'wavering')
    await preauthorize(client, 'taken.localhost')
    expect((await client.order(['a.taken.localhost'])).status).toBe('ready')
    await clientOf({ subdomainAuthorization: 'dns' }, 'wavering')
    expect((await client.order(['a.taken.localhost'])).status).toBe('pending')
    await clientOf({ subdomainAuthorization: 'off' }, 'wavering')
    expect((await client.order(['a.taken.localhost'])).status).toBe('pending')
  })

  it('by default only a record in the DNS can prove names below', async () => {
    const client = await clientOf({ subdomainAuthorization: 'dns' }, 'dns-only')
    const { json } = await ask(client, dns('a.zone.test', 'zone.test'))
    const [shown] = await authorizations(client, json)
    expect(shown).toMatchObject({ identifier: dns('zone.test'), subdomainAuthAllowed: true })
    expect(shown?.challenges).toMatchObject([{ type: 'dns-01' }])
    const http = await clientOf({ subdomainAuthorization: 'dns', challenges: ['http-01'] }, 'http-only')
    const [own] = await authorizations(http, (await ask(http, dns('a.zone.test', 'zone.test'))).json)
    expect(own?.identifier).toEqual(dns('a.zone.test'))
  })

  it('a wildcard is proved for itself, whatever contains it', async () => {
    const client = await clientOf()
    const { json } = await ask(client, dns('*.a.wide.localhost', 'wide.localhost'))
    const [shown] = await authorizations(client, json)
    expect(shown).toMatchObject({ identifier: dns('a.wide.localhost'), wildcard: true })
  })

  it.each([
    ['a.example.test', 'a.example.test'],
    ['a.example.test', 'b.a.example.test'],
    ['ooo.example.test', 'oo.example.test'],
    ['a.example.test', 'xample.test'],
    ['a.example.test', ''],
    ['a.example.test', '*.example.test'],
    ['a.example.test', 'example.test.'],
    ['a.example.test', '.test'],
  ])('%s with the ancestor %j is malformed, and the subproblem names it', async (value, ancestor) => {
    const client = await clientOf()
    const reply = await ask(client, dns(value, ancestor))
    expectProblem(reply, 400, 'malformed', /ancestorDomain/)
    expect(reply.json.subproblems).toMatchObject([{ identifier: dns(value) }])
    expectProblem(await ask(client, dns(value, 5)), 400, 'malformed')
  })

  it('a certificate is asked for below, and the profile decides on that name', async () => {
    const names = { dns: ['.corp.localhost'] }
    const protocols = { acme: { subdomainAuthorization: 'any' } }
    await acme.app.world.save('corp', { settings: { certificate: { names } }, protocols })
    const client = await acme.app.client({ profile: 'corp' })
    await preauthorize(client, 'corp.localhost')
    expect((await client.order(['a.corp.localhost'])).status).toBe('ready')
    expectProblem(await ask(client, dns('corp.localhost')), 403, 'rejectedIdentifier')
  })
})

describe('names below a name (RFC 9444 section 2)', () => {
  it('has every name that ends with it after a dot, and never itself', () => {
    const label = fc.stringMatching(/^[a-z]{1,3}$/)
    fc.assert(
      fc.property(
        fc.array(label, { minLength: 1, maxLength: 5 }),
        fc.array(label, { minLength: 1, maxLength: 5 }),
        (one, two) => {
          const [name, other] = [one.join('.'), two.join('.')]
          const below = one.length > two.length && one.slice(-two.length).every((each, i) => each === two[i])
          expect(isBelow(name, other)).toBe(below)
          expect(ancestorsOf(name).includes(other)).toBe(below)
        },
      ),
    )
  })
})
