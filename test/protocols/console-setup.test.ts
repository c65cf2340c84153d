import { describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorOf } from '../helpers/raApp.ts'

const world = useConsoleApp()
const hostile = '<img src=x onerror=alert(1)>\u202e'

describe('RA profiles', () => {
  it('are listed with who decides, and made like another', async () => {
    const { app } = world
    const { text } = await app.get('/console/profiles')
    for (const part of ['default', 'rest', 'issuing', 'REST']) expect(text).toContain(part)
    const made = await app.post(
      '/console/profiles',
      { name: 'web', authority: 'issuing', like: 'rest' },
      { follow: true },
    )
    expect(made.text).toContain('The profile web is made')
    const again = await app.post('/console/profiles', { name: 'web', authority: 'issuing' })
    expect(again.status).toBe(422)
    const wrong = await app.post('/console/profiles', { name: 'Not A Name', authority: 'issuing' })
    expect(wrong.status).toBe(422)
  })

  it('lead to an order over them', async () => {
    const { app } = world
    const { html } = await app.get('/console/profiles/web')
    expect(html).toContain('href="/console/new/web"')
    expect((await app.get('/console/new/web')).text).toContain('New certificate over web')
  })

  it('show their addresses with what to type', async () => {
    await world.app.save('devices', { protocols: { acme: {}, scep: {}, est: {} } })
    const { text } = await world.app.get('/console/profiles/devices')
    for (const part of ['/acme/devices/directory', 'certbot certonly', '/scep/devices', '/.well-known/est/devices'])
      expect(text).toContain(part)
    expect((await world.app.get('/console/profiles/nowhere')).status).toBe(404)
    expect((await world.app.get('/console/profiles/default', { by: world.app.stranger })).status).toBe(404)
  })

  it('test an address of theirs and no other', async () => {
    const { app } = world
    const { text } = await app.post('/console/profiles/default/test', { protocol: 'acme' })
    // Nothing listens here: what matters is that it is said.
    expect(text).toMatch(/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|no answer|getaddrinfo/)
    expect((await app.post('/console/profiles/default/test', { protocol: 'http://evil.test' })).status).toBe(400)
  })

  it('are tried: which rule decides, who is asked, what the certificate would be', async () => {
    const { app } = world
    const asked = {
      action: 'issue',
      protocol: 'ra',
      names: 'www.example.test 192.0.2.9',
      subject: 'CN=www.example.test',
    }
    const passes = await app.post('/console/profiles/rest/try', asked)
    expect(passes.text).toContain('It would be issued at once. The rule nobody looks decides')
    expect(passes.text).toContain('www.example.test')
    expect(passes.text).toContain('192.0.2.9')
    const before = (await doorOf(app, app.admin).list.requests({ kind: 'sign' })).rows.length
    await app.post('/console/profiles/rest/try', asked)
    expect((await doorOf(app, app.admin).list.requests({ kind: 'sign' })).rows.length).toBe(before)
  })

  it.each([
    ['nothing', {}, 'Say a name or a subject'],
    ['names that are none', { names: 'a..b' }, 'a..b: is no DNS name'],
    ['a subject that is none', { subject: 'what' }, ''],
  ])('are not tried with %s', async (_what, fields, said) => {
    const { status, text } = await world.app.post('/console/profiles/rest/try', {
      action: 'issue',
      protocol: 'ra',
      ...fields,
    })
    expect(status).toBe(422)
    expect(text).toContain(said)
  })

  it('are edited as text, in one piece, and not over somebody else’s change', async () => {
    const { app } = world
    const page = await app.get('/console/profiles/web/edit')
    expect(page.html).toContain('settings:')
    const [, version = ''] = /name="version" value="(\d+)"/.exec(page.html) ?? []
    const rules = 'rules:\n  issue:\n    - { name: a person looks, require: [{ users: [approver] }] }\n'
    const saved = await app.post('/console/profiles/web/edit', { version, text: rules }, { follow: true })
    expect(saved.text).toContain('The profile is saved')
    expect((await app.get('/console/profiles/web/rules')).text).toContain('asks 1 of approver within 7d')
    const late = await app.post('/console/profiles/web/edit', { version, text: rules })
    expect(late.status).toBe(422)
    expect(late.text).toContain('Somebody has changed the profile')
    expect(late.html).toContain('a person looks')
  })

  it.each([
    ['no YAML', 'rules: [', 'This is no YAML'],
    ['aliases', 'a: &a [1]\nsettings: *a', 'This is no YAML'],
    ['an unknown part', 'everything: true', 'everything'],
    ['a rule that is none', 'rules:\n  issue:\n    - { name: x }', 'rules'],
    ['a setting that is none', `settings:\n  '${hostile}': 1`, ''],
  ])('are not changed by %s', async (_what, text, said) => {
    const { app } = world
    const { version } = await doorOf(app, app.admin).admin.profile('web')
    const answered = await app.post('/console/profiles/web/edit', { version: String(version), text })
    expect(answered.status).toBe(422)
    expect(answered.text).toContain(said)
    expect((await doorOf(app, app.admin).admin.profile('web')).version).toBe(version)
  })

  it('are not changed by who does not manage them', async () => {
    const { app } = world
    for (const [path, fields] of [
      ['/console/profiles/web/edit', { version: '1', text: 'rules: {}' }],
      ['/console/profiles/web/switch', { enabled: 'false' }],
      ['/console/profiles', { name: 'mine', authority: 'issuing' }],
    ] as const) {
      const { status } = await app.post(path, fields, { by: app.operator })
      expect([path, [403, 422].includes(status)]).toEqual([path, true])
    }
    expect((await app.get('/console/profiles/web', { by: app.operator })).html).not.toContain(
      '/console/profiles/web/edit',
    )
  })

  it('are switched off and on', async () => {
    const { app } = world
    await app.post('/console/profiles/web/switch', { enabled: 'false' })
    expect((await doorOf(app, app.admin).admin.profile('web')).enabled).toBe(false)
    await app.post('/console/profiles/web/switch', { enabled: 'true' })
    expect((await doorOf(app, app.admin).admin.profile('web')).enabled).toBe(true)
  })
})

describe('authorities', () => {
  it('are listed and shown with their CRL', async () => {
    const { app } = world
    expect((await app.get('/console/authorities')).text).toContain('issuing')
    const { text } = await app.get('/console/authorities/issuing')
    for (const part of ['CRL number', 'SHA-256', 'Next key']) expect(text).toContain(part)
    expect((await app.get('/console/authorities/issuing', { by: app.stranger })).status).toBe(404)
  })

  it('give their certificate and chain as files', async () => {
    const one = await world.app.get('/console/authorities/issuing/certificate.pem')
    expect(one.headers.get('content-disposition')).toBe('attachment; filename="issuing.pem"')
    expect(one.html.match(/BEGIN CERTIFICATE/g)).toHaveLength(1)
    const chain = await world.app.get('/console/authorities/issuing/chain.pem')
    expect(chain.html.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(1)
  })

  it('are made: under another, and with a request to be signed elsewhere', async () => {
    const { app } = world
    const draft = { name: 'branch', subject: 'CN=Branch CA,O=Example', key: 'P-256', years: '3', pathLength: '0' }
    const made = await app.post('/console/authorities', { ...draft, parent: 'root' }, { follow: true })
    expect(made.text).toContain('The authority branch is made')
    const outside = await app.post(
      '/console/authorities',
      { ...draft, name: 'outside', parent: '@elsewhere' },
      { follow: true },
    )
    expect(outside.text).toContain('BEGIN CERTIFICATE REQUEST')
    const wrong = await app.post('/console/authorities/outside/certificate', { pem: 'x' })
    expect(wrong.status).toBe(422)
  })

  it.each([
    ['a name that is none', { name: 'Not A Name' }],
    ['a subject that is none', { subject: 'what' }],
    ['years that are none', { years: 'many' }],
    ['levels that are none', { pathLength: '-1' }],
    ['a key that is none', { key: 'RSA-512' }],
    ['a parent that is none', { parent: 'nowhere' }],
  ])('are not made with %s', async (_what, fields) => {
    const draft = { name: 'another', subject: 'CN=Another', key: 'P-256', years: '3', ...fields }
    expect((await world.app.post('/console/authorities', draft)).status).toBe(422)
  })

  it('roll over, and give it up', async () => {
    const { app } = world
    const prepared = await app.post('/console/authorities/branch/rollover', { do: 'prepare' }, { follow: true })
    expect(prepared.text).toContain('The next key is prepared')
    const given = await app.post('/console/authorities/branch/rollover', { do: 'cancel' }, { follow: true })
    expect(given.text).toContain('It is given up')
    expect((await app.post('/console/authorities/branch/rollover', { do: 'explode' })).status).toBe(422)
  })

  it('keep settings that are read by the core', async () => {
    const { app } = world
    const saved = await app.post(
      '/console/authorities/branch/settings',
      { settings: 'crlValidity: 3d', owner: 'root' },
      { follow: true },
    )
    expect(saved.text).toContain('The settings are saved')
    expect((await app.post('/console/authorities/branch/settings', { settings: 'crlValidity: soon' })).status).toBe(422)
    expect((await app.post('/console/authorities/branch/settings', { settings: '[' })).text).toContain(
      'This is no YAML',
    )
    const by = app.operator
    expect([403, 422]).toContain(
      (await app.post('/console/authorities/branch/switch', { enabled: 'false' }, { by })).status,
    )
  })
})
