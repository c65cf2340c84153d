import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, AcmeOrder, Json, Reply } from '../helpers/acmeClient.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newOnion, type Onion, onionCaa, onionCsr } from '../helpers/onion.ts'
import { newCsr } from '../helpers/world.ts'

const DAY = 86_400_000

describe('onion-csr-01 over ACME', () => {
  let opened: Awaited<ReturnType<typeof openSqlite>>
  let acme: AcmeApp
  beforeAll(async () => {
    opened = await openSqlite()
    acme = await createAcmeApp(opened.db)
    await acme.world.save('caa', { protocols: { acme: { caa: { domains: ['ca.test'] } } } })
    await acme.world.save('long', { protocols: { acme: { orderLifetime: '60d' } } })
    await acme.world.save('without', { protocols: { acme: { challenges: ['http-01', 'dns-01'] } } })
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  const challengesOf = async (client: AcmeClient, order: AcmeOrder, at = 0) =>
    (await client.post(order.authorizations[at] ?? '')).json.challenges as Json[]
  const respond = async (client: AcmeClient, order: AcmeOrder, service: Onion, at = 0): Promise<Reply> => {
    const [challenge] = await challengesOf(client, order, at)
    const csr = onionCsr(service, { caNonce: Buffer.from(String(challenge?.nonce), 'base64') })
    return client.post(String(challenge?.url), { csr: csr.toString('base64url') })
  }
  const expiry = (ms = 3_600_000) => Math.floor((acme.world.it.clock().getTime() + ms) / 1000)

  it('section 3: is all that is offered, with a padded nonce of at least 64 bits and no token', async () => {
    const client = await acme.client()
    const { address } = newOnion()
    const order = await client.order([address, `*.${address}`, `www.${address}`])
    for (const at of [0, 1, 2]) {
      const challenges = await challengesOf(client, order, at)
      expect(challenges).toEqual([
        {
          type: 'onion-csr-01',
          url: expect.any(String),
          status: 'pending',
          nonce: expect.stringMatching(/^[A-Za-z0-9+/]{32}$/),
        },
      ])
    }
  })

  it('is not offered for other names', async () => {
    const client = await acme.client()
    const types = (await challengesOf(client, await client.order(['a.test']))).map(({ type }) => type)
    expect(types).toEqual(['http-01', 'dns-01', 'tls-alpn-01'])
  })

  it('section 3.2: issues for the address, its wildcard and a name below, each proved by the service’s key', async () => {
    const client = await acme.client()
    const service = newOnion()
    const names = [service.address, `*.${service.address}`, `www.${service.address}`]
    const order = await client.order(names)
    for (const at of [0, 1, 2])
      expect((await respond(client, order, service, at)).json).toMatchObject({ status: 'valid' })
    const done = await client.finalize(order, (await newCsr(names)).der)
    expect(done.json).toMatchObject({ status: 'valid' })
    const certificate = new X509Certificate((await client.post(String(done.json.certificate))).text)
    for (const name of names) expect(certificate.subjectAltName).toContain(`DNS:${name}`)
  })

  it.each([
    ['expyuzz4wqqyqhjn.onion', /version 2/],
    ['cbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.onion', /checksum/],
  ])('section 2: %s is no identifier', async (value, detail) => {
    const client = await acme.client()
    const reply = await client.post(client.directory.newOrder ?? '', { identifiers: [{ type: 'dns', value }] })
    expectProblem(reply, 403, 'rejectedIdentifier', detail)
  })

  it('a profile without onion-csr-01 certifies no hidden service', async () => {
    const client = await acme.client({ profile: 'without' })
    const identifiers = [{ type: 'dns', value: newOnion().address }]
    const reply = await client.post(client.directory.newOrder ?? '', { identifiers })
    expectProblem(reply, 403, 'rejectedIdentifier', /onion-csr-01/)
  })

  it('a wrong CSR makes the challenge invalid, one that is no base64url leaves it pending', async () => {
    const client = await acme.client()
    const service = newOnion()
    const order = await client.order([service.address])
    const [challenge] = await challengesOf(client, order)
    for (const csr of ['not base64url!', 'AA==', undefined])
      expectProblem(await client.post(String(challenge?.url), { csr }), 400, 'malformed', /csr/)
    expect(await challengesOf(client, order)).toMatchObject([{ status: 'pending' }])
    expect((await respond(client, order, newOnion())).json).toMatchObject({
      status: 'invalid',
      error: { type: 'urn:ietf:params:acme:error:unauthorized', detail: expect.stringContaining(service.address) },
    })
  })

  it('a nonce of more than 30 days is not accepted, though the order still waits', async () => {
    const client = await acme.client({ profile: 'long' })
    const service = newOnion()
    const order = await client.order([service.address])
    acme.world.time.pass(31 * DAY)
    await client.get(client.directory.newNonce ?? '', 'HEAD')
    expect((await respond(client, order, service)).json).toMatchObject({
      status: 'invalid',
      error: { detail: expect.stringContaining('30 days') },
    })
  })

  it('section 3.2: the key of the service is not the key of the certificate', async () => {
    const client = await acme.client()
    const service = newOnion()
    const order = await client.order([service.address])
    await respond(client, order, service)
    const names = [{ type: 'dns' as const, value: service.address }]
    const csr = await writeCsr({ subject: [], identifiers: names }, signerFor(service.privateKey))
    expectProblem(await client.finalize(order, csr), 400, 'badCSR', /the key of .*\.onion itself/)
    expect((await client.post(order.url)).json).toMatchObject({ status: 'ready' })
  })

  describe('section 6.4: CAA comes with finalize', () => {
    const ready = async (names?: (address: string) => string[]) => {
      const client = await acme.client({ profile: 'caa' })
      const service = newOnion()
      const asked = names?.(service.address) ?? [service.address]
      const order = await client.order(asked)
      for (const at of asked.keys()) await respond(client, order, service, at)
      const csr = (await newCsr(asked)).der.toString('base64url')
      return { client, service, finalize: (onionCAA?: unknown) => client.post(order.finalize, { csr, onionCAA }) }
    }

    it('the directory says so (section 6.4.1)', async () => {
      expect((await acme.client({ profile: 'caa' })).directory.meta).toMatchObject({ inBandOnionCAARequired: true })
    })

    it('without it: onionCAARequired, which names the names', async () => {
      const { service, finalize } = await ready()
      for (const given of [undefined, {}, { [newOnion().address]: onionCaa(newOnion(), null, expiry()) }]) {
        const reply = await finalize(given)
        expectProblem(reply, 403, 'onionCAARequired')
        expect(reply.json.subproblems).toMatchObject([{ identifier: { type: 'dns', value: service.address } }])
      }
      const none = await finalize({ [service.address]: onionCaa(service, null, expiry()) })
      expect(none.json).toMatchObject({ status: 'valid' })
    })

    it('one record set speaks for all names of the service (section 6.1)', async () => {
      const { service, finalize } = await ready((address) => [address, `*.${address}`, `a.b.${address}`])
      const caa = 'caa 128 issue "ca.test; validationmethods=onion-csr-01"\ncaa 0 iodef "mailto:a@b.test"'
      expect((await finalize({ [service.address]: onionCaa(service, caa, expiry()) })).json).toMatchObject({
        status: 'valid',
      })
    })

    it('a record set can allow the account', async () => {
      const { client, service, finalize } = await ready()
      const caa = `caa 0 issue "ca.test; accounturi=${client.kid}"\n`
      expectProblem(
        await finalize({
          [service.address]: onionCaa(service, `caa 0 issue "ca.test; accounturi=${client.kid}x"`, expiry()),
        }),
        403,
        'caa',
      )
      expect((await finalize({ [service.address]: onionCaa(service, caa, expiry()) })).json).toMatchObject({
        status: 'valid',
      })
    })

    it.each<[string, (service: Onion) => unknown, RegExp]>([
      ['forbids', (service) => onionCaa(service, 'caa 0 issue "other.test"', expiry()), /"other.test"/],
      ['has an unknown critical property', (service) => onionCaa(service, 'caa 128 tbs "x"', expiry()), /critical/],
      ['is malformed', (service) => onionCaa(service, 'issue ca.test', expiry()), /not written as/],
      ['expired', (service) => onionCaa(service, null, expiry(-1000)), /expired/],
      ['is signed by another', () => onionCaa(newOnion(), null, expiry()), /not signed/],
      [
        'is signed with another end',
        (service) => onionCaa(service, null, expiry(), `onion-caa|${expiry(1000)}|`),
        /not signed/,
      ],
      [
        'was signed for other records',
        (service) => ({ ...onionCaa(service, 'caa 0 issue ";"', expiry()), caa: null }),
        /not signed/,
      ],
      [
        'has a signature that is no base64url',
        (service) => ({ ...onionCaa(service, null, expiry()), signature: '!' }),
        /not signed/,
      ],
    ])('one that %s: caa 403', async (_what, entry, detail) => {
      const { service, finalize } = await ready()
      const reply = await finalize({ [service.address]: entry(service) })
      expectProblem(reply, 403, 'caa', detail)
      expect(reply.json.subproblems).toMatchObject([{ identifier: { value: service.address } }])
    })

    it.each([{ caa: 1 }, { expiry: -1 }, { expiry: 1.5 }, { expiry: '1' }, { signature: 1 }])(
      'an entry with %j is malformed',
      async (wrong) => {
        const { service, finalize } = await ready()
        expectProblem(
          await finalize({ [service.address]: { ...onionCaa(service, null, expiry()), ...wrong } }),
          400,
          'malformed',
          /onionCAA/,
        )
      },
    )

    it('a padded signature, as in the example of section 6.4.2, is read', async () => {
      const { service, finalize } = await ready()
      const entry = onionCaa(service, null, expiry())
      expect(
        (await finalize({ [service.address]: { ...entry, signature: `${entry.signature}==` } })).json,
      ).toMatchObject({ status: 'valid' })
    })
  })
})
