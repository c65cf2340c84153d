import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { BASE, csrText, issued, useAlpaconApp } from '../helpers/alpaconApp.ts'

const used = useAlpaconApp()
const ALL = `${BASE}/authorities/`
const DRAFT = {
  name: 'AlpacaX Root CA',
  organization: 'AlpacaX',
  domain: 'alpacax.test',
  root_valid_days: 3650,
  default_valid_days: 365,
  max_valid_days: 730,
  agent: 'countersign',
  owner: 'approver',
  install: false,
}

async function idOf(name: string): Promise<string> {
  const { results } = (await used.app.call('GET', ALL, { by: used.app.admin })).json
  return results.find((one: { name: string }) => one.name === name)?.id
}

describe('authorities', () => {
  it('are listed and described, with their chain and their CRL', async () => {
    const { app } = used
    const listed = await app.call('GET', `${ALL}?page=1&page_size=1`)
    expect(listed.json).toMatchObject({ count: 2, current: 1, next: 2, last: 2, results: [{ name: 'issuing' }] })
    const id = await idOf('issuing')
    const shown = await app.call('GET', `${ALL}${id}/`)
    expect(shown.json).toMatchObject({
      id,
      name: 'issuing',
      organization: 'default',
      domain: 'countersign Issuing CA',
      root_valid_days: 3650,
      default_valid_days: 90,
      max_valid_days: 90,
      agent: { id: 'countersign', is_connected: true },
      owner: { id: 'admin', name: 'admin' },
      status: 'active',
      storage: 'local',
    })
    const without = await app.call('GET', `${ALL}${await idOf('root')}/`)
    expect(without.json).toMatchObject({ default_valid_days: 0, max_valid_days: 0 })
    const [issuing, root] = pemDecode(shown.json.crt_text).map(({ der }) => new X509Certificate(der))
    expect(root && issuing?.checkIssued(root)).toBe(true)
    const { crl_text, updated_at } = (await app.call('GET', `${ALL}${id}/crl/`)).json
    const [crl] = pemDecode(crl_text)
    expect(
      readCrl(crl?.der ?? Buffer.alloc(0))
        .thisUpdate.toISOString()
        .slice(0, 19),
    ).toBe(updated_at.slice(0, 19))
  })

  it('are of one organization', async () => {
    const { app } = used
    expect((await app.call('GET', ALL, { by: app.stranger })).json).toMatchObject({ count: 0, results: [] })
    const id = await idOf('issuing')
    for (const [method, path] of [
      ['GET', ''],
      ['GET', 'crl/'],
      ['PATCH', ''],
      ['DELETE', ''],
    ] as const) {
      const sent = { by: app.stranger, ...(method === 'PATCH' ? { body: {} } : {}) }
      expect((await app.call(method, `${ALL}${id}/${path}`, sent)).status).toBe(404)
    }
  })

  it('have a CRL in all its parts', async () => {
    const { app } = used
    const id = await idOf('root')
    const door = app.world.core.as(asRequester(app.admin))
    await door.admin.changeAuthority('root', { settings: { crlShards: 3 } })
    const { crl_text } = (await app.call('GET', `${ALL}${id}/crl/`)).json
    expect(pemDecode(crl_text)).toHaveLength(3)
    await door.admin.changeAuthority('root', { settings: {} })
  })
})

describe('authority create', () => {
  it('makes a root and its profile, on which the owner decides', async () => {
    const { app } = used
    const made = await app.call('POST', ALL, { by: app.admin, body: DRAFT })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      name: 'alpacax-root-ca',
      domain: 'AlpacaX Root CA',
      root_valid_days: 3650,
      default_valid_days: 365,
      max_valid_days: 730,
      owner: { id: 'approver' },
      instruction: expect.stringContaining('takesOrders'),
    })
    expect(new X509Certificate(made.json.crt_text).subject).toBe('O=AlpacaX\nCN=AlpacaX Root CA')
    const body = { domain_list: ['new.test'], valid_days: 700, authority: made.json.id }
    const order = await app.call('POST', `${BASE}/sign-requests/`, { body })
    expect(order.json).toMatchObject({ authority: { id: made.json.id, name: 'alpacax-root-ca' }, valid_days: 700 })
    await app.call('PATCH', order.json.submit_url, { body: { csr_text: await csrText(['new.test']) } })
    const { id } = order.json
    const done = await app.call('POST', `${BASE}/sign-requests/${id}/approve/`, { by: app.approver, body: {} })
    expect(done.json.status).toBe('signed')
    const leaf = new X509Certificate(done.json.crt_text)
    expect(leaf.verify(new X509Certificate(made.json.crt_text).publicKey)).toBe(true)
  })

  it('refuses a name that is taken', async () => {
    const { app } = used
    await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'Taken' } })
    expect((await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'taken' } })).status).toBe(409)
  })

  it('leaves a profile of that name as it is, and makes nothing', async () => {
    const { app } = used
    const refused = await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'Default' } })
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('profile default')])
    expect(await idOf('default')).toBeUndefined()
    expect(await app.world.core.as(asRequester(app.admin)).admin.profile('default')).toMatchObject({
      authority: 'issuing',
    })
  })

  it('is for who has create_ca', async () => {
    const { app } = used
    expect((await app.call('POST', ALL, { body: { ...DRAFT, name: 'mine' } })).status).toBe(403)
  })

  it.each([
    ['no name', { name: '' }, 'name'],
    ['a name of other letters alone', { name: '根' }, 'name'],
    ['a name with NUL', { name: 'a\0b' }, 'name'],
    ['more days than it may give', { default_valid_days: 800 }, 'default_valid_days'],
    ['no days', { root_valid_days: 0 }, 'root_valid_days'],
    ['days that are text', { max_valid_days: '730' }, 'max_valid_days'],
    ['another server', { agent: 'elsewhere' }, 'agent'],
    ['an owner who is a number', { owner: 7 }, 'owner'],
  ])('refuses %s by the name of the field', async (_what, wrong, field) => {
    const refused = await used.app.call('POST', ALL, { by: used.app.admin, body: { ...DRAFT, ...wrong } })
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, [field]])
  })

  it('refuses an owner whom nobody knows', async () => {
    const refused = await used.app.call('POST', ALL, {
      by: used.app.admin,
      body: { ...DRAFT, name: 'orphan', owner: 'nobody' },
    })
    expect([refused.status, refused.json.detail]).toEqual([404, expect.stringContaining('nobody')])
    expect(await idOf('orphan')).toBeUndefined()
  })
})

describe('authority update and delete', () => {
  let id: string
  // biome-ignore lint/suspicious/noExplicitAny: as the client has it
  let shown: any

  beforeAll(async () => {
    const { app } = used
    id = (await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'changing' } })).json.id
    shown = (await app.call('GET', `${ALL}${id}/`, { by: app.admin })).json
  })

  it('change owner and validity in what was shown, and nothing when it comes back as it was', async () => {
    const { app } = used
    const same = await app.call('PATCH', `${ALL}${id}/`, { by: app.admin, body: shown })
    expect(same.json).toEqual(shown)
    // The client sorts what it shows.
    const sorted = { ...shown, agent: Object.fromEntries(Object.entries(shown.agent).sort().reverse()) }
    expect((await app.call('PATCH', `${ALL}${id}/`, { by: app.admin, body: sorted })).json).toEqual(shown)
    const body = { ...shown, owner: { ...shown.owner, id: 'root' }, default_valid_days: 30, max_valid_days: 60 }
    const changed = await app.call('PATCH', `${ALL}${id}/`, { by: app.admin, body })
    expect(changed.json).toMatchObject({ owner: { id: 'root' }, default_valid_days: 30, max_valid_days: 60 })
    expect((await app.call('GET', `${ALL}${id}/`)).json).toEqual(changed.json)
  })

  it.each([
    ['name', 'other'],
    ['crt_text', ''],
    ['root_valid_days', 1],
    ['agent', { id: 'other' }],
    ['status', ['disabled']],
  ])('do not change %s', async (field, value) => {
    const refused = await used.app.call('PATCH', `${ALL}${id}/`, { by: used.app.admin, body: { [field]: value } })
    expect([refused.status, Object.keys(refused.json)]).toEqual([400, [field]])
  })

  it('are for who has manage', async () => {
    const { app } = used
    expect((await app.call('PATCH', `${ALL}${id}/`, { body: { max_valid_days: 10_000 } })).status).toBe(403)
    expect((await app.call('PATCH', `${ALL}${id}/`, { body: { owner: 'operator' } })).status).toBe(403)
    expect((await app.call('DELETE', `${ALL}${id}/`)).status).toBe(403)
  })

  it('delete switches off: it signs nothing more, is listed no more, and its CRL stays', async () => {
    const { app } = used
    const gone = await app.call('DELETE', `${ALL}${id}/`, { by: app.admin })
    expect([gone.status, gone.text, await idOf('changing')]).toEqual([204, '', undefined])
    expect((await app.call('GET', `${ALL}${id}/`)).json.status).toBe('disabled')
    expect((await app.call('GET', `${ALL}${id}/crl/`)).status).toBe(200)
  })
})

describe('certificates', () => {
  it('are listed and described with their text', async () => {
    const { app } = used
    const id = await issued(app, ['shown.test'])
    const listed = await app.call('GET', `${BASE}/certificates/?page=1&page_size=1`)
    expect(listed.json).toMatchObject({ current: 1, results: [{ id, csr: id, authority: { name: 'issuing' } }] })
    const shown = await app.call('GET', `${BASE}/certificates/${id}/`)
    expect(shown.json).toMatchObject({
      id,
      common_name: 'shown.test',
      valid_days: 90,
      status: 'issued',
      is_revoked: false,
      revoked_at: null,
      can_revoke: true,
      signed_by: 'issuing',
    })
    const leaf = new X509Certificate(shown.json.crt_text)
    expect(leaf.serialNumber.toLowerCase()).toBe(shown.json.serial_number)
    expect((await app.call('GET', `${BASE}/certificates/${id}/`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('GET', `${BASE}/certificates/`, { by: app.stranger })).json.count).toBe(0)
  })

  it('are none where the order waits, and expire', async () => {
    const { app } = used
    const { id: waiting } = (await app.call('POST', `${BASE}/sign-requests/`, { body: { domain_list: ['w.test'] } }))
      .json
    expect((await app.call('GET', `${BASE}/certificates/${waiting}/`)).status).toBe(404)
    const id = await issued(app, ['old.test'])
    app.world.time.pass(91 * 86_400_000)
    const old = await app.call('GET', `${BASE}/certificates/${id}/`)
    expect(old.json).toMatchObject({ status: 'expired', can_revoke: false })
  })
})
