import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readToken, writeToken } from '../../protocols/notary/jwt.ts'
import { ACCOUNTS, doorOf, PASSWORD, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'
import { until } from '../helpers/until.ts'

const it = useNotaryApp()

const EMAIL = 'manager@notary.test'
const me = (headers: Record<string, string>) => it.app.call('GET', `${ACCOUNTS}/me`, { headers })
const bearer = (token: string) => me({ authorization: `Bearer ${token}` })
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const read = (token: string) => token.split('.').map((each) => Buffer.from(each, 'base64url').toString('utf8'))

describe('logging in', () => {
  test('gives the token in the body and in a cookie, which both speak for the account', async () => {
    const { status, json, headers } = await it.app.call('POST', '/login', {
      body: { email: EMAIL, password: PASSWORD },
    })
    expect(status).toBe(200)
    const { token } = json.result
    const cookie = headers.get('set-cookie') ?? ''
    expect(cookie).toBe(`user_token=${token}; Path=/; Max-Age=7200; HttpOnly; Secure; SameSite=Strict`)
    for (const shown of [await bearer(token), await me({ cookie: `user_token=${token}` })])
      expect(shown.json.result.email).toBe(EMAIL)
  })

  test('the token is a JWT under HS256 with the claims of the contract, for an hour', async () => {
    const [header = '', claims = ''] = read(await it.app.login(EMAIL))
    expect(JSON.parse(header)).toEqual({ alg: 'HS256', typ: 'JWT' })
    const exp = Math.floor(it.app.world.time.now.getTime() / 1000) + 3600
    expect(JSON.parse(claims)).toMatchObject({ id: expect.any(Number), email: EMAIL, role_id: 1, exp })
  })

  test('takes the name as username, as the oldest clients send it', async () => {
    const body = { username: EMAIL, password: PASSWORD }
    expect((await it.app.call('POST', '/login', { body })).status).toBe(200)
  })

  test.each([
    [{ password: PASSWORD }, 400, 'Email is required'],
    [{ email: '', password: PASSWORD }, 400, 'invalid request: Email is required'],
    [{ email: EMAIL }, 400, 'Password is required'],
    [{ email: EMAIL, password: 'Wrong-Horse-7' }, 401, 'Unauthorized'],
    [{ email: 'unknown@notary.test', password: PASSWORD }, 401, 'Unauthorized'],
    [{ email: 7, password: PASSWORD }, 400, 'invalid request: Email is required'],
  ])('with %j is refused', async (body, status, error) => {
    expect(await it.app.call('POST', '/login', { body })).toMatchObject({ status, json: { error } })
  })

  test('says the same of an unknown name and of a wrong password', async () => {
    const text = async (email: string) =>
      (await it.app.call('POST', '/login', { body: { email, password: 'Wrong-Horse-7' } })).text
    expect(await text(EMAIL)).toBe(await text('unknown@notary.test'))
    expect(await text(EMAIL)).toContain('The email or password is incorrect')
  })

  test('too many wrong passwords are 429, with the time to wait, and then the right one too', async () => {
    const email = 'guessed@notary.test'
    await it.app.account(email, 3)
    const guess = (password: string) => it.app.call('POST', '/login', { body: { email, password } })
    for (let tries = 0; tries < 10; tries++) expect((await guess('Wrong-Horse-7')).status).toBe(401)
    const refused = await guess(PASSWORD)
    expect(refused).toMatchObject({ status: 429, json: { error: 'Too Many Requests' } })
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    it.app.world.time.pass(3_700_000)
    expect((await guess(PASSWORD)).status).toBe(200)
  })

  test('no JSON is refused', async () => {
    expect(await it.app.call('POST', '/login', { raw: 'email=x' })).toMatchObject({
      status: 400,
      json: { error: 'Invalid JSON format' },
    })
  })

  test('who has no role here gets no session', async () => {
    const { admin } = await doorOf(it.app, 'admin')
    await admin.createUser({ name: 'norole@notary.test' })
    const { secret } = await admin.createSetupLink('norole@notary.test')
    await it.app.world.core.authentication.usePasswordLink(secret, PASSWORD)
    const body = { email: 'norole@notary.test', password: PASSWORD }
    expect((await it.app.call('POST', '/login', { body })).status).toBe(403)
    expect(await (await doorOf(it.app, 'admin')).identities.sessions('norole@notary.test')).toEqual([])
  })

  test('a page of another site logs nobody in, and changes nothing by the cookie', async () => {
    const headers = { origin: 'https://evil.test' }
    const body = { email: EMAIL, password: PASSWORD }
    expect((await it.app.call('POST', '/login', { body, headers })).status).toBe(403)
    const cookie = `user_token=${await it.app.login(EMAIL)}`
    const csr = await it.app.csr('csrf.test')
    const post = (more: Record<string, string>) =>
      it.app.call('POST', REQUESTS, { body: { csr }, headers: { cookie, ...more } })
    expect((await post(headers)).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'same-origin' })).status).toBe(201)
  })
})

describe('a token', () => {
  const secretOf = async () => {
    const token = await it.app.login(EMAIL)
    const [, claims = ''] = read(token)
    const jti = readToken(it.app.host.secret, token, it.app.world.time.now)
    return { ...JSON.parse(claims), jti }
  }

  test.each([
    ['another key', async () => writeToken(randomBytes(32), await secretOf())],
    ['no signature', async () => `${part({ alg: 'none', typ: 'JWT' })}.${part(await secretOf())}.`],
    [
      'another algorithm',
      async () => {
        const signed = `${part({ alg: 'HS512', typ: 'JWT' })}.${part(await secretOf())}`
        return `${signed}.${createHmac('sha512', it.app.host.secret).update(signed).digest('base64url')}`
      },
    ],
    ['other claims', async () => (await it.app.login(EMAIL)).replace(/\.[^.]+\./, `.${part({ exp: 9e9, jti: 'x' })}.`)],
    ['a session that is not there', async () => writeToken(it.app.host.secret, { ...(await secretOf()), jti: 'x' })],
    ['its session alone', async () => (await secretOf()).jti],
    ['something more', async () => `${await it.app.login(EMAIL)}.x`],
    ['nothing of it', async () => 'banana'],
  ])('with %s is refused', async (_, make) => {
    expect(await bearer(await make())).toMatchObject({ status: 401, json: { error: 'Unauthorized' } })
  })

  test('says nothing about the role: that is as it is now', async () => {
    const { jti, exp } = await secretOf()
    const forged = writeToken(it.app.host.secret, { id: 1, email: 'admin', role_id: 0, exp, jti })
    expect((await bearer(forged)).json.result).toMatchObject({ email: EMAIL, role_id: 1 })
  })

  test('gives its session to nobody: that is longer than an hour, and good elsewhere', async () => {
    const token = await it.app.login(EMAIL)
    const { authentication } = it.app.world.core
    const session = readToken(it.app.host.secret, token, it.app.world.time.now) ?? ''
    expect((await authentication.session(session))?.name).toBe(EMAIL)
    expect(read(token).join()).not.toContain(session)
    const [, claims = ''] = read(token)
    for (const value of Object.values(JSON.parse(claims)).map(String))
      expect(await authentication.session(value)).toBeUndefined()
  })

  test('ends after an hour', async () => {
    const token = await it.app.login(EMAIL)
    it.app.world.time.pass(3_601_000)
    expect((await bearer(token)).status).toBe(401)
  })

  test('ends when its account logs out, by header or by cookie', async () => {
    for (const name of ['authorization', 'cookie']) {
      const token = await it.app.login(EMAIL)
      const value = name === 'cookie' ? `user_token=${token}` : `Bearer ${token}`
      const { status, headers } = await it.app.call('POST', '/logout', { headers: { [name]: value } })
      expect(status).toBe(200)
      expect(headers.get('set-cookie')).toContain('user_token=; Path=/; Max-Age=0')
      expect((await bearer(token)).status).toBe(401)
    }
  })

  test('is not taken out of a browser by a page of another site, which cannot show it', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }
    const refused = await it.app.call('POST', '/logout', { headers })
    expect([refused.status, refused.headers.get('set-cookie')]).toEqual([403, null])
  })

  test('is not needed to log out', async () => {
    expect((await it.app.call('POST', '/logout')).status).toBe(200)
  })

  test('of the core speaks for its user too; a limited one for no more than it may', async () => {
    const { admin } = await doorOf(it.app, EMAIL)
    const { text } = await admin.createToken({ user: EMAIL, name: 'program' })
    expect((await bearer(text)).json.result.email).toBe(EMAIL)
    const scope = { capabilities: ['read'] }
    const { text: limited } = await admin.createToken({ user: EMAIL, name: 'limited', scope } as never)
    const body = { csr: await it.app.csr('limited.test') }
    expect((await it.app.call('POST', REQUESTS, { by: limited, body })).status).toBe(403)
  })

  test('as Basic is refused', async () => {
    const authorization = `Basic ${Buffer.from(`${EMAIL}:${PASSWORD}`).toString('base64')}`
    expect((await me({ authorization })).status).toBe(401)
  })
})

describe('what the server says about itself', () => {
  test('its status, to anybody', async () => {
    const { json } = await it.app.call('GET', '/status')
    expect(json.result).toEqual({ initialized: true, version: '0.1.0', oidc_enabled: false })
  })

  test('its configuration, and that it has no ACME servers', async () => {
    const by = await it.app.login(EMAIL)
    expect(await it.app.result('GET', '/api/v1/config', { by })).toEqual({
      port: 443,
      pebble_notifications: false,
      logging_level: 'silent',
      logging_output: 'stdout',
      encryption_backend_type: 'none',
      acme_enabled: false,
      acme_server_name: '',
    })
    expect(await it.app.result('GET', '/api/v1/acme_servers', { by })).toEqual([])
  })

  test('its metrics, to anybody, in the names of the contract', async () => {
    it.app.world.time.pass(120_000)
    const by = await it.app.login('requestor@notary.test')
    const number = async (name: string) => {
      const { text } = await it.app.call('GET', '/metrics')
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
    }
    const before = {
      all: await number('certificate_requests'),
      waits: await number('outstanding_certificate_requests'),
    }
    const id = await it.app.request('metric.test', by)
    await it.app.request('metric-too.test', by)
    const body = { certificate_authority_id: String(it.app.issuing) }
    const admin = await it.app.login('admin')
    await it.app.result('POST', `${REQUESTS}/${id}/sign`, { by: admin, body })
    it.app.world.time.pass(120_000)
    // Counted anew in the background, while the last figures are shown.
    expect(await number('certificate_requests')).toBe(before.all)
    await until('new figures', async () => ((await number('certificate_requests')) > before.all ? true : undefined), {
      every: 5,
    })
    expect(await number('certificate_requests')).toBe(before.all + 2)
    expect(await number('outstanding_certificate_requests')).toBe(before.waits + 1)
    expect(await number('certificates')).toBe(1)
    expect(await number('certificates_expired')).toBe(0)
    expect(await number('certificates_expiring_in_1_days')).toBe(0)
    expect(await number('certificates_expiring_in_90_days')).toBe(1)
    const { text, headers } = await it.app.call('GET', '/metrics')
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(text).toMatch(/http_requests_total\{method="POST",status="201"\} [1-9]/)
    expect(text).toMatch(/http_request_duration_seconds_count [1-9]/)
  })
})
