import { describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { expectStatus } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'
import { newCsr } from '../helpers/world.ts'

const hour = 3_600_000
const day = 24 * hour
const dns = (value: string) => ({ type: 'dns', value })

const settings = {
  certificate: { names: { dns: ['**.localhost'], max: 3 }, subject: {}, validity: { default: '30d' } },
  variants: {
    shortlived: {
      description: 'six days, for machines that renew by themselves',
      validity: { default: '6d', max: '6d' },
    },
    client: { description: 'https://ca.test/profiles#client', type: 'client', names: { wildcards: false, max: 1 } },
    rsa: { description: 'RSA keys only', keys: { ec: [], ed25519: false } },
  },
}

describe.each(databases)('ACME profiles (draft-ietf-acme-profiles) on $name', ({ open }) => {
  const acme = useAcme(open)
  const clientOf = async (change: object = {}) => {
    await acme.app.world.save('kinds', { settings: { ...settings, ...change } })
    return acme.app.client({ profile: 'kinds' })
  }

  it('the directory lists them with their descriptions, and nothing where there are none', async () => {
    const client = await clientOf()
    expect((await client.get(client.directoryUrl)).json.meta).toEqual({
      profiles: {
        shortlived: 'six days, for machines that renew by themselves',
        client: 'https://ca.test/profiles#client',
        rsa: 'RSA keys only',
      },
    })
    const plain = await acme.app.client()
    expect((await plain.get(plain.directoryUrl)).json).not.toHaveProperty('meta')
  })

  it('wire 53: the chosen one makes the certificate and is echoed; without one the order has none', async () => {
    const client = await clientOf()
    const short = await issue(acme.app, ['a.localhost'], { client, more: { profile: 'shortlived' } })
    expect(short.order.profile).toBe('shortlived')
    expect((await client.post(short.orderUrl)).json.profile).toBe('shortlived')
    const { notAfter, subject } = readCertificate(short.der)
    const now = acme.app.world.time.now.getTime()
    expect(Math.abs(notAfter.getTime() - now - 6 * day)).toBeLessThan(hour)
    expect(subject).toEqual([])
    const plain = await issue(acme.app, ['a.localhost'], { client })
    expect(plain.order).not.toHaveProperty('profile')
    expect(Math.abs(readCertificate(plain.der).notAfter.getTime() - now - 30 * day)).toBeLessThan(hour)
    const other = await issue(acme.app, ['a.localhost'], { client, more: { profile: 'client' } })
    expect(readCertificate(other.der).extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
  })

  it('what it does not say it has from the profile, also within names and validity', async () => {
    const client = await clientOf()
    const order = (names: string[], profile: string) =>
      client.post(client.directory.newOrder ?? '', { identifiers: names.map(dns), profile })
    expectProblem(await order(['outside.test'], 'client'), 403, 'rejectedIdentifier')
    expectProblem(await order(['outside.test'], 'shortlived'), 403, 'rejectedIdentifier')
  })

  it('wire 53: one that is not offered is invalidProfile, compared as it is written', async () => {
    const client = await clientOf()
    for (const profile of ['tlsserver', 'Shortlived', '', 'constructor', '__proto__', 'x'.repeat(5000)]) {
      const reply = await client.post(client.directory.newOrder ?? '', { identifiers: [dns('a.localhost')], profile })
      expectProblem(reply, 400, 'invalidProfile', /shortlived, client, rsa/)
    }
    const other = await acme.app.client()
    const asked = { identifiers: [dns('a.localhost')], profile: 'shortlived' }
    expectProblem(await other.post(other.directory.newOrder ?? '', asked), 400, 'invalidProfile', /order without it/)
    for (const profile of [5, null, ['shortlived']]) {
      const reply = await client.post(client.directory.newOrder ?? '', { identifiers: [dns('a.localhost')], profile })
      expectProblem(reply, 400, 'malformed', /profile/)
    }
  })

  it('one that does not fit the order is invalidProfile, where the order itself could be had', async () => {
    const client = await clientOf()
    const ask = (identifiers: object[], more: object) =>
      client.post(client.directory.newOrder ?? '', { identifiers, ...more })
    const two = [dns('a.localhost'), dns('b.localhost')]
    expectProblem(await ask(two, { profile: 'client' }), 400, 'invalidProfile', /client.*more than the 1/)
    const notAfter = new Date(Math.floor((acme.app.world.time.now.getTime() + 10 * day) / 1000) * 1000).toISOString()
    const long = { notAfter: notAfter.replace('.000Z', 'Z') }
    expectStatus(await ask([dns('a.localhost')], long), 201)
    expectProblem(await ask([dns('a.localhost')], { ...long, profile: 'shortlived' }), 400, 'invalidProfile', /6 days/)
    expectProblem(await ask([...two, dns('c.localhost'), dns('d.localhost')], { profile: 'client' }), 400, 'malformed')
  })

  it('the CSR is held against the chosen one', async () => {
    const client = await clientOf()
    acme.app.serveChallenges(client)
    const order = await client.order(['key.localhost'], { profile: 'rsa' })
    await client.answer(order, 'http-01')
    expectProblem(
      await client.finalize(order, (await newCsr(['key.localhost'])).der),
      400,
      'badCSR',
      /no curve|EC keys/,
    )
    const { json } = await client.finalize(order, (await newCsr(['key.localhost'], { key: 'RSA-2048' })).der)
    expect(json).toMatchObject({ status: 'valid', profile: 'rsa' })
  })

  it('one that is no longer offered at finalize is invalidProfile, and the order stays ready', async () => {
    const client = await clientOf()
    acme.app.serveChallenges(client)
    const order = await client.order(['gone.localhost'], { profile: 'shortlived' })
    await client.answer(order, 'http-01')
    await clientOf({ variants: {} })
    const csr = (await newCsr(['gone.localhost'])).der
    expectProblem(await client.finalize(order, csr), 400, 'invalidProfile')
    expect((await client.post(order.url)).json).toMatchObject({ status: 'ready', profile: 'shortlived' })
    await clientOf()
    expect((await client.finalize(order, csr)).json.status).toBe('valid')
  })

  it('one named default is what orders get that name none, and they say so', async () => {
    const variants = { default: { description: 'the usual', validity: { default: '10d' } } }
    const client = await clientOf({ variants })
    const { order, der } = await issue(acme.app, ['usual.localhost'], { client })
    expect(order.profile).toBe('default')
    const left = readCertificate(der).notAfter.getTime() - acme.app.world.time.now.getTime()
    expect(Math.abs(left - 10 * day)).toBeLessThan(hour)
  })

  it('rules see which was chosen', async () => {
    const rules = {
      issue: [
        { name: 'short', when: 'variant == "shortlived"', auto: true },
        { name: 'rest', deny: 'no' },
      ],
    }
    await acme.app.world.save('ruled', { settings, rules })
    const { order } = await issue(acme.app, ['r.localhost'], { profile: 'ruled', more: { profile: 'shortlived' } })
    expect(order.status).toBe('valid')
    const client = await acme.app.client({ profile: 'ruled' })
    const reply = await client.post(client.directory.newOrder ?? '', { identifiers: [dns('r.localhost')] })
    expectProblem(reply, 403, 'unauthorized', /no/)
  })

  it.each([
    ['without a description', { short: { validity: { default: '6d' } } }],
    ['with a setting that there is not', { short: { description: 'x', lifetime: '6d' } }],
    ['with a certificate in it', { short: { description: 'x', certificate: {} } }],
    [
      'with a default longer than the longest',
      { short: { description: 'x', validity: { default: '60d', max: '6d' } } },
    ],
    ['of the installation’s own type', { short: { description: 'x', type: 'ocsp' } }],
    ['with a name that does not fit', { 'short lived': { description: 'x' } }],
    ['that is no object', { short: 'x' }],
    ['that is a list', []],
  ])('a variant %s cannot be saved', async (_, variants) => {
    await expect(acme.app.world.save('wrong', { settings: { variants } })).rejects.toMatchObject({ code: 'malformed' })
  })
})
