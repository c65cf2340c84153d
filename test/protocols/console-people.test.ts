import { beforeAll, describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorOf, type Person } from '../helpers/raApp.ts'

const world = useConsoleApp()

describe('the account', () => {
  it('shows who one is, what one may, and one’s sessions', async () => {
    const { text } = await world.app.get('/console/account', { by: world.app.operator })
    for (const part of ['operator', 'create_cert', '192.0.2.7', 'API tokens', 'Delegation'])
      expect(text).toContain(part)
  })

  it('makes a token that is shown once, limited as asked, and revokes it', async () => {
    const { app } = world
    const made = await app.post(
      '/console/account/tokens',
      { name: 'deploy', days: '30', scope: ['read', 'create_cert'], readOnly: 'on' },
      { by: app.operator },
    )
    expect(made.status).toBe(200)
    const [, token = ''] = /Bearer ([\w-]+)/.exec(made.text) ?? []
    expect((await app.call('get', '/v1/auth/profile', { by: token })).status).toBe(200)
    const [view] = await doorOf(app, app.operator).admin.tokens('operator')
    expect(view).toMatchObject({ name: 'deploy', scope: { capabilities: ['read', 'create_cert'], readOnly: true } })
    const page = await app.get('/console/account', { by: app.operator })
    expect(page.text).toContain('read only: read, create_cert')
    expect(page.text).not.toContain(token)
    const revoked = await app.post(`/console/tokens/${view?.uuid}/revoke`, {}, { by: app.operator, follow: true })
    expect(revoked.text).toContain('The token is revoked')
    expect((await app.call('get', '/v1/auth/profile', { by: token })).status).toBe(401)
  })

  it.each([
    ['no name', { name: '' }, 'The name is missing'],
    ['days that are no number', { name: 'a', days: 'soon' }, 'A number of days'],
    ['an unknown capability', { name: 'a', scope: 'everything' }, 'There is no such capability'],
    ['a profile that is not there', { name: 'a', scope: 'read', profile: 'nowhere' }, 'nowhere'],
  ])('makes no token with %s, and shows the form again', async (_what, fields, said) => {
    const { status, text, html } = await world.app.post('/console/account/tokens', fields, { by: world.app.operator })
    expect(status).toBe(422)
    expect(text).toContain(said)
    expect(html).toContain(`value="${fields.name}"`)
  })

  it('does not revoke the token of another organization', async () => {
    const { app } = world
    const [view] = await doorOf(app, app.stranger).admin.tokens('stranger')
    expect((await app.post(`/console/tokens/${view?.uuid}/revoke`, {}, { by: app.operator })).status).toBe(404)
  })

  it('hands votes over for a time, and takes them back', async () => {
    const { app } = world
    const fields = { to: 'approver', days: '7', reason: 'away' }
    const made = await app.post('/console/account/delegations', fields, { by: app.operator, follow: true })
    expect(made.text).toContain('approver decides for you until')
    const [given] = await doorOf(app, app.operator).delegations.list()
    expect(given).toMatchObject({ delegator: 'operator', delegate: 'approver', reason: 'away' })
    await app.post(`/console/account/delegations/${given?.uuid}/end`, {}, { by: app.operator })
    expect((await doorOf(app, app.operator).delegations.list())[0]?.endedAt).not.toBeNull()
    const wrong = await app.post('/console/account/delegations', { to: 'nobody', days: '7' }, { by: app.operator })
    expect(wrong.status).toBe(422)
    const never = await app.post('/console/account/delegations', { to: 'approver', days: '0' }, { by: app.operator })
    expect(never.text).toContain('For 1 to 365 days')
  })

  it('changes the password by the present one, and ends every session', async () => {
    const { app } = world
    const { secret } = await doorOf(app, app.admin).admin.createSetupLink('approver')
    await app.host.core.authentication.usePasswordLink(secret, 'the first of them all')
    const by = app.approver
    const next = { next: 'the second of them all', again: 'the second of them all' }
    expect((await app.post('/console/account/password', { present: 'wrong', ...next }, { by })).status).toBe(422)
    const differs = { present: 'the first of them all', next: next.next, again: 'x' }
    expect((await app.post('/console/account/password', differs, { by })).text).toContain('two new passwords differ')
    const changed = await app.post('/console/account/password', { present: 'the first of them all', ...next }, { by })
    expect([changed.status, changed.location]).toEqual([303, '/console/login'])
    expect((await app.get('/console', { by })).status).toBe(303)
    expect(await app.host.core.authentication.password('approver', next.next)).toBeDefined()
  })
})

describe('people', () => {
  let clerk: Person
  beforeAll(async () => {
    clerk = await world.app.person('clerk', { capabilities: ['read'] })
  })

  it('are added with a setup link that is shown once', async () => {
    const { app } = world
    const added = await app.post('/console/people', { name: 'newcomer', organization: 'default' }, { follow: true })
    expect(added.text).toContain('newcomer is added')
    const { text, status } = await app.post('/console/people/user/newcomer/link')
    expect(status).toBe(200)
    expect(text).toMatch(/https:\/\/ra\.test\/console\/setup#[\w-]{43}/)
    const again = await app.post('/console/people', { name: 'newcomer', organization: 'default' })
    expect(again.status).toBe(422)
    const wrong = await app.post('/console/people', { name: 'New Comer!' })
    expect(wrong.text).toContain('The name of a user has')
  })

  it('get and lose capabilities, roles and rank', async () => {
    const { app } = world
    const seen = async () => (await doorOf(app, app.admin).admin.users()).find(({ name }) => name === 'clerk')
    await app.post('/console/people/roles', { name: 'operators' })
    await app.post('/console/people/user/clerk/roles', { role: 'operators' })
    await app.post('/console/people/user/clerk/grants', { capability: 'approve', profile: 'default' })
    await app.post('/console/people/user/clerk/change', { field: 'admin', value: 'true' })
    expect(await seen()).toMatchObject({ roles: ['operators'], admin: true })
    expect((await seen())?.grants).toContainEqual(
      expect.objectContaining({ capability: 'approve', profile: 'default' }),
    )
    const { text } = await app.get('/console/people/user/clerk')
    expect(text).toContain('approve on the profile default')
    await app.post('/console/people/user/clerk/grants', { capability: 'approve', profile: 'default', do: 'remove' })
    await app.post('/console/people/user/clerk/roles', { role: 'operators', do: 'remove' })
    await app.post('/console/people/user/clerk/change', { field: 'admin', value: 'false' })
    expect(await seen()).toMatchObject({ roles: [], admin: false })
    expect((await seen())?.grants.map(({ capability }) => capability)).toEqual(['read'])
  })

  it.each([
    ['a capability that is none', 'grants', { capability: 'everything' }],
    ['a field that is none', 'change', { field: 'name', value: 'true' }],
    ['a role without a name', 'roles', { role: ' ' }],
    ['a binding without a subject', 'bindings', { issuer: 'https://id.test' }],
  ])('are not changed by %s', async (_what, path, fields) => {
    expect((await world.app.post(`/console/people/user/clerk/${path}`, fields)).status).toBe(422)
  })

  it('are not changed by who is no administrator', async () => {
    const { app } = world
    for (const [path, fields] of [
      ['/console/people', { name: 'intruder' }],
      ['/console/people/user/clerk/grants', { capability: 'approve' }],
      ['/console/people/user/clerk/link', {}],
      ['/console/people/roles', { name: 'mine' }],
      ['/console/people/groups', { name: 'mine' }],
      ['/console/people/organizations', { name: 'mine' }],
    ] as const) {
      const { status } = await app.post(path, fields, { by: clerk })
      expect([path, status === 403 || status === 422]).toEqual([path, true])
    }
    expect((await doorOf(app, app.admin).admin.users()).map(({ name }) => name)).not.toContain('intruder')
  })

  it('of another organization are not there', async () => {
    const { app } = world
    for (const path of ['/console/people/user/clerk', '/console/people/user/root'])
      expect((await app.get(path, { by: app.stranger })).status).toBe(404)
    expect((await app.get('/console/people', { by: app.stranger })).text).not.toContain('clerk')
    const { status } = await app.post('/console/people/user/clerk/link', {}, { by: app.stranger })
    expect([404, 422]).toContain(status)
  })

  it('are in groups', async () => {
    const { app } = world
    await app.post('/console/people/groups', { name: 'network' })
    const [group] = (await doorOf(app, app.admin).groups.list()).filter(({ name }) => name === 'network')
    await app.post(`/console/people/groups/${group?.uuid}/members`, { user: 'clerk', do: 'add' })
    expect((await app.get('/console/people/groups')).text).toContain('clerk')
    await app.post(`/console/people/groups/${group?.uuid}/members`, { user: 'clerk', do: 'remove' })
    await app.post(`/console/people/groups/${group?.uuid}/delete`)
    expect((await doorOf(app, app.admin).groups.list()).map(({ name }) => name)).not.toContain('network')
  })
})
