import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountHash } from '../../protocols/acme/dnsPersist01.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { type AcmeClient, type AcmeOrder, expectStatus, type Json } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { type DnsServer, startDnsServer } from '../helpers/dnsServer.ts'
import { newCsr } from '../helpers/world.ts'

const HOUR = 3_600_000
const ROOT = 'https://acme.test/acme/dns'

describe.each(databases)('challenges of the drafts on $name', ({ name, open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let dns: DnsServer
  let acme: AcmeApp
  beforeAll(async () => {
    opened = await open()
    dns = await startDnsServer()
    acme = await createAcmeApp(opened.db, { resolver: dns.address })
    const challenges = ['dns-account-01', 'dns-persist-01']
    const caa = { domains: ['ca.test', 'ca2.test'], enforce: 'off' }
    await acme.world.save('dns', { protocols: { acme: { challenges, caa, subdomainAuthorization: 'dns' } } })
  })
  afterAll(async () => {
    await acme.close()
    await dns.close()
    await opened.close()
  })

  const challengesOf = async (client: AcmeClient, order: AcmeOrder) =>
    (await client.post(order.authorizations[0] ?? '')).json.challenges as Json[]
  const answer = async (client: AcmeClient, order: AcmeOrder, type: string) => {
    const [reply] = await client.answer(order, type)
    return reply?.json
  }
  const persistRecord = (client: AcmeClient, domain: string, more = '') =>
    `ca.test; accounturi=${ROOT}/account-hash/sha-256/${accountHash(domain, client.key.thumbprint, String(client.kid))}${more}`

  it('are off unless a profile names them', async () => {
    const client = await acme.client()
    const types = (await challengesOf(client, await client.order(['*.a.test']))).map(({ type }) => type)
    expect(types).toEqual(['dns-01'])
  })

  it('dns-account-01: a token, and the label of the account’s URL', async () => {
    const client = await acme.client({ profile: 'dns' })
    const order = await client.order(['*.acc.test'])
    const [challenge] = await challengesOf(client, order)
    expect(challenge).toEqual({
      type: 'dns-account-01',
      url: expect.any(String),
      status: 'pending',
      token: expect.stringMatching(/^[\w-]{22,}$/),
    })
    const digits = [...createHash('sha256').update(String(client.kid)).digest().subarray(0, 10)]
    const five =
      digits
        .map((octet) => octet.toString(2).padStart(8, '0'))
        .join('')
        .match(/.{5}/g) ?? []
    const label = five.map((bits) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(bits, 2)]).join('')
    const digest = createHash('sha256').update(`${challenge?.token}.${client.key.thumbprint}`).digest('base64url')
    dns.set(`_${label}._acme-challenge.acc.test`, { TXT: [digest] })
    expect(await answer(client, order, 'dns-account-01')).toMatchObject({ status: 'valid' })
    expect((await client.finalize(order, (await newCsr(['*.acc.test'])).der)).json).toMatchObject({ status: 'valid' })
  })

  describe('dns-persist-01 (draft -02)', () => {
    it('sections 3.1, 3.2 and 4.1: the challenge has no token; the directory has what records are made of', async () => {
      const client = await acme.client({ profile: 'dns' })
      const names = ['ca.test', 'ca2.test']
      const challenge = (await challengesOf(client, await client.order(['a.test'])))[1]
      expect(challenge).toEqual({
        type: 'dns-persist-01',
        url: expect.any(String),
        status: 'pending',
        issuerDomainNames: names,
      })
      expect(client.directory.meta).toMatchObject({
        issuerDomainNames: names,
        accountHashPrefix: `${ROOT}/account-hash/`,
      })
      // It does not check CAA here.
      expect(client.directory.meta).not.toHaveProperty('caaIdentities')
    })

    // What is refused takes its time, and is the same on both.
    if (name === 'sqlite') wildcardsAndAccounts()
    function wildcardsAndAccounts() {
      it('one record proves each order anew, a wildcard only with policy=wildcard', async () => {
        const client = await acme.client({ profile: 'dns' })
        dns.set('_validation-persist.b.test', { TXT: [persistRecord(client, 'b.test')] })
        for (let time = 0; time < 2; time++)
          expect(await answer(client, await client.order(['b.test']), 'dns-persist-01')).toMatchObject({
            status: 'valid',
          })
        const wild = await client.order(['*.b.test'])
        expect(await answer(client, wild, 'dns-persist-01')).not.toMatchObject({ status: 'valid' })
        dns.set('_validation-persist.b.test', { TXT: [persistRecord(client, 'b.test', '; policy=wildcard')] })
        const again = await client.order(['*.b.test', 'www.b.test'])
        for (const reply of await client.answer(again, 'dns-persist-01'))
          expect(reply.json).toMatchObject({ status: 'valid' })
        const done = await client.finalize(again, (await newCsr(['*.b.test', 'www.b.test'])).der)
        expect(done.json).toMatchObject({ status: 'valid' })
      })

      it('RFC 9444: names below are proved with policy=wildcard alone', async () => {
        const client = await acme.client({ profile: 'dns' })
        dns.set('_validation-persist.e.test', { TXT: [persistRecord(client, 'e.test')] })
        const order = await client.order([{ type: 'dns', value: 'a.e.test', ancestorDomain: 'e.test' } as never])
        expect(await answer(client, order, 'dns-persist-01')).not.toMatchObject({ status: 'valid' })
      })

      it('another account’s record proves nothing', async () => {
        const [client, other] = [await acme.client({ profile: 'dns' }), await acme.client({ profile: 'dns' })]
        dns.set('_validation-persist.c.test', { TXT: [persistRecord(other, 'c.test')] })
        expect(await answer(client, await client.order(['c.test']), 'dns-persist-01')).not.toMatchObject({
          status: 'valid',
        })
        expect(await answer(other, await other.order(['c.test']), 'dns-persist-01')).toMatchObject({ status: 'valid' })
      })
    }

    it('section 4.1: the authorization does not outlive persistUntil', async () => {
      const client = await acme.client({ profile: 'dns' })
      const until = Math.floor(acme.world.time.now.getTime() / 1000) + 3600
      dns.set('_validation-persist.d.test', { TXT: [persistRecord(client, 'd.test', `; persistUntil=${until}`)] })
      const order = await client.order(['d.test'])
      expect(await answer(client, order, 'dns-persist-01')).toMatchObject({ status: 'valid' })
      const { json } = await client.post(order.authorizations[0] ?? '')
      expect(json.expires).toBe(new Date(until * 1000).toISOString().replace('.000', ''))
      acme.world.time.pass(HOUR + 1000)
      await client.get(client.directory.newNonce ?? '', 'HEAD')
      expect((await client.post(order.url)).json).toMatchObject({ status: 'invalid' })
      expect(await answer(client, await client.order(['d.test']), 'dns-persist-01')).not.toMatchObject({
        status: 'valid',
      })
    })

    it('section 4.2: a record made with an earlier key of the account counts, and one of a later key too', async () => {
      const client = await acme.client({ profile: 'dns' })
      const early = persistRecord(client, 'k.test')
      const key = newKey()
      const url = client.directory.keyChange ?? ''
      const inner = await client.jws(
        url,
        { account: client.kid, oldKey: client.key.jwk },
        { key, header: { nonce: undefined } },
      )
      expectStatus(await client.post(url, inner), 200)
      const rolled = await acme.client({ profile: 'dns', key })
      expect(rolled.kid).toBe(client.kid)
      for (const record of [early, persistRecord(rolled, 'k.test')]) {
        dns.set('_validation-persist.k.test', { TXT: [record] })
        expect(await answer(rolled, await rolled.order(['k.test']), 'dns-persist-01')).toMatchObject({
          status: 'valid',
        })
      }
      // A new account with the earlier key is another account.
      const anew = await acme.client({ profile: 'dns', key: client.key })
      dns.set('_validation-persist.k.test', { TXT: [early] })
      expect(await answer(anew, await anew.order(['k.test']), 'dns-persist-01')).not.toMatchObject({ status: 'valid' })
    })
  })

  it('dns-persist-01 cannot be offered without domains that stand for the authority', async () => {
    const { acmeOptions } = await import('../../protocols/acme/options.ts')
    const parsed = acmeOptions.safeParse({ challenges: ['dns-persist-01'] })
    expect(parsed.error?.issues).toMatchObject([{ path: ['caa'], message: expect.stringContaining('caa.domains') }])
    for (const domain of ['CA.test', 'ca.test.', 'ä.test', ''])
      expect(acmeOptions.safeParse({ caa: { domains: [domain] } }).success).toBe(false)
  })
})
