import { beforeAll, describe, expect, it } from 'vitest'
import { type Person, useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const BASE = '/v1/countersign'
let manager: Person

beforeAll(async () => {
  manager = await used.app.person('manager', { capabilities: ['manage', 'read'] })
})

describe('profiles as they are written', () => {
  const draft = {
    authority: 'issuing',
    settings: { certificate: { validity: { max: '30d', default: '30d' } }, enforcement: { validity: 'soft' } },
    protocols: { acme: {} },
    rules: { issue: [{ name: 'people', require: [{ groups: ['nobody'] }] }] },
  }
  const put = (name: string, body: unknown, by = manager) =>
    used.app.call('put', `${BASE}/raProfiles/${name}`, { by, body })

  it('are made and replaced whole, with warnings', async () => {
    const { app } = used
    const made = await put('written', draft)
    expect(made.json).toMatchObject({
      version: 1,
      settings: draft.settings,
      warnings: ['issue, rule people: nobody is in a group nobody'],
    })
    expect((await put('written', { authority: 'issuing' })).json).toMatchObject({
      version: 2,
      settings: {},
      rules: { issue: [] },
    })
    const { json } = await app.call('get', `${BASE}/raProfiles/written`, { by: app.operator })
    expect(json).toMatchObject({ name: 'written', version: 2, protocols: {} })
    const all = await app.call('get', `${BASE}/raProfiles`, { by: app.operator })
    expect(all.json.profiles.map((one: { name: string }) => one.name)).toContain('written')
  })

  it('have rules for each action, replaced alone, of the version that was read', async () => {
    const { app } = used
    await put('ruled', draft)
    const path = `${BASE}/raProfiles/ruled/rules`
    const rules = [{ name: 'all', auto: true }]
    const changed = await app.call('put', `${path}/renew?version=1`, { by: manager, body: rules })
    expect(changed.json).toMatchObject({ version: 2, rules: [{ name: 'all', when: 'true', auto: true }] })
    expect((await app.call('put', `${path}/renew?version=1`, { by: manager, body: [] })).status).toBe(409)
    expect((await app.call('get', `${path}/issue`, { by: manager })).json.rules).toHaveLength(1)
    const whole = await app.call('put', path, { by: manager, body: { revoke: rules } })
    expect(whole.json).toMatchObject({
      version: 3,
      rules: { issue: [], renew: [], revoke: [{ name: 'all' }] },
      warnings: [expect.stringMatching(/^issue: the rules that were here are gone/), expect.stringMatching(/^renew: /)],
    })
    expect((await app.call('get', path, { by: manager })).json).toMatchObject({ version: 3, rules: { issue: [] } })
  })

  it('tell the place of what is wrong, and then nothing has changed', async () => {
    const { app } = used
    await put('wrong', draft)
    const rule = { name: 'a', auto: true }
    const rules = [rule, { ...rule, name: 'b' }, { ...rule, name: 'c', when: 'identifiers.size( > 1' }]
    for (const [path, body] of [
      ['/rules/issue', rules],
      ['/rules', { issue: rules }],
      ['', { authority: 'issuing', rules: { issue: rules } }],
    ] as const) {
      const refused = await app.call('put', `${BASE}/raProfiles/wrong${path}`, { by: manager, body })
      expect(refused).toMatchObject({ status: 422, json: [expect.stringMatching(/^issue\[2\]\.when: /)] })
    }
    const settings = { certificate: { validity: { max: '1d' } }, enforcement: { validity: 'maybe' } }
    const refused = await put('wrong', { authority: 'issuing', settings })
    expect(refused).toMatchObject({ status: 422, json: [expect.stringMatching(/^settings\.enforcement\.validity: /)] })
    const twice = await app.call('put', `${BASE}/raProfiles/wrong/rules/issue`, { by: manager, body: [rule, rule] })
    expect(twice.json).toEqual([expect.stringMatching(/^issue\[1\]\.name: /)])
    expect((await app.call('get', `${BASE}/raProfiles/wrong`, { by: manager })).json.version).toBe(1)
  })

  it('are refused to who does not manage, elsewhere as if there were none, and with what nobody knows', async () => {
    const { app } = used
    expect((await put('rest', draft, app.operator)).status).toBe(403)
    expect((await put('Upper', draft)).status).toBe(422)
    expect((await put('other', { ...draft, authority: 'none' })).status).toBe(404)
    expect((await put('other', { ...draft, more: 1 })).status).toBe(422)
    expect((await put('other', { ...draft, rules: { isue: [] } })).status).toBe(422)
    const path = `${BASE}/raProfiles/rest/rules`
    expect((await app.call('put', path, { by: app.operator, body: {} })).status).toBe(403)
    for (const [name, by] of [
      ['rest', app.stranger],
      ['none', manager],
      ['@issuing', app.admin],
    ] as const) {
      expect((await app.call('get', `${BASE}/raProfiles/${name}/rules`, { by })).status).toBe(404)
      expect((await app.call('put', `${BASE}/raProfiles/${name}/rules`, { by, body: {} })).status).toBe(404)
    }
  })
})

describe('limits, blocked keys and renewal windows', () => {
  it('give a key another rate, and take it back', async () => {
    const { app } = used
    const bucket = { profile: 'default', limit: 'newOrder', key: 'account:7' }
    const post = (what: string, body: unknown, by = manager) => app.call('post', `${BASE}/limits/${what}`, { by, body })
    const made = await post('override', { ...bucket, rate: '10/1h', note: 'load test' })
    if (made.status !== 200) expect(made.json).toEqual('')
    expect(made.json).toMatchObject({ ...bucket, overridden: true, note: 'load test' })
    const list = await app.call('get', `${BASE}/limits?profile=default`, { by: manager })
    expect(list.json.limits).toHaveLength(1)
    expect((await app.call('get', `${BASE}/limits`, { by: app.stranger })).json.limits).toEqual([])
    expect((await post('reset', { profile: 'default', key: 'nobody' })).status).toBe(404)
    expect((await post('override', { ...bucket, rate: 'often' })).status).toBe(400)
    expect((await post('override', { ...bucket, rate: '1/1h' }, app.operator)).status).toBe(403)
    expect((await post('removeOverride', bucket, app.stranger)).status).toBe(404)
    expect((await post('removeOverride', bucket)).status).toBe(204)
    expect((await app.call('get', `${BASE}/limits`, { by: manager })).json.limits).toEqual([])
  })

  it('block a key for all, by a superuser alone', async () => {
    const { app } = used
    const spkiSha256 = 'ab'.repeat(32)
    const post = (body: unknown, by: Person = app.admin) => app.call('post', `${BASE}/blockedKeys`, { by, body })
    expect((await post({ spkiSha256, reason: 'lost' })).status).toBe(201)
    expect((await post({ spkiSha256, reason: 'lost' })).status).toBe(409)
    expect((await post({ spkiSha256: 'ab', reason: 'lost' })).status).toBe(400)
    expect((await post({ spkiSha256, reason: 'lost' }, manager)).status).toBe(403)
    expect((await app.call('get', `${BASE}/blockedKeys`, { by: manager })).status).toBe(403)
    expect((await app.call('get', `${BASE}/blockedKeys`, { by: app.admin })).json.blockedKeys).toMatchObject([
      { spkiSha256 },
    ])
    expect((await app.call('delete', `${BASE}/blockedKeys/${spkiSha256}`, { by: app.admin })).status).toBe(204)
    expect((await app.call('delete', `${BASE}/blockedKeys/${spkiSha256}`, { by: app.admin })).status).toBe(404)
  })

  it('move when certificates are renewed, where one manages', async () => {
    const { app } = used
    const at = (hours: number) => new Date(app.world.time.now.getTime() + hours * 3_600_000).toISOString()
    const body = { profile: 'default', start: at(1), end: at(5), explanationUrl: 'https://example.org/why' }
    const post = (body: unknown, by = manager) => app.call('post', `${BASE}/renewalWindows`, { by, body })
    const made = await post(body)
    expect(made).toMatchObject({
      status: 201,
      json: { renewalWindows: [{ profile: 'default', start: at(1).replace(/\.\d+Z$/, '.000Z') }] },
    })
    expect((await post(body, app.operator)).status).toBe(403)
    expect((await post(body, app.stranger)).status).toBe(404)
    expect((await post({ ...body, end: at(0) })).status).toBe(400)
    expect((await post({ ...body, start: 'soon' })).status).toBe(422)
    const [{ id }] = made.json.renewalWindows
    const remove = (id: unknown, by = manager) => app.call('delete', `${BASE}/renewalWindows/${id}`, { by })
    expect((await remove(id, app.stranger)).status).toBe(404)
    expect((await remove('x')).status).toBe(404)
    expect((await remove(id)).status).toBe(204)
    expect((await app.call('get', `${BASE}/renewalWindows`, { by: manager })).json.renewalWindows).toEqual([])
  })

  it('list what is remembered, and forget nothing that is not there', async () => {
    const { app } = used
    expect((await app.call('get', `${BASE}/rememberedApprovals`, { by: manager })).json.rememberedApprovals).toEqual([])
    for (const id of ['1', 'x', '-1', '9'.repeat(30)])
      expect((await app.call('delete', `${BASE}/rememberedApprovals/${id}`, { by: manager })).status).toBe(404)
  })
})
