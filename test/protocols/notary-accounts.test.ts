import { describe, expect, test } from 'vitest'
import { ACCOUNTS, doorOf, PASSWORD, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const one = (id: number, more = '') => `${ACCOUNTS}/${id}${more}`
const create = (body: Record<string, unknown>) => it.app.call('POST', ACCOUNTS, { by: it.app.admin, body })
const make = async (email: string, role_id: number): Promise<number> =>
  (await create({ email, password: PASSWORD, role_id })).json.result.id
const show = (id: number) => it.app.result('GET', one(id), { by: it.app.admin })
const put = (id: number, role_id: unknown, by = it.app.admin) =>
  it.app.call('PUT', one(id, '/role'), { by, body: { role_id } })

describe('accounts', () => {
  test.each([
    [0, [], true],
    [1, ['notary-certificate-manager'], false],
    [2, ['notary-certificate-requestor'], false],
    [3, ['notary-read-only'], false],
  ])('of role %i are created, as roles of the core', async (role, roles, admin) => {
    const email = `role${role}@accounts.test`
    const made = await create({ email, password: PASSWORD, role_id: role })
    expect(made.status).toBe(201)
    const { id } = made.json.result
    const view = { id, email, role_id: role, has_password: true, has_oidc: false, auth_methods: ['local'] }
    expect(await show(id)).toEqual(view)
    const me = await it.app.result('GET', `${ACCOUNTS}/me`, { by: await it.app.login(email) })
    expect(me).toEqual(view)
    const door = await doorOf(it.app, email)
    expect(await door.identities.me()).toMatchObject({ roles, admin, superuser: false })
  })

  test('a role that was made here is granted what it needs, and no more', async () => {
    await make('granted@accounts.test', 2)
    const roles = await (await doorOf(it.app, 'admin')).identities.roles()
    const granted = (name: string) =>
      roles.find((role) => role.name === name)?.capabilities.map(({ capability }) => capability)
    expect(granted('notary-certificate-requestor')).toEqual(['create_cert'])
    expect(granted('notary-read-only')).toEqual(['read'])
  })

  test('a role that has members stays as its administrators have made it', async () => {
    const { admin } = await doorOf(it.app, 'admin')
    await admin.ungrant({ role: 'notary-read-only', capability: 'read' })
    await make('tailored@accounts.test', 3)
    const roles = await (await doorOf(it.app, 'admin')).identities.roles()
    expect(roles.find(({ name }) => name === 'notary-read-only')?.capabilities).toEqual([])
    await admin.grant({ role: 'notary-read-only', capability: 'read' })
  })

  test('are listed, those without a part in Notary not', async () => {
    await (await doorOf(it.app, 'admin')).admin.createUser({ name: 'nobody@accounts.test' })
    const emails = (await it.app.result('GET', ACCOUNTS, { by: it.app.admin })).map(
      ({ email }: { email: string }) => email,
    )
    expect(emails).toEqual(expect.arrayContaining(['admin', 'manager@notary.test']))
    expect(emails).not.toContain('nobody@accounts.test')
    expect(emails).not.toContain('stranger@elsewhere.test')
  })

  test.each([
    ['no email', { email: undefined }, /email is required/],
    ['an email that no user can have', { email: 'a b@accounts.test' }, /./],
    ['no password', { password: undefined }, /Password is required/],
    ['a weak one', { password: 'short' }, /8 or more characters/],
    ['one without a capital letter', { password: 'correct-horse-7' }, /8 or more characters/],
    ['one without a small letter', { password: 'CORRECT-HORSE-7' }, /8 or more characters/],
    ['one of letters only', { password: 'CorrectHorseBattery' }, /8 or more characters/],
    ['one of fewer than twelve', { password: 'Correct-7' }, /12 or more characters/],
    [
      'one of eleven once accents are on their letters',
      { password: `Correct-7e${'e\u0301'}` },
      /12 or more characters/,
    ],
    ['one of more than 200', { password: `Correct-7${'x'.repeat(200)}` }, /200 characters/],
    ['no role', { role_id: undefined }, /role_id/],
    ['a role that there is not', { role_id: 4 }, /role_id/],
    ['a role as text', { role_id: '1' }, /role_id/],
  ])('are not created with %s, and nobody is made', async (_, change, why) => {
    const email = 'refused@accounts.test'
    const refused = await create({ email, password: PASSWORD, role_id: 2, ...change })
    expect(refused.status, refused.text).toBe(400)
    expect(refused.json.error).toMatch(why)
    const users = await (await doorOf(it.app, 'admin')).admin.users()
    expect(users.map(({ name }) => name)).not.toContain(email)
  })

  test('are not created twice', async () => {
    const body = { email: 'twice@accounts.test', password: PASSWORD, role_id: 2 }
    expect((await create(body)).status).toBe(201)
    expect(await create(body)).toMatchObject({
      status: 400,
      json: { error: 'account with given email already exists' },
    })
  })

  test('are deleted, and log in no more', async () => {
    const id = await make('gone@accounts.test', 2)
    const token = await it.app.login('gone@accounts.test')
    const gone = await it.app.call('DELETE', one(id), { by: it.app.admin })
    expect(gone).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect((await it.app.call('GET', one(id), { by: it.app.admin })).status).toBe(404)
    expect((await it.app.call('GET', `${ACCOUNTS}/me`, { by: token })).status).toBe(401)
    const body = { email: 'gone@accounts.test', password: PASSWORD }
    expect((await it.app.call('POST', '/login', { body })).status).toBe(401)
  })

  test('nobody deletes himself; of the last one the contract has its own words', async () => {
    const { id } = await it.app.result('GET', `${ACCOUNTS}/me`, { by: it.app.admin })
    const refused = await it.app.call('DELETE', one(id), { by: it.app.admin })
    expect(refused.status).toBe(422)
    const by = it.app.stranger
    const own = await it.app.result('GET', `${ACCOUNTS}/me`, { by })
    const last = await it.app.call('DELETE', one(own.id), { by })
    expect(last).toMatchObject({
      status: 400,
      json: { error: 'cannot delete the last user account when OIDC is not enabled' },
    })
  })

  test('change their role: what they were they are no more', async () => {
    const id = await make('changing@accounts.test', 1)
    const { identities } = await doorOf(it.app, 'changing@accounts.test')
    for (const [role, roles, admin] of [
      [2, ['notary-certificate-requestor'], false],
      [0, [], true],
      [3, ['notary-read-only'], false],
    ] as const) {
      expect((await put(id, role)).status).toBe(201)
      expect((await show(id)).role_id).toBe(role)
      expect(await identities.me()).toMatchObject({ roles, admin })
    }
  })

  test('no administrator lowers himself, and none a superuser', async () => {
    const by = await it.app.account('chief@accounts.test', 0)
    const { id } = await it.app.result('GET', `${ACCOUNTS}/me`, { by })
    expect((await put(id, 3, by)).status).toBe(400)
    const root = await it.app.result('GET', `${ACCOUNTS}/me`, { by: it.app.admin })
    expect((await put(root.id, 3, by)).status).toBe(403)
    expect((await put(root.id, 3)).status).toBe(403)
    expect((await put(id, 'x')).status).toBe(400)
  })

  test('set their own password by the present one, and all their sessions end', async () => {
    const by = await it.app.account('own@accounts.test', 2)
    const change = (body: object) => it.app.call('POST', `${ACCOUNTS}/me/change_password`, { by, body })
    const next = 'Another-Horse-8'
    expect(await change({ password: next })).toMatchObject({
      status: 400,
      json: { error: expect.stringContaining('current_password') },
    })
    expect((await change({ password: next, current_password: 'Wrong-Horse-9' })).status).toBe(400)
    expect((await change({ password: 'weak', current_password: PASSWORD })).status).toBe(400)
    expect((await change({ password: next, current_password: PASSWORD })).status).toBe(201)
    expect((await it.app.call('GET', `${ACCOUNTS}/me`, { by })).status).toBe(401)
    expect(await it.app.login('own@accounts.test', next)).toMatch(/./)
  })

  test('the password of another is set by a superuser; by another administrator not, once there is one', async () => {
    const id = await make('forgot@accounts.test', 2)
    const change = (by: string, password: string) =>
      it.app.call('POST', one(id, '/change_password'), { by, body: { password } })
    const by = await it.app.account('helper@accounts.test', 0)
    expect((await change(by, 'Another-Horse-8')).status).toBe(403)
    expect((await change(it.app.admin, 'weak')).status).toBe(400)
    expect((await change(it.app.admin, 'Another-Horse-8')).status).toBe(201)
    expect(await it.app.login('forgot@accounts.test', 'Another-Horse-8')).toMatch(/./)
  })

  test('who loses his role has no part in Notary from then on', async () => {
    const by = await it.app.account('former@accounts.test', 2)
    const { admin } = await doorOf(it.app, 'admin')
    await admin.removeFromRole('former@accounts.test', 'notary-certificate-requestor')
    expect(await it.app.call('GET', `${ACCOUNTS}/me`, { by })).toMatchObject({
      status: 403,
      json: { message: expect.stringContaining('has no role here') },
    })
    const body = { email: 'former@accounts.test', password: PASSWORD }
    expect((await it.app.call('POST', '/login', { body })).status).toBe(403)
  })
})
