import { describe, expect, it } from 'vitest'
import { acme as protocol } from '../../protocols/acme/index.ts'
import { acmeOptions } from '../../protocols/acme/options.ts'
import { profileOfVaried, unvaried, varied } from '../../protocols/acme/variedUrl.ts'
import { appTransport, BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { Json } from '../helpers/acmeClient.ts'
import { openSqlite } from '../helpers/databases.ts'
import { until } from '../helpers/until.ts'
import { newCsr } from '../helpers/world.ts'

const VARIED = /\/acme\/[a-z]+\/~[0-9a-f]{8}\//

describe('chaos for those who test clients', () => {
  const acme = useAcme(openSqlite)
  const client = async (name: string, chaos: Json) => {
    await acme.app.world.save(name, { protocols: { acme: { chaos } } })
    return acme.app.client({ profile: name })
  }
  /** As often as nobody is that unlucky. */
  async function often(work: () => Promise<boolean>): Promise<boolean> {
    for (let i = 0; i < 60; i++) if (await work()) return true
    return false
  }

  it('rejects good nonces, with a fresh one, in the share that was asked for', async () => {
    const by = await client('nonces', { rejectNonces: 0 })
    await acme.app.world.save('nonces', { protocols: { acme: { chaos: { rejectNonces: 0.5 } } } })
    await by.load()
    let rejected = 0
    for (let i = 0; i < 200; i++) {
      const reply = await by.post(by.kid ?? '')
      if (reply.status === 200) continue
      expectProblem(reply, 400, 'badNonce', /JWS has an invalid anti-replay nonce/)
      rejected++
    }
    // Ten standard deviations.
    expect(rejected).toBeGreaterThan(30)
    expect(rejected).toBeLessThan(170)
  })

  it('shuffles arrays: the same names in every order', async () => {
    const by = await client('shuffled', { shuffle: true })
    const names = ['a.localhost', 'b.localhost', 'c.localhost', 'd.localhost']
    const made = await by.order(names)
    const shown = async () => (await by.post(made.url)).json as { identifiers: { value: string }[] }
    const orders = new Set<string>()
    expect(
      await often(async () => {
        const values = (await shown()).identifiers.map(({ value }) => value)
        expect([...values].sort()).toEqual(names)
        orders.add(values.join())
        return orders.size >= 5
      }),
    ).toBe(true)
  })

  it('delays validations: the challenge is processing first', async () => {
    const by = await client('slow', { delayValidation: '1500' })
    acme.app.serveChallenges(by)
    const made = await by.order(['slow.localhost'])
    const begun = Date.now()
    const [answer] = await by.answer(made, 'http-01')
    expect(answer?.json.status).toBe('processing')
    expect(answer?.headers.get('retry-after')).toMatch(/^[1-9]/)
    await until('ready', async () => (await by.post(made.url)).json.status === 'ready' || undefined, { every: 50 })
    expect(Date.now() - begun).toBeGreaterThanOrEqual(1_400)
  })

  it('shows an issued order as processing for a while', async () => {
    await client('late', { delayIssuance: '3000-5000' })
    const { client: by, order } = await acme.app.ready(['late.localhost'], { profile: 'late' })
    const done = await by.finalize(order, (await newCsr(['late.localhost'])).der)
    expect(done.json).toMatchObject({ status: 'processing' })
    expect(done.json).not.toHaveProperty('certificate')
    expect(Number(done.headers.get('retry-after'))).toBeGreaterThanOrEqual(3)
    acme.app.world.time.pass(2_999)
    expect((await by.post(order.url)).json.status).toBe('processing')
    acme.app.world.time.pass(2_001)
    expect((await by.post(order.url)).json).toMatchObject({ status: 'valid', certificate: expect.any(String) })
  })

  it.each([
    { retryAfter: 7, shown: /^7$/ },
    { retryAfter: 'date', shown: / GMT$/ },
    { retryAfter: 'none', shown: undefined },
  ])('sends Retry-After as asked: $retryAfter', async ({ retryAfter, shown }) => {
    const by = await client('after', { retryAfter })
    const made = await by.order(['after.localhost'])
    const said = (await by.post(made.authorizations[0] ?? '')).headers.get('retry-after')
    if (shown) expect(said).toMatch(shown)
    else expect(said).toBeUndefined()
  })

  describe('varies URLs', () => {
    it('of all but accounts, and takes every one of them', async () => {
      const by = await client('varied', { varyUrls: true })
      for (const [name, url] of Object.entries(by.directory)) if (name !== 'meta') expect(url, name).toMatch(VARIED)
      expect(by.kid).not.toMatch(VARIED)
      const { order } = await acme.app.ready(['varied.localhost'], { client: by })
      expect(order.url).toMatch(VARIED)
      const again = (await by.post(order.url)).json
      expect(again.authorizations).not.toEqual(order.authorizations)
      expect((again.authorizations as string[]).map(unvaried)).toEqual(order.authorizations.map(unvaried))
      const done = await by.finalize(order, (await newCsr(['varied.localhost'])).der)
      expect((await by.post(String(done.json.certificate))).status).toBe(200)
      expect((await by.get(by.directory.newNonce ?? '', 'HEAD')).status).toBe(200)
      expect((await by.post(`${by.kid}/orders`)).json.orders).toEqual([expect.stringMatching(VARIED)])
    })

    it('wire 42: a challenge is answered under the URL that was asked', async () => {
      const by = await client('same', { varyUrls: true })
      acme.app.serveChallenges(by)
      const made = await by.order(['same.localhost'])
      const { json } = await by.post(made.authorizations[0] ?? '')
      const [http] = json.challenges as Json[]
      expect((await by.post(String(http?.url), {})).json.url).toBe(http?.url)
    })

    it('section 6.4: the URL that is signed is still compared as text', async () => {
      const by = await client('strict', { varyUrls: true })
      const body = await by.jws(unvaried(by.directory.newOrder ?? ''), { identifiers: [] })
      expectProblem(await by.send(by.directory.newOrder ?? '', body), 403, 'unauthorized')
    })

    it('are known after a restart, and nothing where a profile does not vary', async () => {
      const by = await client('restarted', { varyUrls: true })
      const plain = await acme.app.client()
      const elsewhere = (plain.directory.newOrder ?? '').replace('/default/', '/default/~01234567/')
      expectProblem(await plain.post(elsewhere, {}), 404, 'malformed')
      // A process that has not seen the profile yet knows nothing of it.
      const transport = appTransport(protocol.routes({ ...acme.app.host }))
      expect((await transport({ method: 'HEAD', url: by.directory.newNonce ?? '', headers: {} })).status).toBe(200)
    })

    it('and their plain form is found back', () => {
      const root = `${BASE_URL}/acme/default`
      const at = { root, url: `${root}/~0123abcd/order/1` }
      expect(varied(`${root}/order/1`, at)).toBe(at.url)
      expect(varied(`${root}/order/2`, at)).toMatch(VARIED)
      expect(unvaried(varied(`${root}/order/2/finalize`, at))).toBe(`${root}/order/2/finalize`)
      for (const text of ['pending', 'https://example.org/acme/default/order/1', `${root}/account/1`, root])
        expect(varied(text, at)).toBe(text)
      expect(profileOfVaried('/acme/default/~0123abcd/order/1')).toBe('default')
      for (const path of ['/acme/default/order/~0123abcd/', '/acme/default/~012/order', '/acme/default/~0123abcd'])
        expect(profileOfVaried(path)).toBeUndefined()
    })
  })

  it('ends with the setting', async () => {
    await acme.app.world.save('ended', { protocols: { acme: { chaos: { rejectNonces: 0.9, varyUrls: true } } } })
    const plain = await acme.app.client({ profile: 'ended', register: false })
    expect(plain.directory.newOrder).toMatch(VARIED)
    await acme.app.world.save('ended', {})
    await plain.load()
    expect(plain.directory.newOrder).toBe(`${BASE_URL}/acme/ended/new-order`)
    for (let i = 0; i < 20; i++) expect((await plain.register()).status).toBeLessThan(300)
  })

  it.each([
    { rejectNonces: 1 },
    { rejectNonces: -0.1 },
    { delayValidation: '5-1' },
    { delayValidation: '30001' },
    { delayIssuance: 'soon' },
    { retryAfter: 0 },
    { retryAfter: 'later' },
    { shuffle: 'yes' },
    { other: true },
  ])('is no such setting: %j', (chaos) => {
    expect(acmeOptions.safeParse({ chaos }).success).toBe(false)
  })

  it('is told to the administrator', () => {
    expect(protocol.warn?.({})).toEqual([])
    expect(protocol.warn?.({ chaos: { shuffle: true, rejectNonces: 0.1 } })).toEqual([
      expect.stringMatching(/chaos is on \(rejectNonces, shuffle\)/),
    ])
    expect(protocol.warn?.({ unknown: 1 })).toEqual([expect.stringContaining('cannot be read')])
  })
})

describe('the limits among the settings', () => {
  it.each(['off', '5/1h', '1000000/30d', '1000/1s'])('take %s', (rate) => {
    expect(acmeOptions.safeParse({ limits: { ordersByAccount: rate } }).success).toBe(true)
  })
  it.each(['', '0/1h', '5/31d', '1001/1s', '5', 'unlimited', 5])('do not take %j', (rate) => {
    expect(acmeOptions.safeParse({ limits: { ordersByAccount: rate } }).success).toBe(false)
  })
})
