import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { databases } from '../helpers/databases.ts'
import { AUTHORITIES, createNotaryApp, doorOf, type NotaryApp, REQUESTS } from '../helpers/notaryApp.ts'

describe.each(databases)('many at once over Notary, on $name', ({ open }) => {
  let app: NotaryApp
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createNotaryApp(opened.db)
  })
  afterAll(() => close())

  const statuses = async (calls: ReturnType<NotaryApp['call']>[]) =>
    (await Promise.all(calls)).map(({ status }) => status).sort()
  const ten = Array.from({ length: 10 })
  const show = (id: number) => app.result('GET', `${REQUESTS}/${id}`, { by: app.manager })
  const chosen = async (name: string) => {
    const body = { self_signed: true, common_name: name }
    return (await app.result('POST', AUTHORITIES, { by: app.manager, body })).id as number
  }
  const certificatesOf = async (name: string) =>
    (await (await doorOf(app, 'admin')).list.certificates({ search: name })).rows

  test('of one CSR, ten times, one is recorded', async () => {
    const body = { csr: await app.csr('once.race.test') }
    const found = await statuses(ten.map(() => app.call('POST', REQUESTS, { by: app.requestor, body })))
    expect(found).toEqual([201, ...ten.slice(1).map(() => 400)])
  })

  test('signed by one authority, ten times: one certificate', async () => {
    const id = await app.request('signed.race.test')
    const body = { certificate_authority_id: String(app.issuing) }
    const found = await statuses(ten.map(() => app.call('POST', `${REQUESTS}/${id}/sign`, { by: app.admin, body })))
    expect(found[0]).toBe(202)
    expect(found.every((status) => status === 202 || status === 422)).toBe(true)
    expect((await show(id)).status).toBe('Active')
    expect(await certificatesOf('signed.race.test')).toHaveLength(1)
  })

  test('signed by several authorities at once: one certificate', async () => {
    const authorities = await Promise.all(['First CA', 'Second CA', 'Third CA'].map(chosen))
    const id = await app.request('several.race.test')
    const found = await statuses(
      authorities.map((authority) =>
        app.call('POST', `${REQUESTS}/${id}/sign`, {
          by: app.manager,
          body: { certificate_authority_id: String(authority) },
        }),
      ),
    )
    expect(found).toEqual([202, 422, 422])
    expect((await show(id)).status).toBe('Active')
    expect(await certificatesOf('several.race.test')).toHaveLength(1)
  })

  test('signed and rejected at once: one of both', async () => {
    const id = await app.request('either.race.test')
    const body = { certificate_authority_id: String(app.issuing) }
    const [sign, reject] = await Promise.all([
      app.call('POST', `${REQUESTS}/${id}/sign`, { by: app.admin, body }),
      app.call('POST', `${REQUESTS}/${id}/reject`, { by: app.manager }),
    ])
    expect([sign.status, reject.status].sort()).toEqual([202, 422])
    expect((await show(id)).status).toBe(sign.status === 202 ? 'Active' : 'Rejected')
  })

  test('its certificate deleted, five times: it is ordered anew once', async () => {
    const id = await app.request('anew.race.test')
    const body = { certificate_authority_id: String(app.issuing) }
    await app.result('POST', `${REQUESTS}/${id}/sign`, { by: app.admin, body })
    const path = `${REQUESTS}/${id}/certificate`
    const found = await statuses(ten.slice(5).map(() => app.call('DELETE', path, { by: app.manager })))
    expect(found[0]).toBe(200)
    expect(found.slice(1).every((status) => status === 400 || status === 422)).toBe(true)
    expect((await show(id)).status).toBe('Outstanding')
    const { rows } = await (await doorOf(app, 'admin')).list.requests({ kind: 'sign', status: 'requested' })
    expect(rows.filter(({ names }) => names.includes('anew.race.test'))).toHaveLength(1)
  })

  test('the administrator of the organization makes ten accounts of one role: it is granted once', async () => {
    await Promise.all(ten.map((_, at) => app.account(`crowd-${at}@notary.test`, 3)))
    const roles = await (await doorOf(app, 'admin')).identities.roles()
    const role = roles.find(({ name }) => name === 'notary-read-only')
    expect(role?.capabilities.map(({ capability }) => capability)).toEqual(['read'])
    expect(role?.members).toHaveLength(11)
  })

  test('whoever made a request and may order no more: it goes to no other authority', async () => {
    const by = await app.account('leaver@notary.test', 2)
    const id = await app.request('leaver.race.test', by)
    const door = await doorOf(app, 'admin')
    await door.admin.changeUser('leaver@notary.test', { enabled: false })
    const body = { certificate_authority_id: String(await chosen('Late CA')) }
    const refused = await app.call('POST', `${REQUESTS}/${id}/sign`, { by: app.manager, body })
    expect(refused).toMatchObject({ status: 422, json: { error: expect.stringContaining('made anew') } })
    expect((await show(id)).status).toBe('Outstanding')
  })

  test('a manager’s own request goes to no authority of his choice either', async () => {
    const id = await app.request('own.race.test', app.manager)
    const body = { certificate_authority_id: String(await chosen('Own CA')) }
    const refused = await app.call('POST', `${REQUESTS}/${id}/sign`, { by: app.manager, body })
    expect(refused).toMatchObject({ status: 403, json: { message: expect.stringContaining('whoever asked') } })
    expect((await (await doorOf(app, 'admin')).list.request(id)).status).toBe('requested')
  })

  test('the audit trail tells all of it', async () => {
    const { it } = app.world
    expect((await verifyAudit(it.db, it.auditSecret)).problems).toEqual([])
  })
})
