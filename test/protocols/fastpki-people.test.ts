import { describe, expect, it } from 'vitest'
import { fastpki } from '../../protocols/fastpki/index.ts'
import type { FastpkiTables } from '../../protocols/fastpki/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { doorOf, PASSWORD, useFastpkiApp } from '../helpers/fastpkiApp.ts'

const used = useFastpkiApp()

const draft = (username: string, more: Record<string, unknown> = {}) => ({
  username,
  email: `${username}@acme.test`,
  password: PASSWORD,
  ...more,
})

let addresses = 0

describe('users', () => {
  it('are made with a password, by which they log in, and the flags that they are given', async () => {
    const { app } = used
    const body = draft('Carol', { can_create_cert: true, can_revoke_cert: false })
    const { status, json } = await app.call('post', '/users/', { body, by: app.admin })
    expect(status).toBe(201)
    expect(json).toMatchObject({
      username: 'carol',
      email: 'carol@acme.test',
      role: 'user',
      is_active: true,
      organization_id: app.admin.organizationId,
      can_create_cert: true,
      can_revoke_cert: false,
      can_create_ca: false,
    })
    app.source = `198.51.100.${++addresses}`
    const login = await app.call('post', '/auth/token', { by: null, form: { username: 'carol', password: PASSWORD } })
    expect(login.status).toBe(200)
    expect((await app.call('get', '/users/me', { by: login.json.access_token })).json).toEqual(json)
    expect((await app.call('get', '/certificates/', { by: login.json.access_token })).status).toBe(200)
  })

  it('are administrators and superusers by their role, made by who may', async () => {
    const { app } = used
    const boss = await app.person('boss', { admin: true })
    const admin = await app.call('post', '/users/', { body: draft('second', { role: 'admin' }), by: boss })
    expect(admin.json.role).toBe('admin')
    expect((await app.call('post', '/users/', { body: draft('third', { role: 'superuser' }), by: boss })).status).toBe(
      403,
    )
    const top = await app.call('post', '/users/', { body: draft('fourth', { role: 'superuser' }), by: app.admin })
    expect(top.json.role).toBe('superuser')
  })

  it.each([
    ['a name that is taken', draft('operator', { email: 'free@acme.test' }), 400, 'Username already registered'],
    ['an address that is taken', draft('erin', { email: 'CAROL@acme.test' }), 400, 'Email already registered'],
    ['a name that cannot be one', draft('no spaces', { email: 'x@acme.test' }), 400, 'the name of a user'],
    ['an organization that is not there', draft('erin', { organization_id: 9999 }), 404, 'Organization not found'],
  ])('with %s are refused', async (_, body, status, detail) => {
    const { app } = used
    const answer = await app.call('post', '/users/', { body, by: app.admin })
    expect(answer).toMatchObject({ status, json: { detail: expect.stringContaining(detail) } })
  })

  it.each([
    ['a short password', { password: 'short-one' }, 'password'],
    ['no password', { password: undefined }, 'password'],
    ['a password of twelve marks on one letter', { password: `e${'\u0301'.repeat(11)}`.normalize('NFD') }, 'password'],
    ['an address that is none', { email: 'nowhere' }, 'email'],
    ['a role that is none', { role: 'king' }, 'role'],
  ])('with %s are refused, and no answer tells a password', async (_, change, field) => {
    const { app } = used
    const { status, json, text } = await app.call('post', '/users/', { body: draft('frank', change), by: app.admin })
    expect(status).toBe(422)
    expect(json.detail[0].loc).toEqual(['body', field])
    expect(text).not.toContain('short-one')
    expect(text).not.toContain(PASSWORD)
  })

  it('are made by nobody without a log-in: the installation has its administrator', async () => {
    const { app } = used
    expect((await app.call('post', '/users/', { body: draft('first'), by: null })).status).toBe(401)
    for (const email of ['carol@acme.test', 'unknown@acme.test'])
      expect((await app.call('post', '/users/', { body: draft('first', { email }), by: app.operator })).status).toBe(
        403,
      )
    expect(
      (
        await app.call('post', '/users/', {
          body: draft('x', { organization_id: app.admin.organizationId }),
          by: app.stranger,
        })
      ).status,
    ).toBe(404)
  })

  it('are listed for superusers, and each sees himself', async () => {
    const { app } = used
    const { json } = await app.call('get', '/users/', { by: app.admin })
    expect(json.map(({ username }: { username: string }) => username)).toContain('operator')
    const some = await app.call('get', '/users/?skip=1&limit=2', { by: app.admin })
    expect(some.json).toEqual(json.slice(1, 3))
    expect((await app.call('get', '/users/', { by: app.operator })).status).toBe(403)
    expect((await app.call('get', `/users/${app.operator.id}`)).json.username).toBe('operator')
    expect((await app.call('get', `/users/${app.admin.id}`)).status).toBe(404)
    expect((await app.call('get', `/users/${app.operator.id}`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', `/users/${app.stranger.id}`, { by: app.admin })).json.username).toBe('stranger')
  })

  it('are changed: role, flags and activity by administrators, the address by themselves', async () => {
    const { app } = used
    const { json: made } = await app.call('post', '/users/', { body: draft('grace'), by: app.admin })
    const path = `/users/${made.id}`
    const grace = await doorOf(app, app.admin)
      .admin.createSetupLink('grace')
      .then(async ({ secret }) => {
        await app.host.core.authentication.usePasswordLink(secret, PASSWORD)
        app.source = `198.51.100.${++addresses}`
        const form = { username: 'grace', password: PASSWORD }
        return (await app.call('post', '/auth/token', { by: null, form })).json.access_token as string
      })
    const address = await app.call('patch', path, { body: { email: 'grace@new.test' }, by: grace })
    expect(address.json.email).toBe('grace@new.test')
    for (const body of [{ role: 'admin' }, { can_create_cert: true }, { is_active: false }])
      expect([body, (await app.call('patch', path, { body, by: grace })).status]).toEqual([body, 403])
    expect((await app.call('patch', path, { body: { password: 'a new long password' }, by: grace })).status).toBe(400)
    const raised = await app.call('patch', path, {
      body: { can_create_cert: true, can_export_private_key: true, role: 'admin' },
      by: app.admin,
    })
    expect(raised.json).toMatchObject({ can_create_cert: true, can_export_private_key: true, role: 'admin' })
    const lowered = await app.call('patch', path, { body: { can_create_cert: false, role: 'user' }, by: app.admin })
    expect(lowered.json).toMatchObject({ can_create_cert: false, can_export_private_key: true, role: 'user' })
    const off = await app.call('patch', path, {
      body: { is_active: false, password: 'a new long password' },
      by: app.admin,
    })
    expect(off.status).toBe(409)
    expect((await app.call('get', path, { by: app.admin })).json.is_active).toBe(false)
    expect((await app.call('patch', path, { body: { username: 'other' }, by: app.admin })).status).toBe(400)
    const there = { organization_id: app.stranger.organizationId }
    expect((await app.call('patch', path, { body: there, by: app.admin })).status).toBe(400)
    expect((await app.call('patch', path, { body: {}, by: app.stranger })).status).toBe(404)
  })

  it('are not changed by a token that is limited to something else', async () => {
    const { app } = used
    const limited = await app.token(app.admin, { capabilities: ['read', 'create_cert'] })
    const body = { email: 'stolen@acme.test' }
    expect((await app.call('patch', `/users/${app.admin.id}`, { body, by: limited })).status).toBe(403)
    const reading = await app.token(app.admin, { capabilities: ['read', 'admin'], readOnly: true })
    const put = { body: { description: 'x' }, by: reading }
    expect((await app.call('put', `/organizations/${app.admin.organizationId}`, put)).status).toBe(403)
  })

  it('of one address that are made at once are one, and the names of the others stay free', async () => {
    const { app } = used
    const names = ['twin-a', 'twin-b', 'twin-c']
    const made = await Promise.all(
      names.map((name) =>
        app.call('post', '/users/', { body: draft(name, { email: 'twin@acme.test' }), by: app.admin }),
      ),
    )
    expect(made.map(({ status }) => status).sort()).toEqual([201, 400, 400])
    const refused = names.filter((_, at) => made[at]?.status === 400)
    for (const name of refused)
      expect((await app.call('post', '/users/', { body: draft(name), by: app.admin })).status).toBe(201)
  })

  it('leave their address to others: where they are removed, and where they could not be made', async () => {
    const { app } = used
    const gone = await app.call('post', '/users/', { body: draft('ivan'), by: app.admin })
    expect((await app.call('delete', `/users/${gone.json.id}`, { by: app.admin })).status).toBe(204)
    const elsewhere = await app.call('post', '/users/', { body: draft('judith'), by: app.admin })
    expect(elsewhere.status).toBe(201)
    await doorOf(app, app.admin).identities.removeUser('judith')
    const failed = draft('operator', { email: 'spare@acme.test' })
    expect((await app.call('post', '/users/', { body: failed, by: app.admin })).status).toBe(400)
    for (const email of ['ivan@acme.test', 'JUDITH@acme.test', 'spare@acme.test']) {
      const next = draft(`next-${email.split('@')[0]?.toLowerCase()}`, { email })
      const { json } = await app.call('post', '/users/', { body: next, by: app.admin })
      expect(json).toMatchObject({ email: email.toLowerCase() })
    }
    const told = await app.call('get', '/audit-logs/?action=user_create&limit=1', { by: app.admin })
    expect(told.json).toMatchObject([{ organization_id: app.admin.organizationId }])
  })

  it('whose making a crash cut off hold no address for longer than an hour', async () => {
    const { app } = used
    const row = { username: ' cut-off', email: 'cut-off@acme.test', updated_at: app.host.clock().getTime() }
    await transaction(app.host.db, (db) =>
      withTables<FastpkiTables>(db).insertInto('fastpki_emails').values(row).execute(),
    )
    const clean = async () => {
      for (const { run } of fastpki.chores?.(app.host) ?? []) await run()
    }
    await clean()
    const body = draft('cut-off')
    expect((await app.call('post', '/users/', { body, by: app.admin })).status).toBe(400)
    app.world.time.pass(3_600_000)
    await clean()
    expect((await app.call('post', '/users/', { body, by: app.admin })).status).toBe(201)
  })

  it('have a flag only where they have it for the whole organization', async () => {
    const { app } = used
    const judy = await app.person('judy')
    const door = doorOf(app, app.admin)
    const [authority] = await door.admin.authorities()
    await door.admin.grant({ user: 'judy', capability: 'create_cert', authority: authority?.name ?? '' })
    const path = `/users/${judy.id}`
    expect((await app.call('get', path, { by: judy })).json).toMatchObject({ can_create_cert: false })
    const changed = await app.call('patch', path, { body: { can_create_cert: true }, by: app.admin })
    expect(changed.json).toMatchObject({ can_create_cert: true })
    const grants = (await door.admin.users()).find(({ name }) => name === 'judy')?.grants ?? []
    expect(grants.map(({ authority }) => authority)).toContain(null)
  })

  it('are removed by superusers, never by themselves', async () => {
    const { app } = used
    const { json } = await app.call('post', '/users/', { body: draft('heidi'), by: app.admin })
    expect((await app.call('delete', `/users/${json.id}`, { by: app.operator })).status).toBe(403)
    expect((await app.call('delete', `/users/${app.admin.id}`, { by: app.admin })).status).toBe(400)
    expect((await app.call('delete', `/users/${json.id}`, { by: app.admin })).status).toBe(204)
    expect((await app.call('get', `/users/${json.id}`, { by: app.admin })).status).toBe(404)
    expect((await app.call('delete', `/users/${json.id}`, { by: app.admin })).status).toBe(404)
  })
})

describe('organizations', () => {
  it('are made by superusers, described by administrators, and seen by their own', async () => {
    const { app } = used
    const body = { name: 'Acme Corp', description: 'the first' }
    const { status, json } = await app.call('post', '/organizations/', { body, by: app.admin })
    expect({ status, json }).toMatchObject({ status: 201, json: body })
    const again = await app.call('post', '/organizations/', { body, by: app.admin })
    expect(again).toMatchObject({ status: 400, json: { detail: 'Organization name already registered' } })
    expect((await app.call('post', '/organizations/', { body: { name: 'B' } })).status).toBe(403)
    const own = await app.call('get', '/organizations/')
    expect(own.json.map(({ id }: { id: number }) => id)).toEqual([app.operator.organizationId])
    expect((await app.call('get', `/organizations/${json.id}`)).status).toBe(404)
    expect((await app.call('get', `/organizations/${json.id}`, { by: app.admin })).json).toEqual(json)
    const put = (by = app.admin, sent: unknown = { description: 'still' }) =>
      app.call('put', `/organizations/${app.operator.organizationId}`, { body: sent, by })
    expect((await put()).json.description).toBe('still')
    expect((await put(app.operator)).status).toBe(403)
    expect((await put(app.stranger)).status).toBe(404)
    expect((await put(app.admin, { name: 'renamed' })).status).toBe(400)
  })

  it('have users, who are in one from the beginning', async () => {
    const { app } = used
    const own = `/organizations/${app.operator.organizationId}/users`
    const { json } = await app.call('get', own, { by: app.admin })
    expect(json.map(({ id }: { id: number }) => id)).toContain(app.operator.id)
    expect((await app.call('get', own)).json.map(({ id }: { id: number }) => id)).toEqual([app.operator.id])
    expect((await app.call('post', `${own}/${app.operator.id}`, { by: app.admin })).json.username).toBe('operator')
    expect((await app.call('post', `${own}/${app.stranger.id}`, { by: app.admin })).status).toBe(400)
    expect((await app.call('delete', `${own}/${app.operator.id}`, { by: app.admin })).status).toBe(400)
    expect((await app.call('delete', `${own}/${app.stranger.id}`, { by: app.admin })).status).toBe(400)
    expect((await app.call('post', `${own}/${app.operator.id}`)).status).toBe(403)
  })

  it('are not deleted', async () => {
    const { app } = used
    const { json: empty } = await app.call('post', '/organizations/', { body: { name: 'Empty' }, by: app.admin })
    for (const id of [empty.id, app.operator.organizationId])
      expect((await app.call('delete', `/organizations/${id}`, { by: app.admin })).status).toBe(400)
    expect((await app.call('delete', `/organizations/${empty.id}`)).status).toBe(404)
  })
})
