import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { BASE, csrText, issued, ordered, useAlpaconApp, waits } from '../helpers/alpaconApp.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { audited } from '../helpers/people.ts'

const used = useAlpaconApp()
const ALL = `${BASE}/sign-requests/`

describe('csr create', () => {
  it('answers who the CSR is to name and where it goes, then waits for approval with it', async () => {
    const { app } = used
    const body = { domain_list: ['A.test', 'b.test'], ip_list: ['192.0.2.1'], valid_days: 30 }
    const made = await app.call('POST', ALL, { body })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      organization: 'default',
      common_name: 'a.test',
      domain_list: ['a.test', 'b.test'],
      ip_list: ['192.0.2.1'],
      valid_days: 30,
      status: 'requested',
      requested_ip: '192.0.2.7',
      requested_by: { id: 'operator', name: 'operator', email: '' },
      authority: { name: 'issuing', owner: { name: 'admin' } },
      submit_url: `/api/cert/sign-requests/${made.json.id}/submit/`,
      crt_text: '',
    })
    const csr_text = await csrText(['a.test', 'b.test'])
    const sent = await app.call('PATCH', made.json.submit_url, { body: { csr_text } })
    expect(sent.json).toMatchObject({ id: made.json.id, status: 'requested', csr_text })
    expect((await app.world.core.as(asRequester(app.operator)).list.request(made.json.id)).status).toBe('requested')
  })

  it('takes the CSR with the order, and its names where the order gives none', async () => {
    const made = await used.app.call('POST', ALL, { body: { csr_text: await csrText(['c.test']) } })
    expect([made.status, made.json.domain_list, made.json.status]).toEqual([201, ['c.test'], 'requested'])
  })

  it('gives as many days as the profile has, where the client asks for its usual year', async () => {
    const { app } = used
    const made = await app.call('POST', ALL, { body: { domain_list: ['year.test'], ip_list: [], valid_days: 365 } })
    expect(made.json.valid_days).toBe(90)
    const id = await issued(app, ['year.test'])
    const { validTo } = new X509Certificate((await app.call('GET', `${ALL}${id}/`)).json.crt_text)
    expect(Date.parse(validTo) - app.world.time.now.getTime()).toBeLessThanOrEqual(90 * 86_400_000)
  })

  it('has the policy refuse too many days where the profile says so', async () => {
    const { app } = used
    await app.world.save('strict', { protocols: { alpacon: { tooLong: 'refuse', takesOrders: true } } })
    const made = await app.call('POST', ALL, { body: { domain_list: ['y.test'], valid_days: 365 } })
    const sent = await app.call('PATCH', made.json.submit_url, { body: { csr_text: await csrText(['y.test']) } })
    expect(sent.json).toMatchObject({ status: 'denied', error_message: expect.stringContaining('90 days') })
    await app.world.save('strict', { protocols: { alpacon: {} } })
  })

  it('goes to the profile that takes orders, or to one under the authority that is named', async () => {
    const { app } = used
    await app.world.save('taker', { protocols: { alpacon: { takesOrders: true } }, rules: { issue: waits } })
    const made = await app.call('POST', ALL, { body: { domain_list: ['t.test'] } })
    const { profile } = await app.world.core.as(asRequester(app.operator)).list.request(made.json.id)
    expect(profile).toBe('taker')
    await app.world.save('taker', { protocols: {} })
    const named = await app.call('POST', ALL, { body: { domain_list: ['t.test'], authority: 'issuing' } })
    expect((await app.world.core.as(asRequester(app.operator)).list.request(named.json.id)).profile).toBe('default')
    const none = await app.call('POST', ALL, { body: { domain_list: ['t.test'], authority: 'root' } })
    expect([none.status, Object.keys(none.json)]).toEqual([400, ['authority']])
  })

  it('does not guess between two profiles that take orders', async () => {
    const { app } = used
    for (const name of ['one', 'two']) await app.world.save(name, { protocols: { alpacon: { takesOrders: true } } })
    const refused = await app.call('POST', ALL, { body: { domain_list: ['t.test'] } })
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('one, two')])
    for (const name of ['one', 'two']) await app.world.save(name, { protocols: {} })
  })

  it('says to an organization without such a profile what is missing', async () => {
    const { app } = used
    const refused = await app.call('POST', ALL, { by: app.stranger, body: { domain_list: ['t.test'] } })
    expect([refused.status, refused.json.detail]).toEqual([400, expect.stringContaining('takesOrders')])
  })

  it('is not for who may not order', async () => {
    const { app } = used
    const refused = await app.call('POST', ALL, { by: app.approver, body: { domain_list: ['t.test'] } })
    expect([refused.status, refused.json.detail]).toEqual([403, expect.stringContaining('create_cert')])
  })

  it.each([
    ['no name', { domain_list: [], ip_list: [], valid_days: 1 }, 'non_field_errors'],
    ['no domain', { domain_list: ['not a name'] }, 'domain_list'],
    ['no address', { ip_list: ['300.1.1.1'] }, 'ip_list'],
    ['a list that is text', { domain_list: 'a.test' }, 'domain_list'],
    ['names that are numbers', { domain_list: [1] }, 'domain_list'],
    ['days that are text', { domain_list: ['a.test'], valid_days: '30' }, 'valid_days'],
    ['no days at all', { domain_list: ['a.test'], valid_days: 0 }, 'valid_days'],
    ['days beyond any date', { domain_list: ['a.test'], valid_days: 1e15 }, 'valid_days'],
    ['a CSR that is none', { domain_list: ['a.test'], csr_text: 'hello' }, 'csr_text'],
    ['a list', [], 'non_field_errors'],
    ['null', null, 'non_field_errors'],
  ])('refuses %s by the name of the field', async (_what, body, field) => {
    const refused = await used.app.call('POST', ALL, { raw: JSON.stringify(body) })
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, [field]])
  })
})

describe('a CSR for an order', () => {
  async function parked(names: string[]): Promise<string> {
    return (await used.app.call('POST', ALL, { body: { domain_list: names } })).json.submit_url
  }

  it('may name less than was ordered; the certificate has all of it', async () => {
    const { app } = used
    const made = await app.call('POST', ALL, { body: { domain_list: ['less.test', 'more.test'] } })
    await app.call('PATCH', made.json.submit_url, { body: { csr_text: await csrText(['less.test']) } })
    await app.call('POST', `${ALL}${made.json.id}/approve/`, { by: app.approver, body: {} })
    const { crt_text } = (await app.call('GET', `${ALL}${made.json.id}/`)).json
    expect(new X509Certificate(crt_text).subjectAltName).toBe('DNS:less.test, DNS:more.test')
  })

  it('is refused with a name that was not ordered, in its alternative names or its subject', async () => {
    const { app } = used
    const more = await app.call('PATCH', await parked(['x.test']), {
      body: { csr_text: await csrText(['x.test', 'evil.test']) },
    })
    expect([more.status, more.json.csr_text]).toEqual([400, [expect.stringContaining('evil.test')]])
    const other = await app.call('PATCH', await parked(['x.test']), {
      body: { csr_text: await csrText(['x.test'], { CN: 'evil.test' }) },
    })
    expect([other.status, other.json.csr_text]).toEqual([400, [expect.stringContaining('evil.test')]])
  })

  it('is taken once', async () => {
    const { app } = used
    const url = await parked(['once.test'])
    const body = { csr_text: await csrText(['once.test']) }
    expect((await app.call('PATCH', url, { body })).status).toBe(200)
    const again = await app.call('PATCH', url, { body })
    expect([again.status, again.json.detail]).toEqual([409, expect.stringContaining('requested')])
  })

  it.each([
    ['two of them', async () => `${await csrText(['x.test'])}${await csrText(['x.test'])}`],
    ['a certificate', async () => (await csrText(['x.test'])).replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')],
    ['one that is cut off', async () => (await csrText(['x.test'])).replace(/.{64}\n/, '')],
    ['nothing', async () => ''],
  ])('is not %s', async (_what, csr) => {
    const refused = await used.app.call('PATCH', await parked(['x.test']), { body: { csr_text: await csr() } })
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, ['csr_text']])
  })

  it('comes from the organization of the order alone', async () => {
    const { app } = used
    const body = { csr_text: await csrText(['x.test']) }
    const refused = await app.call('PATCH', await parked(['x.test']), { by: app.stranger, body })
    expect(refused.status).toBe(404)
  })
})

describe('approve, deny, retry, delete', () => {
  it('sign what somebody else approved, and say who', async () => {
    const { app } = used
    const id = await ordered(app, ['yes.test'])
    const approved = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect(approved.json).toMatchObject({
      status: 'signed',
      approved_by: { name: 'approver' },
      denied_by: null,
      certificate: id,
      handled_at: expect.stringContaining('T'),
    })
    const [leaf, issuer] = approved.json.crt_text.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g)
    expect(new X509Certificate(leaf).checkIssued(new X509Certificate(issuer))).toBe(true)
    expect((await audited(app.world, 'vote.approve')).at(-1)).toMatchObject({ actor: { name: 'approver' } })
  })

  it('leave the decision to others than who asked, whatever he may', async () => {
    const { app } = used
    const id = await ordered(app, ['own.test'], app.admin)
    for (const verb of ['approve', 'deny']) {
      const refused = await app.call('POST', `${ALL}${id}/${verb}/`, { by: app.admin, body: {} })
      expect([refused.status, refused.json.detail]).toEqual([403, expect.stringContaining('behind this request')])
    }
  })

  it('leave it to those whom the rules name', async () => {
    const { app } = used
    const id = await ordered(app, ['rules.test'])
    expect((await app.call('POST', `${ALL}${id}/approve/`, { by: app.admin, body: {} })).status).toBe(403)
  })

  it('deny with a sentence that names the contract and the user', async () => {
    const { app } = used
    const id = await ordered(app, ['no.test'])
    const denied = await app.call('POST', `${ALL}${id}/deny/`, { by: app.approver, body: {} })
    expect(denied.json).toMatchObject({
      status: 'denied',
      denied_by: { name: 'approver' },
      error_message: 'denied by approver over the Alpacon contract, which takes no reason',
    })
    const late = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect([late.status, late.json.detail]).toEqual([409, expect.stringContaining('denied')])
  })

  it('decide nothing before the CSR is there', async () => {
    const { app } = used
    const { id } = (await app.call('POST', ALL, { body: { domain_list: ['early.test'] } })).json
    const refused = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('no certificate request yet')])
  })

  it('cancel what waits, with its CSR or without, and nothing that has ended', async () => {
    const { app } = used
    const { id } = (await app.call('POST', ALL, { body: { domain_list: ['gone.test'] } })).json
    for (const one of [id, await ordered(app, ['gone.test'])]) {
      const gone = await app.call('DELETE', `${ALL}${one}/`)
      expect([gone.status, gone.text]).toEqual([204, ''])
      expect((await app.call('GET', `${ALL}${one}/`)).json.status).toBe('canceled')
      expect((await app.call('DELETE', `${ALL}${one}/`)).status).toBe(409)
    }
  })

  it('cancel nothing of others', async () => {
    const { app } = used
    const id = await ordered(app, ['mine.test'])
    expect((await app.call('DELETE', `${ALL}${id}/`, { by: app.approver })).status).toBe(403)
    expect((await app.call('DELETE', `${ALL}${id}/`, { by: app.stranger })).status).toBe(404)
  })

  it('retry what the authority has not signed yet or what failed, and nothing else', async () => {
    const { app } = used
    const early = await ordered(app, ['again.test'])
    expect((await app.call('POST', `${ALL}${early}/retry/`, { body: {} })).status).toBe(409)
    const elsewhere = await manualAuthority(app.world)
    const draft = { authority: elsewhere.id, rules: { issue: waits } }
    await app.world.save('slow', { ...draft, protocols: { alpacon: { takesOrders: true } } })
    const id = await ordered(app, ['slow.test'])
    await app.world.save('slow', { ...draft, protocols: {} })
    const approved = await app.call('POST', `${ALL}${id}/approve/`, { by: app.approver, body: {} })
    expect(approved.json).toMatchObject({ status: 'signing', crt_text: '' })
    for (const status of ['signing', 'processing'])
      expect((await app.call('GET', `${ALL}?status=${status}`)).json).toMatchObject({ count: 1, results: [{ id }] })
    expect((await app.call('POST', `${ALL}${id}/retry/`, { body: {} })).json.status).toBe('signing')
    await app.world.core.as(asRequester(app.admin)).approvals.markFailed('sign', id, 'no answer from the CA')
    const failed = await app.call('GET', `${ALL}${id}/`)
    expect(failed.json).toMatchObject({ status: 'failed', error_message: 'no answer from the CA' })
    expect((await app.call('POST', `${ALL}${id}/retry/`, { by: app.stranger, body: {} })).status).toBe(404)
    expect((await app.call('POST', `${ALL}${id}/retry/`, { body: {} })).json.status).toBe('signing')
  })
})
