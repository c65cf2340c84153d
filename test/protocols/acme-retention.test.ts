import { beforeEach, describe, expect, it } from 'vitest'
import { acme as acmeProtocol } from '../../protocols/acme/index.ts'
import { forgetAuthorizations, forgetOrders } from '../../protocols/acme/retention.ts'
import type { AcmeTables } from '../../protocols/acme/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { type AcmeApp, useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { type AcmeClient, expectStatus } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'
import { newCsr } from '../helpers/world.ts'

const day = 86_400_000
const validity = (days: string) => ({ certificate: { validity: { default: days, max: days } } })

describe.each(databases)('ACME orders that ended long ago, on $name', ({ open }) => {
  const acme = useAcme(open)
  let app: AcmeApp
  beforeEach(() => {
    app = acme.app
  })

  /** Time passes, and nonces with it. */
  async function pass(days: number, ...clients: AcmeClient[]) {
    app.world.time.pass(days * day)
    for (const client of clients) await client.get(client.directory.newNonce ?? '', 'HEAD')
  }
  const forget = async () => {
    for (const chore of acmeProtocol.chores?.(app.host) ?? []) await chore.run()
  }
  const listed = async (client: AcmeClient) =>
    expectStatus(await client.post(`${client.kid}/orders`), 200).json.orders as string[]
  const stored = async (client: AcmeClient) => {
    const tables = withTables<AcmeTables>(app.host.db)
    const { id } = await tables
      .selectFrom('acme_accounts')
      .select('id')
      .where('uuid', '=', client.kid?.split('/').pop() ?? '')
      .executeTakeFirstOrThrow()
    const orders = await tables.selectFrom('acme_orders').select('id').where('account_id', '=', id).execute()
    const authorizations = await tables
      .selectFrom('acme_authorizations')
      .select('id')
      .where('account_id', '=', id)
      .execute()
    return { orders: orders.length, authorizations: authorizations.length }
  }

  it('one that nobody finalized is there for 90 days after its end, and then is 404, its authorization too', async () => {
    const client = await app.client()
    const order = await client.order(['a.localhost', 'b.localhost'])
    await pass(7 + 89, client)
    await forget()
    expect((await client.post(order.url)).json.status).toBe('invalid')
    expect((await client.post(order.authorizations[0] ?? '')).json.status).toBe('expired')
    await pass(2, client)
    await forget()
    expectProblem(await client.post(order.url), 404, 'malformed')
    for (const url of order.authorizations) expectProblem(await client.post(url), 404, 'malformed')
    expect(await stored(client)).toEqual({ orders: 0, authorizations: 0 })
    expect(await listed(client)).toEqual([])
  })

  it('one that came to a certificate is there for 90 days after that has ended; the certificate stays', async () => {
    await app.world.save('long', { settings: validity('200d') })
    const { client, orderUrl, url } = await issue(app, ['long.localhost'], { profile: 'long' })
    await pass(200 + 89, client)
    await forget()
    expect(await listed(client)).toEqual([orderUrl])
    expect((await client.post(orderUrl)).json.status).toBe('valid')
    await pass(2, client)
    await forget()
    expectProblem(await client.post(orderUrl), 404, 'malformed')
    expect(await listed(client)).toEqual([])
    expect((await client.post(url)).status).toBe(200)
  })

  it('one that still waits for people stays, however long that takes', async () => {
    const step = { owner: true, expires: '365d' }
    await app.world.save('slow', { rules: { issue: [{ name: 'slow', require: [step] }] } })
    const { client, order } = await app.ready(['slow.localhost'], { profile: 'slow' })
    expectStatus(await client.finalize(order, (await newCsr(['slow.localhost'])).der), 200)
    await pass(200, client)
    await forget()
    expect((await client.post(order.url)).json.status).toBe('processing')
    expect(await stored(client)).toEqual({ orders: 1, authorizations: 1 })
  })

  it('one that replaced a certificate stays as long as that could be renewed', async () => {
    await app.world.save('year', {
      settings: {
        ...validity('365d'),
        variants: { short: { description: 'a day', validity: { default: '1d', max: '1d' } } },
      },
    })
    const first = await issue(app, ['ari.localhost'], { profile: 'year' })
    const { client } = first
    const more = { replaces: first.certId, profile: 'short' }
    const second = await issue(app, ['ari.localhost'], { client, more })
    await pass(200, client)
    await forget()
    const again = { identifiers: [{ type: 'dns', value: 'ari.localhost' }], replaces: first.certId }
    expectProblem(await client.post(client.directory.newOrder ?? '', again), 409, 'alreadyReplaced')
    await pass(166, client)
    await forget()
    expectProblem(await client.post(second.orderUrl), 404, 'malformed')
  })

  it('an authorization that an order still names stays with it', async () => {
    await app.world.save('reuse', {
      settings: validity('300d'),
      protocols: { acme: { authorizationReuse: '7d' } },
    })
    const { client, orderUrl } = await issue(app, ['shared.localhost'], { profile: 'reuse' })
    const unused = await client.order(['shared.localhost'])
    expect(unused.status).toBe('ready')
    await pass(110, client)
    await forget()
    expectProblem(await client.post(unused.url), 404, 'malformed')
    expect((await client.post(orderUrl)).json).toMatchObject({
      status: 'valid',
      authorizations: unused.authorizations,
    })
    expect(await listed(client)).toEqual([orderUrl])
  })

  it('some at a time, past those that stay, and not beyond what is old enough', async () => {
    const client = await app.client()
    const kept = await issue(app, ['kept.localhost'], { client })
    const old = [
      await client.order(['1.localhost']),
      await client.order(['2.localhost']),
      await client.order(['3.localhost']),
    ]
    await pass(98, client)
    const young = await client.order(['young.localhost'])
    let last = 0
    const looks: number[] = []
    do {
      const look = await forgetOrders(app.host, last, 2)
      looks.push(look.forgotten)
      last = look.last
    } while (last > 0)
    expect(Math.max(...looks)).toBe(2)
    for (const { url } of old) expectProblem(await client.post(url), 404, 'malformed')
    expect(await listed(client)).toEqual([young.url, kept.orderUrl])
    do ({ last } = await forgetAuthorizations(app.host, last, 2))
    while (last > 0)
    expect(await stored(client)).toEqual({ orders: 2, authorizations: 2 })
  })

  it('a list goes on where it was, also when the last order that it showed is gone', async () => {
    const client = await app.client()
    const kept: string[] = []
    for (let at = 0; at < 3; at++) {
      app.world.time.pass(1_000)
      kept.push((await issue(app, [`list-${at}.localhost`], { client })).orderUrl)
    }
    app.world.time.pass(1_000)
    const gone = await client.order(['gone.localhost'])
    await pass(98, client)
    await forget()
    expectProblem(await client.post(gone.url), 404, 'malformed')
    const next = `${client.kid}/orders?cursor=${gone.url.split('/').pop()}`
    expect(expectStatus(await client.post(next), 200).json.orders).toEqual(kept.reverse())
  })
})
