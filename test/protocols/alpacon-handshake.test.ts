import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { revokeToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { BASE, givePassword, issued, PASSWORD, useAlpaconApp, waits } from '../helpers/alpaconApp.ts'

const used = useAlpaconApp()

beforeAll(() => givePassword(used.app, used.app.operator))

async function login(password = PASSWORD) {
  const body = { workspace_url: 'https://ra.test/alpacon', username: 'operator', password }
  return used.app.call('POST', '/api/auth/login/', { by: null, body })
}

describe('the handshake', () => {
  it.each(['', '/', '/api/auth/env/?client=cli'])('is open at %j', async (path) => {
    const answer = await used.app.call('GET', path, { by: null })
    expect(answer.status).toBe(200)
    if (path.includes('env')) expect(answer.json.auth0.method).not.toBe('auth0')
  })

  it('takes a token in either header', async () => {
    const { app } = used
    for (const authorization of [
      `token="${app.operator.token}"`,
      `Token="${app.operator.token}"`,
      `token=${app.operator.token}`,
      `Bearer ${app.operator.token}`,
    ]) {
      const sent = { by: null, headers: { authorization } }
      expect((await app.call('GET', '/api/status/', sent)).status).toBe(200)
      expect((await app.call('GET', '/api/auth/is-authenticated/', sent)).json).toEqual({ authenticated: true })
    }
  })

  it('says who one is, and what', async () => {
    const { app } = used
    const shown = { username: 'operator', id: 'operator', is_staff: false, is_superuser: false }
    for (const path of ['/api/iam/users/-', '/api/iam/users/-/'])
      expect((await app.call('GET', path)).json).toMatchObject(shown)
    expect((await app.call('GET', '/api/auth/whoami/')).json).toMatchObject({
      principal_type: 'user',
      auth: { scopes: ['*'] },
      user: shown,
    })
    const admin = await app.call('GET', '/api/iam/users/-', { by: app.admin })
    expect(admin.json).toMatchObject({ username: 'root', is_staff: true, is_superuser: true })
  })

  it('logs in by name and password, for a secret that is good in either header until the logout', async () => {
    const { app } = used
    const { status, json } = await login()
    expect([status, Date.parse(json.expires_at) > app.world.time.now.getTime()]).toEqual([200, true])
    for (const authorization of [`token="${json.token}"`, `Bearer ${json.token}`]) {
      const sent = { by: null, headers: { authorization } }
      expect((await app.call('GET', '/api/iam/users/-', sent)).json.username).toBe('operator')
    }
    const made = await app.call('POST', `${BASE}/sign-requests/`, { by: json.token, body: { domain_list: ['s.test'] } })
    expect(made.json.requested_by.name).toBe('operator')
    expect((await app.call('POST', '/api/auth/logout/', { by: json.token, body: {} })).status).toBe(200)
    expect((await app.call('GET', '/api/status/', { by: json.token })).status).toBe(401)
  })

  it('does not log in with a wrong password, nor from a page of another site', async () => {
    const wrong = await login('not the password')
    expect([wrong.status, wrong.json.detail]).toEqual([401, expect.stringContaining('Unable to log in')])
    const foreign = await used.app.call('POST', '/api/auth/login/', {
      by: null,
      body: { username: 'operator', password: PASSWORD },
      headers: { origin: 'https://evil.test' },
    })
    expect(foreign.status).toBe(403)
  })

  it('stops guessing', async () => {
    const answers = []
    for (let n = 0; n < 40 && answers.at(-1) !== 429; n++) answers.push((await login(`guess ${n}`)).status)
    expect(answers.at(-1)).toBe(429)
  })

  it.each([
    ['an unknown token', { authorization: `token="cs_${'a'.repeat(43)}"` }],
    ['an unknown session', { authorization: `token="${'a'.repeat(43)}"` }],
    ['an empty token', { authorization: 'token=""' }],
    ['half a quote', { authorization: 'token="abc' }],
    ['a name and a password', { authorization: `Basic ${Buffer.from(`operator:${PASSWORD}`).toString('base64')}` }],
    ['no known scheme', { authorization: 'Digest x' }],
    ['a header of 20 000 characters', { authorization: `token="${'a'.repeat(20_000)}"` }],
    ['nothing', {}],
  ])('refuses %s', async (_what, headers) => {
    const { app } = used
    for (const path of ['/api/status/', '/api/iam/users/-', '/api/auth/whoami/', `${BASE}/certificates/`]) {
      const refused = await app.call('GET', path, { by: null, headers })
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'token'])
    }
    const asked = await app.call('GET', '/api/auth/is-authenticated/', { by: null, headers })
    expect([asked.status, asked.json.authenticated]).toEqual(
      'authorization' in headers ? [401, undefined] : [200, false],
    )
  })

  it('refuses a token that was taken back', async () => {
    const { app } = used
    const { it: installation } = app.world
    const leaver = await app.person('leaver')
    const sent = { by: leaver }
    expect((await app.call('GET', '/api/status/', sent)).status).toBe(200)
    const door = app.world.core.as((await app.world.core.authentication.token(leaver.token)) ?? system('none'))
    const [token] = await door.admin.tokens()
    await transaction(installation.db, (db) =>
      revokeToken(db, { actor: system('test'), at: installation.clock() }, token?.uuid ?? ''),
    )
    expect((await app.call('GET', '/api/status/', sent)).status).toBe(401)
  })

  it('gives a token with a scope no more than that', async () => {
    const { app } = used
    const reader = await app.person('reader', {
      capabilities: ['create_cert', 'read'],
      scope: { capabilities: ['read'] },
    })
    expect((await app.call('GET', '/api/auth/whoami/', { by: reader })).json.auth.scopes).toEqual(['read'])
    const refused = await app.call('POST', `${BASE}/sign-requests/`, { by: reader, body: { domain_list: ['r.test'] } })
    expect(refused.status).toBe(403)
  })

  it('names the users whom one may see, and the one server', async () => {
    const { app } = used
    const named = await app.call('GET', '/api/iam/users/?username=approver', { by: app.admin })
    expect(named.json).toMatchObject({ count: 1, next: 0, results: [{ id: 'approver', username: 'approver' }] })
    expect((await app.call('GET', '/api/iam/users/?username=approver')).json.count).toBe(0)
    const all = await app.call('GET', '/api/iam/users/?page_size=1', { by: app.admin })
    expect(all.json.results).toHaveLength(1)
    expect((await app.call('GET', '/api/iam/users/', { by: app.stranger })).json.count).toBe(1)
    expect((await app.call('GET', '/api/servers/servers/?name=countersign')).json).toMatchObject({
      count: 1,
      results: [{ id: 'countersign' }],
    })
    expect((await app.call('GET', '/api/servers/servers/?name=other')).json).toMatchObject({ count: 0, results: [] })
  })
})

describe('a client certificate', () => {
  it('speaks for the user to whom it is bound, where no header says who calls', async () => {
    const { app } = used
    const { it: installation, core } = app.world
    installation.identity = { sessionIdle: 3_600_000, sessionLength: 3_600_000, loginAuthorities: ['issuing'] }
    const draft = { settings: { certificate: { type: 'client' } }, rules: { issue: waits } }
    await app.world.save('laptops', { ...draft, protocols: { alpacon: { takesOrders: true } } })
    const id = await issued(app, ['laptop.test'])
    await app.world.save('laptops', { ...draft, protocols: {} })
    const door = core.as(asRequester(app.operator))
    const certificate = await door.findCertificate({ uuid: id })
    if (!certificate) throw new Error('not issued')
    app.show({ der: certificate.der, chain: [], by: 'tls' })
    expect((await app.call('GET', '/api/status/', { by: null })).status).toBe(401)
    await door.identities.bind('operator', { kind: 'certificate', fingerprint: certificate.fingerprint })
    expect((await app.call('GET', '/api/iam/users/-', { by: null })).json.username).toBe('operator')
    expect((await app.call('GET', '/api/iam/users/-', { by: app.approver })).json.username).toBe('approver')
    expect((await app.call('GET', '/api/iam/users/-', { by: 'cs_wrong' })).status).toBe(401)
    const body = { domain_list: ['browser.test'] }
    const foreign = { by: null, body, headers: { 'sec-fetch-site': 'cross-site' } }
    expect((await app.call('POST', `${BASE}/sign-requests/`, foreign)).status).toBe(403)
    expect((await app.call('POST', `${BASE}/sign-requests/`, { by: null, body })).status).toBe(201)
    app.show(undefined)
  })
})

describe('what is no operation', () => {
  it('is not found, with what is left out or doubled of slashes taken as meant', async () => {
    const { app } = used
    expect((await app.call('GET', '/api/cert/')).json).toEqual({ detail: 'Not found.' })
    for (const path of ['/api/cert/sign-requests', '//api/cert/sign-requests/', '/api/cert//sign-requests//'])
      expect((await app.call('GET', path)).status).toBe(200)
  })

  it.each(['1', 'x', "' or 1=1--", '..%2f..', '%00', '%ff', 'a'.repeat(5000)])('has no id %j', async (id) => {
    for (const kind of ['sign-requests', 'revoke-requests', 'certificates', 'authorities'])
      expect((await used.app.call('GET', `${BASE}/${kind}/${encodeURI(id)}/`)).status).toBe(404)
  })

  it.each([
    ['PUT', '/sign-requests/', 'GET, POST'],
    ['DELETE', '/certificates/', 'GET'],
    ['PATCH', '/revoke-requests/01890000-0000-7000-8000-000000000000/approve/', 'POST'],
  ])('says which methods there are: %s %s', async (method, path, allow) => {
    const refused = await used.app.call(method, `${BASE}${path}`)
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, allow])
  })
})
