import { decodeJwt, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { fastpki } from '../../protocols/fastpki/index.ts'
import type { FastpkiTables } from '../../protocols/fastpki/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { doorOf, type FastpkiApp, PASSWORD, type Person, useFastpkiApp } from '../helpers/fastpkiApp.ts'

interface Pair {
  access_token: string
  refresh_token: string
}

let addresses = 0

/** From an address of its own, so that the limit of one test is not another's. */
async function login(app: FastpkiApp, { name }: Pick<Person, 'name'>, password = PASSWORD) {
  addresses++
  app.source = `198.51.100.${addresses}`
  return app.call('post', '/auth/token', { by: null, form: { username: name, password } })
}

const refresh = (app: FastpkiApp, refresh_token: string) =>
  app.call('post', '/auth/refresh', { by: null, body: { refresh_token } })

const me = async (app: FastpkiApp, by: string) => (await app.call('get', '/users/me', { by })).status

describe.each(databases)('tokens on $name', ({ open }) => {
  const used = useFastpkiApp(open)

  it('are given for a name and a password; the access token is a JWT for 15 minutes', async () => {
    const { app } = used
    const { status, json } = await login(app, app.operator)
    expect({ status, type: json.token_type }).toEqual({ status: 200, type: 'bearer' })
    const claims = decodeJwt(json.access_token)
    expect(claims).toMatchObject({ sub: 'operator', id: app.operator.id, role: 'user' })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(900)
    expect(await me(app, json.access_token)).toBe(200)
    app.world.time.pass(901_000)
    expect(await me(app, json.access_token)).toBe(401)
  })

  it('rotate: each refresh token is good once, and the newest goes on', async () => {
    const { app } = used
    const { json: first } = await login(app, app.operator)
    const { json: second, status } = await refresh(app, first.refresh_token)
    expect(status).toBe(200)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect(await me(app, second.access_token)).toBe(200)
    expect((await refresh(app, second.refresh_token)).status).toBe(200)
  })

  it('end with all that came of their log-in when a refresh token comes twice', async () => {
    const { app } = used
    const { json: first } = await login(app, app.operator)
    const { json: second } = await refresh(app, first.refresh_token)
    expect((await refresh(app, first.refresh_token)).status).toBe(401)
    expect((await refresh(app, second.refresh_token)).status).toBe(401)
    for (const token of [first.access_token, second.access_token]) expect(await me(app, token)).toBe(401)
  })

  it('of a race of one refresh token one passes, and the theft ends all of them', async () => {
    const { app } = used
    const { json: first } = await login(app, app.operator)
    const all = await Promise.all(Array.from({ length: 10 }, () => refresh(app, first.refresh_token)))
    const passed = all.filter(({ status }) => status === 200)
    expect(passed.length).toBeLessThanOrEqual(1)
    expect(all.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(9)
    for (const { json } of passed) {
      expect((await refresh(app, (json as Pair).refresh_token)).status).toBe(401)
      expect(await me(app, (json as Pair).access_token)).toBe(401)
    }
    const rows = await withTables<FastpkiTables>(app.host.db)
      .selectFrom('fastpki_refresh_tokens')
      .innerJoin('fastpki_token_families', 'fastpki_token_families.id', 'family_id')
      .select('hash')
      .where('ended_at', 'is', null)
      .where('used_at', 'is', null)
      .where('user_id', '=', app.operator.id)
      .execute()
    // Only that of the family that went on in another test.
    expect(rows.length).toBeLessThanOrEqual(2)
  })

  it('of one log-in end with its logout, which is nobody else’s to ask', async () => {
    const { app } = used
    const { json: mine } = await login(app, app.operator)
    const { json: other } = await login(app, app.operator)
    const body = { refresh_token: mine.refresh_token }
    expect((await app.call('post', '/auth/logout', { by: app.admin, body })).status).toBe(403)
    expect((await app.call('post', '/auth/logout', { by: null, body })).status).toBe(401)
    expect((await app.call('post', '/auth/logout', { by: mine.access_token, body })).status).toBe(204)
    expect(await me(app, mine.access_token)).toBe(401)
    expect((await refresh(app, mine.refresh_token)).status).toBe(401)
    expect(await me(app, other.access_token)).toBe(200)
    const unknown = { refresh_token: 'x'.repeat(43) }
    expect((await app.call('post', '/auth/logout', { by: other.access_token, body: unknown })).status).toBe(401)
  })

  it('of a user all end when he invalidates them', async () => {
    const { app } = used
    const pairs = [(await login(app, app.operator)).json, (await login(app, app.operator)).json] as Pair[]
    expect((await app.call('post', '/auth/invalidate', { by: pairs[0]?.access_token ?? '' })).status).toBe(204)
    for (const { access_token, refresh_token } of pairs) {
      expect(await me(app, access_token)).toBe(401)
      expect((await refresh(app, refresh_token)).status).toBe(401)
    }
  })

  it('end with the session that an administrator ends, with a new password, and with their user', async () => {
    const { app } = used
    const door = doorOf(app, app.admin)
    const person = await app.person('leaves')
    const { json: ended } = await login(app, person)
    await door.identities.endSessions(person.name)
    expect(await me(app, ended.access_token)).toBe(401)
    expect((await refresh(app, ended.refresh_token)).status).toBe(401)
    const { json: older } = await login(app, person)
    await app.host.core.authentication.changePassword(person.name, PASSWORD, 'another long password')
    expect((await refresh(app, older.refresh_token)).status).toBe(401)
    const { json: last } = await login(app, person, 'another long password')
    await door.admin.changeUser(person.name, { enabled: false })
    expect(await me(app, last.access_token)).toBe(401)
  })

  it('rest a session’s length at most', async () => {
    const { app } = used
    const { json } = await login(app, app.operator)
    app.world.time.pass(31 * 60_000)
    expect((await refresh(app, json.refresh_token)).status).toBe(401)
  })

  it('are asked for five times a minute from one address, and a sixth time later', async () => {
    const { app } = used
    app.source = '203.0.113.9'
    const ask = () => app.call('post', '/auth/token', { by: null, form: { username: 'operator', password: PASSWORD } })
    const all = await Promise.all(Array.from({ length: 7 }, ask))
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 429, 429])
    const refused = all.find(({ status }) => status === 429)
    expect(refused?.json.detail).toBe('Rate limit exceeded: 5 per 1 minute')
    expect(Number(refused?.headers.get('retry-after'))).toBeLessThanOrEqual(12)
    app.source = '203.0.113.10'
    expect((await ask()).status).toBe(200)
    app.source = '203.0.113.9'
    app.world.time.pass(12_000)
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(429)
  })

  it('rest in the database so that who reads it is nobody', async () => {
    const { app } = used
    const { json } = await login(app, app.operator)
    const tables = withTables<FastpkiTables>(app.host.db)
    const families = await tables.selectFrom('fastpki_token_families').selectAll().execute()
    const tokens = await tables.selectFrom('fastpki_refresh_tokens').selectAll().execute()
    expect(JSON.stringify([families, tokens])).not.toContain(json.refresh_token)
    for (const { session } of families)
      expect(await app.host.core.authentication.session(session.toString())).toBeUndefined()
  })
})

describe('tokens that have ended', () => {
  const used = useFastpkiApp()

  it('are forgotten, with what was counted, and those that are good stay', async () => {
    const { app } = used
    const tables = withTables<FastpkiTables>(app.host.db)
    const count = async () => [
      (await tables.selectFrom('fastpki_token_families').selectAll().execute()).length,
      (await tables.selectFrom('fastpki_refresh_tokens').selectAll().execute()).length,
      (await tables.selectFrom('fastpki_sign_ins').selectAll().execute()).length,
    ]
    const { json: first } = await login(app, app.operator)
    await refresh(app, first.refresh_token)
    app.world.time.pass(12 * 3_600_000)
    await login(app, app.operator)
    expect(await count()).toEqual([2, 3, 2])
    app.world.time.pass(13 * 3_600_000)
    for (const { run } of fastpki.chores?.(app.host) ?? []) await run()
    expect(await count()).toEqual([1, 1, 0])
  })
})

describe('tokens are refused', () => {
  const used = useFastpkiApp()

  it('for a wrong password and an unknown name alike', async () => {
    const { app } = used
    const wrong = await login(app, app.operator, 'wrong')
    const unknown = await login(app, { name: 'nobody-here' })
    expect(wrong).toMatchObject({ status: 401, json: { detail: 'Incorrect username or password' } })
    expect(unknown.json).toEqual(wrong.json)
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer')
  })

  it.each([
    ['no form', { raw: '' }],
    ['no password', { form: { username: 'operator' } }],
    ['no name', { form: { password: PASSWORD } }],
    ['JSON', { body: { username: 'operator', password: PASSWORD } }],
  ])('for %s, and no answer tells a password', async (_, sent) => {
    const { app } = used
    addresses++
    app.source = `198.51.100.${addresses}`
    const { status, text, json } = await app.call('post', '/auth/token', { by: null, ...sent })
    expect(status).toBe(422)
    expect(json.detail[0]).toMatchObject({ type: 'missing', msg: 'Field required', input: null })
    expect(text).not.toContain(PASSWORD)
  })

  it('where they are none of ours, signed by another key, of no algorithm, or of no time', async () => {
    const { app } = used
    const { json } = await login(app, app.operator)
    const [, payload = ''] = json.access_token.split('.')
    const none = `${Buffer.from('{"alg":"none","typ":"fastpki+jwt"}').toString('base64url')}.${payload}.`
    const forged = await new SignJWT(decodeJwt(json.access_token))
      .setProtectedHeader({ alg: 'HS256', typ: 'fastpki+jwt' })
      .sign(Buffer.alloc(32))
    for (const token of [none, forged, `${json.access_token}x`, 'x', 'a.b.c', json.refresh_token, 'cs_x'])
      expect([token, await me(app, token)]).toEqual([token, 401])
    expect((await app.call('get', '/users/me', { by: null })).json.detail).toBe('Not authenticated')
    const basic = { authorization: `Basic ${Buffer.from(`operator:${PASSWORD}`).toString('base64')}` }
    expect((await app.call('get', '/users/me', { by: null, headers: basic })).status).toBe(401)
  })

  it('as refresh tokens where they are access tokens, too long, or nothing', async () => {
    const { app } = used
    const { json } = await login(app, app.operator)
    expect((await refresh(app, json.access_token)).status).toBe(401)
    expect((await refresh(app, 'x'.repeat(2000))).status).toBe(422)
    const empty = await app.call('post', '/auth/refresh', { by: null, body: {} })
    expect(empty.json.detail).toEqual([
      { type: 'missing', loc: ['body', 'refresh_token'], msg: 'Field required', input: null },
    ])
  })
})
