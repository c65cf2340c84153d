import { describe, expect, it } from 'vitest'
import { statementCount } from '../../src/db/open.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'
import { newCsr } from '../helpers/world.ts'

const hour = 3_600_000

describe.each(databases)('reuse of authorizations on $name', ({ open }) => {
  const acme = useAcme(open)
  const clientOf = async (options: object = {}, profile = 'reuse') => {
    await acme.app.world.save(profile, { protocols: { acme: { authorizationReuse: '8h', ...options } } })
    return acme.app.client({ profile })
  }
  const pass = async (client: AcmeClient, milliseconds: number) => {
    acme.app.world.time.pass(milliseconds)
    await client.get(client.directory.newNonce ?? '')
  }

  it('wire 32: an order whose names are all proved is ready at once, and finalizes without a challenge', async () => {
    const client = await clientOf()
    await issue(acme.app, ['a.localhost', 'b.localhost'], { client })
    const order = await client.order(['b.localhost'])
    expect(order.status).toBe('ready')
    const { json } = await client.post(order.authorizations[0] ?? '')
    expect(json).toMatchObject({ status: 'valid', identifier: { value: 'b.localhost' } })
    const done = await client.finalize(order, (await newCsr(['b.localhost'])).der)
    expect(done.json.status).toBe('valid')
  })

  it('beside a name that is not proved the order is pending, and only that one is to be proved', async () => {
    const client = await clientOf()
    const first = await issue(acme.app, ['known.localhost'], { client })
    const order = await client.order(['new.localhost', 'known.localhost'])
    expect(order.status).toBe('pending')
    const states = await Promise.all(order.authorizations.map(async (url) => (await client.post(url)).json.status))
    expect(states).toEqual(['pending', 'valid'])
    expect(order.authorizations[1]).toBe((first.order.authorizations as string[])[0])
    acme.app.serveChallenges(client)
    await client.answer({ ...order, authorizations: order.authorizations.slice(0, 1) }, 'http-01')
    expect((await client.post(order.url)).json.status).toBe('ready')
  })

  it('wire 31: an order ends no later than what it rests on', async () => {
    const client = await clientOf({ authorizationLifetime: '2h' })
    const { order } = await issue(acme.app, ['ends.localhost'], { client })
    await pass(client, hour)
    const again = await client.order(['ends.localhost'])
    expect(again.status).toBe('ready')
    const { json } = await client.post((order.authorizations as string[])[0] ?? '')
    expect(again.expires).toBe(json.expires)
    await pass(client, hour)
    expect((await client.post(again.url)).json.status).toBe('invalid')
    expect((await client.order(['ends.localhost'])).status).toBe('pending')
  })

  it('what was proved longer ago than the profile says is proved anew', async () => {
    const client = await clientOf()
    await issue(acme.app, ['old.localhost'], { client })
    await pass(client, 7 * hour)
    expect((await client.order(['old.localhost'])).status).toBe('ready')
    await pass(client, hour)
    expect((await client.order(['old.localhost'])).status).toBe('pending')
  })

  it('what is about to end is not built upon', async () => {
    const client = await clientOf({ authorizationLifetime: '1h' })
    await issue(acme.app, ['brief.localhost'], { client })
    await pass(client, hour - 4 * 60_000)
    expect((await client.order(['brief.localhost'])).status).toBe('pending')
  })

  it('wire 48: a deactivated authorization is not used again, and orders that rest on it become invalid', async () => {
    const client = await clientOf()
    const { order } = await issue(acme.app, ['dropped.localhost'], { client })
    const waiting = await client.order(['dropped.localhost'])
    const [url] = order.authorizations as string[]
    expect((await client.post(url ?? '', { status: 'deactivated' })).json.status).toBe('deactivated')
    expect((await client.post(waiting.url)).json.status).toBe('invalid')
    expectProblem(
      await client.finalize(waiting, (await newCsr(['dropped.localhost'])).der),
      403,
      'orderNotReady',
      /deactivated/,
    )
    const fresh = await client.order(['dropped.localhost'])
    expect(fresh.status).toBe('pending')
    expect(fresh.authorizations[0]).not.toBe(url)
  })

  it('another account proves for itself; a wildcard and its base are proved apart', async () => {
    const client = await clientOf()
    await issue(acme.app, ['apart.localhost'], { client })
    const other = await acme.app.client({ profile: 'reuse' })
    expect((await other.order(['apart.localhost'])).status).toBe('pending')
    expect((await client.order(['*.apart.localhost'])).status).toBe('pending')
    expect((await client.order(['www.apart.localhost'])).status).toBe('pending')
  })

  it('a proof by a challenge that the profile no longer offers does not count', async () => {
    const client = await clientOf({}, 'fewer')
    await issue(acme.app, ['way.localhost'], { client })
    await clientOf({ challenges: ['dns-01'] }, 'fewer')
    expect((await client.order(['way.localhost'])).status).toBe('pending')
  })

  it('is off unless the profile says so, and then costs nothing', async () => {
    const { client } = await issue(acme.app, ['off.localhost'])
    // What is kept of account and profile is there for both.
    await client.order(['else.localhost'])
    const before = statementCount(acme.app.host.db).statements
    const order = await client.order(['off.localhost'])
    const off = statementCount(acme.app.host.db).statements - before
    expect(order.status).toBe('pending')
    const reusing = await clientOf()
    await reusing.order(['else.localhost'])
    const start = statementCount(acme.app.host.db).statements
    await reusing.order(['off.localhost'])
    expect(statementCount(acme.app.host.db).statements - start).toBe(off + 1)
  })
})
