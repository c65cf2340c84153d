import { describe, expect, it } from 'vitest'
import { ownPath } from '../../src/console/pages/signIn.tsx'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorOf } from '../helpers/raApp.ts'

const world = useConsoleApp()

describe('the frame of the console', () => {
  it('shows a page to who has signed in, and forbids scripts, frames and forms of others', async () => {
    const { status, headers, text } = await world.app.get('/console')
    expect(status).toBe(200)
    expect(text).toContain('Overview')
    const policy = headers.get('content-security-policy') ?? ''
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"])
      expect(policy).toContain(part)
    expect(policy).not.toContain('unsafe')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('sends who has not signed in to the sign-in page, and back to where he was', async () => {
    const { status, location } = await world.app.get('/console/requests/sign?status=failed', { by: null })
    expect(status).toBe(303)
    expect(location).toBe(`/console/login?next=${encodeURIComponent('/console/requests/sign?status=failed')}`)
    const login = await world.app.get(location ?? '', { by: null })
    expect(login.html).toContain('value="/console/requests/sign?status=failed"')
  })

  it('answers a form of nobody with 401, and changes nothing', async () => {
    const { status, text } = await world.app.post('/console/requests/sign/bulk', {}, { by: null })
    expect(status).toBe(401)
    expect(text).toContain('Sign in first')
  })

  it('says that there is no such page', async () => {
    const { status, text } = await world.app.get('/console/nowhere')
    expect(status).toBe(404)
    expect(text).toContain('There is nothing here')
  })

  it.each([
    ['another site', { origin: 'https://evil.test' }],
    ['another site, as a browser says', { 'sec-fetch-site': 'cross-site' }],
    ['a site beside it', { 'sec-fetch-site': 'same-site' }],
  ])('refuses a form from %s', async (_what, headers) => {
    const { status } = await world.app.post('/console/account/sessions/end', { which: 'others' }, { headers })
    expect(status).toBe(403)
  })

  it('refuses a form with the token of another session, or none', async () => {
    const { csrf } = await world.app.session(world.app.operator)
    for (const given of [csrf, '', 'x']) {
      const { status, text } = await world.app.post('/console/account/sessions/end', { csrf: given })
      expect(status).toBe(403)
      expect(text).toContain('from another session')
    }
  })

  it.each([
    ['JSON', 'application/json', 415],
    ['nothing', '', 415],
    ['a form that cannot be read', 'multipart/form-data', 400],
  ])('refuses %s', async (_what, type, status) => {
    const answered = await world.app.post('/console/account/sessions/end', {}, { headers: { 'content-type': type } })
    expect(answered.status).toBe(status)
  })

  it('refuses a form that is too long, and closes the connection', async () => {
    const { status, headers } = await world.app.post('/console/account/sessions/end', { long: 'x'.repeat(300_000) })
    expect(status).toBe(413)
    expect(headers.get('connection')).toBe('close')
  })

  it.each([
    ['/console', '/console'],
    ['/console/requests/sign?status=failed', '/console/requests/sign?status=failed'],
    [undefined, '/console'],
    ['//evil.test', '/console'],
    ['https://evil.test/console', '/console'],
    ['/console@evil.test', '/console'],
    ['/console\\..\\evil', '/console'],
    ['/console/%0d%0aSet-Cookie:x', '/console/%0d%0aSet-Cookie:x'],
    ['/console/\r\nSet-Cookie:x', '/console'],
    ['/consolex', '/console'],
  ])('goes on from %s to %s', (given, to) => expect(ownPath(given)).toBe(to))

  it('serves its files by their content, for ever, and compressed', async () => {
    const { html } = await world.app.get('/console')
    const links = [...html.matchAll(/(?:href|src)="(\/console\/assets\/[^"]+)"/g)].map(([, link]) => link ?? '')
    expect(links.length).toBeGreaterThanOrEqual(4)
    let length = html.length
    for (const link of links) {
      const { status, headers, body } = await world.app.get(link, { by: null, headers: { 'accept-encoding': 'gzip' } })
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toContain('immutable')
      length += body.length
    }
    expect(length, 'octets of the first visit').toBeLessThan(100 * 1024)
    expect((await world.app.get(`${links[0]}x`)).status).toBe(404)
  })
})

describe('signing in', () => {
  it('needs the form to come from a page of the console', async () => {
    const fields = { username: 'root', password: 'x' }
    const { status } = await world.app.post('/console/login', fields, {
      by: null,
      headers: { origin: 'https://evil.test' },
    })
    expect(status).toBe(403)
  })

  it('says no more than that the name or the password is wrong', async () => {
    const known = await world.app.post('/console/login', { username: 'root', password: 'wrong' }, { by: null })
    const unknown = await world.app.post('/console/login', { username: 'nobody', password: 'wrong' }, { by: null })
    for (const { status, text } of [known, unknown]) {
      expect(status).toBe(401)
      expect(text).toContain('The name or the password is wrong')
    }
  })

  it('sets a password by a setup link, once, opens a new session and ends the browser’s earlier one', async () => {
    const { app } = world
    const link = await doorOf(app, app.admin).admin.createSetupLink('operator')
    const fields = { link: link.secret, password: 'a password of some length', again: 'a password of some length' }
    const differs = await app.post('/console/setup', { ...fields, again: 'another' }, { by: null })
    expect(differs.status).toBe(422)
    expect(differs.text).toContain('two passwords differ')
    const set = await app.post('/console/setup', fields, { by: null })
    expect([set.status, set.location]).toEqual([303, '/console'])
    const [cookie = ''] = set.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-session-id=[\w-]{43}; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/)
    expect((await app.post('/console/setup', fields, { by: null })).status).toBe(401)

    const earlier = cookie.split(';')[0] ?? ''
    const again = await app.post(
      '/console/login',
      { username: 'operator', password: fields.password, next: '//evil.test' },
      { by: null, headers: { cookie: earlier } },
    )
    expect([again.status, again.location]).toEqual([303, '/console'])
    expect(again.headers.getSetCookie()[0]).not.toContain(earlier)
    expect((await app.get('/console', { by: null, headers: { cookie: earlier } })).status).toBe(303)
  })

  it('signs out by a form of the session alone', async () => {
    const { app } = world
    const leaver = await app.person('leaver')
    await app.post('/console/logout', { csrf: 'guessed' }, { by: leaver })
    expect((await app.get('/console', { by: leaver })).status).toBe(200)
    const out = await app.post('/console/logout', {}, { by: leaver })
    expect([out.status, out.location]).toEqual([303, '/console/login'])
    expect((await app.get('/console', { by: leaver })).status).toBe(303)
  })
})
