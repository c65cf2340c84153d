import { describe, expect, it } from 'vitest'
import { system } from '../../src/core/requester.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { expectStatus, type Json } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { type Issued, issue } from '../helpers/issued.ts'
import { newCsr } from '../helpers/world.ts'

const dns = (value: string) => ({ type: 'dns', value })

describe.each(databases)('ACME orders that replace a certificate (RFC 9773 section 5) on $name', ({ open }) => {
  const acme = useAcme(open)

  const newOrder = ({ client }: Pick<Issued, 'client'>, names: string[], replaces: unknown, more: Json = {}) =>
    client.post(client.directory.newOrder ?? '', { identifiers: names.map(dns), replaces, ...more })
  const requestOf = async (order: string) => {
    const ref = order.split('/').pop() ?? ''
    const request = await acme.app.host.core.as(system('test')).findSignRequest({ protocol: 'acme', ref })
    if (!request) throw new Error('there is no request')
    return request
  }
  const revoke = ({ client, der }: Issued) =>
    client.post(client.directory.revokeCert ?? '', { certificate: der.toString('base64url') })

  it('wire 50: replaces is echoed in every order object, and the order is a renewal of the certificate', async () => {
    const first = await issue(acme.app, ['renewed.localhost'])
    const { client, certId } = first
    const next = await issue(acme.app, ['renewed.localhost', 'more.localhost'], { client, more: { replaces: certId } })
    expect(next.order.replaces).toBe(certId)
    expect((await client.post(next.orderUrl)).json.replaces).toBe(certId)
    expect(await requestOf(next.orderUrl)).toMatchObject({
      action: 'renew',
      renews: (await requestOf(first.orderUrl)).id,
    })
    expect(first.order).not.toHaveProperty('replaces')
    expect(await requestOf(first.orderUrl)).toMatchObject({ action: 'issue' })
  })

  it('echoes it at newOrder as well', async () => {
    const first = await issue(acme.app, ['echo.localhost'])
    const reply = expectStatus(await newOrder(first, ['echo.localhost'], first.certId), 201)
    expect(reply.json).toMatchObject({ status: 'pending', replaces: first.certId })
  })

  it('wire 50: 409 alreadyReplaced while another order stands, be it pending or valid; not once that is invalid', async () => {
    const first = await issue(acme.app, ['twice.localhost'])
    const pending = expectStatus(await newOrder(first, ['twice.localhost'], first.certId), 201)
    expectProblem(await newOrder(first, ['twice.localhost'], first.certId), 409, 'alreadyReplaced')
    const [authorization] = pending.json.authorizations as string[]
    await first.client.post(authorization ?? '', { status: 'deactivated' })
    const { client, certId } = first
    await issue(acme.app, ['twice.localhost'], { client, more: { replaces: certId } })
    expectProblem(await newOrder(first, ['twice.localhost'], first.certId), 409, 'alreadyReplaced')
    expectStatus(await newOrder(first, ['twice.localhost'], undefined), 201)
  })

  it('of many orders at once one replaces it', async () => {
    const first = await issue(acme.app, ['race.localhost'])
    const { key } = first.client
    const clients = await Promise.all(Array.from({ length: 6 }, () => acme.app.client({ key })))
    const replies = await Promise.all(clients.map((client) => newOrder({ client }, ['race.localhost'], first.certId)))
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409])
  })

  it('is refused for what another account ordered, shares no name, was not issued here or is not written as it must be', async () => {
    const first = await issue(acme.app, ['mine.localhost'])
    const other = { client: await acme.app.client() }
    expectProblem(await newOrder(other, ['mine.localhost'], first.certId), 403, 'unauthorized', /another account/)
    expectProblem(await newOrder(first, ['else.localhost'], first.certId), 400, 'malformed', /none of the names/)
    const [key] = first.certId.split('.')
    expectProblem(await newOrder(first, ['mine.localhost'], `${key}.AQID`), 400, 'malformed', /no such certificate/)
    for (const wrong of ['', 'x', `${first.certId}=`, 5, null, {}])
      expectProblem(await newOrder(first, ['mine.localhost'], wrong), 400, 'malformed')
    expectStatus(await newOrder(first, ['mine.localhost'], first.certId), 201)
  })

  it('a certificate of another profile is none of ours', async () => {
    await acme.app.world.save('apart', {})
    const first = await issue(acme.app, ['apart.localhost'])
    const client = await acme.app.client({ profile: 'apart', key: first.client.key })
    expectProblem(await newOrder({ client }, ['apart.localhost'], first.certId), 400, 'malformed')
  })

  it('the rules for renewals decide: what people must approve the first time may pass the next', async () => {
    const people = [{ name: 'people', require: [{ owner: true }] }]
    const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]
    await acme.app.world.save('trusted', { rules: { issue: [{ name: 'at first', auto: true }], renew: sameNames } })
    const first = await issue(acme.app, ['trust.localhost'], { profile: 'trusted' })
    await acme.app.world.save('trusted', { rules: { issue: people, renew: sameNames } })
    const { client, certId } = first
    await issue(acme.app, ['trust.localhost'], { client, more: { replaces: certId } })
    const order = await client.order(['trust.localhost'])
    await client.answer(order, 'http-01')
    expect((await client.finalize(order, (await newCsr(['trust.localhost'])).der)).json.status).toBe('processing')
  })

  it('a revoked certificate renews nothing: the order is decided like a new one', async () => {
    const first = await issue(acme.app, ['withdrawn.localhost'])
    const { client, certId } = first
    expectStatus(await revoke(first), 200)
    const next = await issue(acme.app, ['withdrawn.localhost'], { client, more: { replaces: certId } })
    expect(next.order.replaces).toBe(certId)
    const request = await requestOf(next.orderUrl)
    expect(request.action).toBe('issue')
    expect(request).not.toHaveProperty('renews')
  })

  it('so does one that is revoked between newOrder and finalize', async () => {
    const first = await issue(acme.app, ['between.localhost'])
    const { client, certId } = first
    const order = await client.order(['between.localhost'], { replaces: certId })
    await client.answer(order, 'http-01')
    expectStatus(await revoke(first), 200)
    await client.finalize(order, (await newCsr(['between.localhost'])).der)
    expect((await requestOf(order.url)).action).toBe('issue')
  })
})
