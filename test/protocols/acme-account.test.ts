import { describe, expect, it } from 'vitest'
import { BASE_URL, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const newAccount = `${BASE_URL}/acme/default/new-account`

describe.each(databases)('ACME accounts on $name', ({ open }) => {
  const acme = useAcme(open)

  it('section 7.3: a new key gets an account, 201, with a location and nothing reflected', async () => {
    const client = await acme.app.client({ register: false })
    const reply = await client.register({
      contact: ['mailto:admin@example.org'],
      orders: 'https://elsewhere.test/',
      onlyReturnExisting: false,
      status: 'revoked',
      unknown: 1,
    })
    expect(reply.status).toBe(201)
    expect(reply.headers.get('location')).toMatch(/^https:\/\/acme\.test\/acme\/default\/account\/[0-9a-f-]{36}$/)
    expect(reply.json).toEqual({
      status: 'valid',
      contact: ['mailto:admin@example.org'],
      orders: `${client.kid}/orders`,
    })
  })

  it('wire 23: a known key gets its account back, 200, whatever else it asks (section 7.3.1)', async () => {
    const client = await acme.app.client()
    for (const payload of [{}, { onlyReturnExisting: true, contact: ['tel:1'] }, { contact: 'no list' }]) {
      const reply = await client.post(newAccount, payload, { key: client.key })
      expect(reply.status).toBe(200)
      expect(reply.headers.get('location')).toBe(client.kid)
      expect(reply.json).toEqual({ status: 'valid', orders: `${client.kid}/orders` })
    }
  })

  it('wire 23: onlyReturnExisting makes no account', async () => {
    const client = await acme.app.client({ register: false })
    for (let again = 0; again < 2; again++)
      expectProblem(await client.register({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
  })

  it('many requests with one new key at once make one account', async () => {
    const key = newKey()
    const clients = await Promise.all(Array.from({ length: 8 }, () => acme.app.client({ key, register: false })))
    const replies = await Promise.all(clients.map((client) => client.register()))
    expect(replies.map(({ status }) => status).sort()).toEqual([...new Array(7).fill(200), 201])
    expect(new Set(replies.map(({ headers }) => headers.get('location'))).size).toBe(1)
  })

  it('wire 19: accounts of one key under two profiles are two', async () => {
    await acme.app.world.save('second', {})
    const client = await acme.app.client()
    const second = await acme.app.client({ key: client.key, profile: 'second' })
    expect(second.kid).not.toBe(client.kid)
  })

  it.each([
    ['tel:+4912345', 'unsupportedContact'],
    ['https://example.org/', 'unsupportedContact'],
    ['mailto:', 'invalidContact'],
    ['mailto:a@example.org?subject=x', 'invalidContact'],
    ['mailto:a@example.org,b@example.org', 'invalidContact'],
    ['mailto:no at sign', 'invalidContact'],
    ['mailto:ü@example.org', 'invalidContact'],
    ['mailto:a@example.org\u0000', 'invalidContact'],
    ['admin@example.org', 'invalidContact'],
    [`mailto:${'a'.repeat(400)}@example.org`, 'invalidContact'],
    ['', 'invalidContact'],
  ])('wire 24: the contact %j is %s', async (contact, type) => {
    const client = await acme.app.client({ register: false })
    expectProblem(await client.register({ contact: [contact] }), 400, type)
    const known = await acme.app.client()
    expectProblem(await known.post(known.kid ?? '', { contact: [contact] }), 400, type)
  })

  it('wire 24: an update changes the contacts and nothing else (section 7.3.2)', async () => {
    const client = await acme.app.client()
    const url = client.kid ?? ''
    const orders = `${url}/orders`
    const contact = ['mailto:one@example.org', 'MAILTO:two@example.org']
    expect((await client.post(url, { contact })).json).toEqual({ status: 'valid', contact, orders })
    for (const payload of ['', {}, { status: 'valid', termsOfServiceAgreed: false, orders: 'x' }, { status: 5, x: 1 }])
      expect((await client.post(url, payload)).json).toEqual({ status: 'valid', contact, orders })
    expect((await client.post(url, { contact: [] })).json).toEqual({ status: 'valid', orders })
    expectProblem(await client.post(url, { contact: 'x' }), 400, 'malformed', /contact/)
  })

  it('wire 37: another account is not found', async () => {
    const [client, other] = [await acme.app.client(), await acme.app.client()]
    expectProblem(await client.post(other.kid ?? ''), 404, 'malformed')
    expectProblem(await client.post(`${other.kid}/orders`), 404, 'malformed')
    expectProblem(await client.post(other.kid ?? '', { status: 'deactivated' }), 404, 'malformed')
    expect((await other.post(other.kid ?? '')).json).toMatchObject({ status: 'valid' })
  })

  it('wire 25: terms of service must be agreed to, once', async () => {
    await acme.app.world.save('terms', { protocols: { acme: { termsOfService: 'https://ca.test/terms' } } })
    const client = await acme.app.client({ profile: 'terms', register: false })
    for (const payload of [{}, { termsOfServiceAgreed: false }]) {
      const reply = await client.register(payload)
      expectProblem(reply, 403, 'userActionRequired')
      expect(reply.headers.get('link')).toContain('<https://ca.test/terms>;rel="terms-of-service"')
      expect(reply.json.instance).toBe('https://ca.test/terms')
    }
    expect((await client.register({ termsOfServiceAgreed: true })).json).toMatchObject({ termsOfServiceAgreed: true })
    expect((await client.register({})).status).toBe(200)
  })

  it('wire 16 and 24: a deactivated account is unauthorized, 401, for all and for ever (section 7.3.6)', async () => {
    const client = await acme.app.client()
    const order = await client.order(['a.localhost'])
    const reply = await client.post(client.kid ?? '', { status: 'deactivated' })
    expect(reply.status).toBe(200)
    expect(reply.json).toMatchObject({ status: 'deactivated' })
    for (const url of [
      client.kid ?? '',
      `${client.kid}/orders`,
      order.url,
      order.authorizations[0] ?? '',
      order.finalize,
    ])
      expectProblem(await client.post(url), 401, 'unauthorized', /deactivated/)
    expectProblem(await client.post(client.kid ?? '', { status: 'valid' }), 401, 'unauthorized')
    expectProblem(await client.post(newAccount, {}, { key: client.key }), 401, 'unauthorized')
  })

  it('a deactivated account’s orders that wait for approval are withdrawn', async () => {
    const rules = { issue: [{ name: 'people', require: [{ owner: true }] }] }
    await acme.app.world.save('review', { rules })
    const client = await acme.app.client({ profile: 'review' })
    acme.app.serveChallenges(client)
    const order = await client.order(['withdrawn.localhost'])
    await client.answer(order, 'http-01')
    expect((await client.finalize(order, (await newCsr(['withdrawn.localhost'])).der)).json.status).toBe('processing')
    await client.post(client.kid ?? '', { status: 'deactivated' })
    await acme.app.runJobs()
    const door = acme.app.host.core.as({ kind: 'key-holder', ref: 'test', name: 'test', people: [] })
    const request = await door.findSignRequest({ protocol: 'acme', ref: order.url.split('/').pop() ?? '' })
    expect(request).toMatchObject({ status: 'canceled', reason: 'the ACME account was deactivated' })
  })

  it('wire 26: the orders list has the open and the valid ones, newest first, by pages (section 7.1.2.1)', async () => {
    const client = await acme.app.client()
    const urls: string[] = []
    for (let at = 0; at < 52; at++) urls.push((await client.order([`n${at}.localhost`])).url)
    const [dead] = (await client.order(['dead.localhost'])).authorizations
    await client.post(dead ?? '', { status: 'deactivated' })
    const first = await client.post(`${client.kid}/orders`)
    expect(first.json).toEqual({ orders: urls.slice(3).reverse() })
    const next = /<([^>]+)>;rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = await client.post(next)
    expect(second.json).toEqual({ orders: urls.slice(0, 3).reverse() })
    expect(second.headers.get('link')).not.toContain('next')
    expectProblem(await client.post(`${client.kid}/orders`, {}), 400, 'malformed', /POST-as-GET/)
    expectProblem(await client.post(`${client.kid}/orders?cursor=x`), 400, 'malformed')
    const other = await acme.app.client()
    expect((await other.post(`${other.kid}/orders?${next.split('?')[1]}`)).json).toEqual({ orders: [] })
  })
})
