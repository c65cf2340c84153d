import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { setPassword } from '../../src/core/login/login.ts'
import { system } from '../../src/core/requester.ts'
import { readCookie, requireOwnPage, secretCookie } from '../../src/http/cookie.ts'
import { databases } from '../helpers/databases.ts'
import { createRaApp, type RaApp } from '../helpers/raApp.ts'

const password = 'a password of some length'
const login = { username: 'operator', password }

describe('identities over REST', () => {
  let app: RaApp
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await (databases[0] as (typeof databases)[number]).open()
    close = opened.close
    app = await createRaApp(opened.db)
    await setPassword(opened.db, { actor: system('test'), at: app.world.time.now }, app.operator.id, password)
  })
  afterAll(() => close())

  async function cookie(): Promise<string> {
    const { status, headers } = await app.call('post', '/v1/countersign/sessions', { by: null, body: login })
    expect(status).toBe(201)
    return /^(__Host-session-id=[\w-]{43});/.exec(headers.get('set-cookie') ?? '')?.[1] ?? ''
  }
  const own = { origin: 'https://ra.test' }

  test('a session is in a cookie that scripts and other sites do not get', async () => {
    const { headers, json, text } = await app.call('post', '/v1/countersign/sessions', { by: null, body: login })
    expect(headers.get('set-cookie')).toMatch(
      /^__Host-session-id=[\w-]{43}; Path=\/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax$/,
    )
    expect(json.user).toBe('operator')
    expect(text).not.toContain(/__Host-session-id=([\w-]{43})/.exec(headers.get('set-cookie') ?? '')?.[1])
  })
  test('it says who calls, until he logs out', async () => {
    const session = await cookie()
    const me = () => app.call('get', '/v1/auth/profile', { by: null, headers: { cookie: `a=b; ${session}; c=d` } })
    expect((await me()).json).toMatchObject({ username: 'operator', enabled: true, systemUser: false })
    const out = { by: null, headers: { cookie: session, ...own } }
    const gone = await app.call('delete', '/v1/countersign/sessions/current', out)
    expect([gone.status, gone.headers.get('set-cookie')]).toEqual([
      204,
      expect.stringMatching(/^__Host-session-id=; .*Max-Age=0/),
    ])
    expect((await me()).status).toBe(401)
  })
  test('programs may show it by the name in the contract, browsers may not', async () => {
    const contract = (await cookie()).replace('__Host-', '')
    const me = (headers: Record<string, string>) =>
      app.call('get', '/v1/auth/profile', { by: null, headers: { cookie: contract, ...headers } })
    expect((await me({})).json).toMatchObject({ username: 'operator' })
    // What a neighbour of the domain has set, a browser would send like this.
    expect((await me({ 'sec-fetch-site': 'same-origin' })).status).toBe(401)
    expect((await me({ 'sec-fetch-mode': 'navigate' })).status).toBe(401)
    const both = `session-id=${'a'.repeat(43)}; ${await cookie()}`
    expect((await me({ cookie: both })).json).toMatchObject({ username: 'operator' })
  })
  test('what changes something comes from our own pages', async () => {
    const session = await cookie()
    const make = (headers: Record<string, string>) =>
      app.call('post', '/v1/countersign/tokens', {
        by: null,
        headers: { cookie: session, ...headers },
        body: { name: 'x' },
      })
    const statuses: [Record<string, string>, number][] = [
      [{}, 403],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'https://ra.test.evil.example' }, 403],
      [{ origin: 'http://ra.test' }, 403],
      [{ origin: 'null' }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site' }, 403],
      [{ 'sec-fetch-site': 'none' }, 403],
      [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, 403],
      [{ 'sec-fetch-site': 'cross-site', origin: 'https://ra.test' }, 403],
      [{ 'sec-fetch-site': 'same-origin' }, 201],
      [{ origin: 'https://ra.test' }, 201],
      [{ origin: 'https://mtls.ra.test' }, 201],
    ]
    for (const [headers, status] of statuses) expect([headers, (await make(headers)).status]).toEqual([headers, status])
    const read = { by: null, headers: { cookie: session, 'sec-fetch-site': 'cross-site' } }
    expect((await app.call('get', '/v1/auth/profile', read)).status).toBe(200)
    const posted = { by: null, body: login, headers: { origin: 'https://evil.example' } }
    expect((await app.call('post', '/v1/countersign/sessions', posted)).status).toBe(403)
  })
  test('an Authorization header is the only word where there is one', async () => {
    const session = await cookie()
    for (const authorization of ['Bearer cs_nothing', 'Basic b3BlcmF0b3I6eA==', 'Bearer', 'x', ''])
      expect(
        (await app.call('get', '/v1/auth/profile', { by: null, headers: { cookie: session, authorization } })).status,
      ).toBe(401)
  })
  test('wrong names and passwords are 401, too many of them 429 with Retry-After', async () => {
    const guess = () =>
      app.call('post', '/v1/countersign/sessions', { by: null, body: { ...login, password: 'wrong' } })
    for (let i = 0; i < 10; i++) expect((await guess()).status).toBe(401)
    const { status, headers } = await guess()
    expect([status, headers.get('retry-after')]).toEqual([429, '1'])
    app.world.time.pass(3_600_000)
  })
  test('who knows his password sets another, and all his sessions end', async () => {
    const session = await cookie()
    const body = { username: 'operator', password, next: 'another password' }
    expect((await app.call('post', '/v1/countersign/password', { by: null, body })).status).toBe(204)
    expect((await app.call('get', '/v1/auth/profile', { by: null, headers: { cookie: session } })).status).toBe(401)
    const back = { username: 'operator', password: 'another password', next: password }
    expect((await app.call('post', '/v1/countersign/password', { by: null, body: back })).status).toBe(204)
    const link = { link: 'none', next: password }
    expect((await app.call('post', '/v1/countersign/password', { by: null, body: link })).status).toBe(401)
  })
  test('without a provider there is no logging in with one', async () => {
    expect((await app.call('get', '/v1/countersign/sessions/oidc', { by: null })).status).toBe(404)
    expect((await app.call('get', '/v1/countersign/sessions/oidc/callback?code=x&state=y', { by: null })).status).toBe(
      404,
    )
  })
  test('users are made, raised, lowered, put into roles and removed by administrators', async () => {
    const { admin: by } = app
    const path = '/v1/countersign/users'
    expect((await app.call('post', path, { by, body: { name: 'nina' } })).json).toMatchObject({
      name: 'nina',
      admin: false,
    })
    expect((await app.call('post', path, { by, body: { name: 'nina' } })).status).toBe(409)
    expect((await app.call('post', path, { by, body: { name: 'a b' } })).status).toBe(400)
    expect((await app.call('patch', `${path}/nina`, { by, body: { admin: true } })).json.admin).toBe(true)
    expect((await app.call('put', `${path}/nina/roles/auditors`, { by })).status).toBe(204)
    expect((await app.call('post', `${path}/nina/setupLink`, { by })).json.secret).toMatch(/^[\w-]{43}$/)
    const bound = { kind: 'oidc', issuer: 'https://id.example.org', subject: 'nina' }
    const { json } = await app.call('post', `${path}/nina/logins`, { by, body: bound })
    expect((await app.call('get', `${path}/nina/logins`, { by })).json).toMatchObject([bound])
    expect((await app.call('delete', `/v1/countersign/logins/${json.uuid}`, { by })).status).toBe(204)
    expect((await app.call('delete', `${path}/nina/roles/auditors`, { by })).status).toBe(204)
    expect((await app.call('delete', `${path}/nina`, { by })).status).toBe(204)
    expect((await app.call('get', path, { by })).json.map(({ name }: { name: string }) => name)).not.toContain('nina')
    expect((await app.call('delete', `${path}/operator`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('delete', `${path}/approver`)).status).toBe(403)
  })
  test('roles, grants, organizations', async () => {
    const { admin: by } = app
    const made = await app.call('post', '/v1/countersign/roles', { by, body: { name: 'signers' } })
    const path = `/v1/countersign/roles/${made.json.uuid}`
    const grant = { role: 'signers', capability: 'create_cert', profile: 'default' }
    expect((await app.call('post', '/v1/countersign/grants', { by, body: grant })).status).toBe(204)
    expect((await app.call('get', path, { by })).json.capabilities).toEqual([
      { capability: 'create_cert', authority: null, profile: 'default' },
    ])
    expect(
      (await app.call('post', '/v1/countersign/grants', { by, body: { ...grant, capability: 'all' } })).status,
    ).toBe(400)
    expect((await app.call('get', path, { by: app.stranger })).status).toBe(404)
    expect((await app.call('post', '/v1/countersign/grants/revoke', { by, body: grant })).json).toEqual({ removed: 1 })
    expect((await app.call('delete', path, { by })).status).toBe(204)
    expect((await app.call('get', path, { by })).status).toBe(404)
    expect((await app.call('get', '/v1/countersign/organizations', { by: app.stranger })).json).toMatchObject([
      { name: 'elsewhere' },
    ])
    expect(
      (await app.call('post', '/v1/countersign/organizations', { by: app.stranger, body: { name: 'x' } })).status,
    ).toBe(403)
  })
  test('a token is limited as its maker says, and never more than its maker', async () => {
    const path = '/v1/countersign/tokens'
    const { json } = await app.call('post', path, {
      body: { name: 'ci', scope: { capabilities: ['read'], readOnly: true } },
    })
    expect(json.scope).toEqual({ capabilities: ['read'], authority: null, profile: null, readOnly: true })
    expect((await app.call('get', '/v1/auth/profile', { by: json.text })).json.username).toBe('operator')
    expect((await app.call('post', path, { by: json.text, body: { name: 'more' } })).status).toBe(403)
    expect((await app.call('post', path, { body: { name: 'x', scope: { capabilities: ['all'] } } })).status).toBe(400)
    expect((await app.call('get', path, { by: json.text })).json).toHaveLength(1)
    expect((await app.call('delete', `${path}/${json.uuid}`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('delete', `${path}/${json.uuid}`)).status).toBe(204)
    expect((await app.call('get', '/v1/auth/profile', { by: json.text })).status).toBe(401)
  })
})

describe('cookies', () => {
  const incoming = (method: string, headers: Record<string, string>) =>
    Object.assign(new IncomingMessage(new Socket()), { method, headers })

  test.each([
    ['session-id=abc', 'abc'],
    ['a=b; session-id=abc;c=d', 'abc'],
    ['session-id=; x=y', ''],
    ['xsession-id=abc', undefined],
    ['session-id="abc"', undefined],
    ['session-id=a b', undefined],
    ['', undefined],
    [';;;=;', undefined],
  ])('%j has %j', (cookie, value) => {
    expect(readCookie(incoming('GET', { cookie }), 'session-id')).toBe(value)
  })
  test('one that is to go has no time left', () => {
    expect(secretCookie('a', '', { path: '/', seconds: -5 })).toBe(
      'a=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax',
    )
  })
  test('a program that shows a certificate is no page of another site', () => {
    const host = { baseUrl: 'https://a.test', mtlsBaseUrl: 'https://a.test:9443' }
    const ask = (headers: Record<string, string>) => () =>
      requireOwnPage(host, incoming('POST', headers), { orProgram: true })
    expect(ask({})).not.toThrow()
    expect(ask({ origin: 'https://a.test:9443' })).not.toThrow()
    expect(ask({ origin: 'https://b.test' })).toThrow(Failure)
    expect(ask({ 'sec-fetch-site': 'cross-site' })).toThrow(Failure)
  })
})
