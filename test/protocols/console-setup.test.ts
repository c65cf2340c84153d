import { beforeAll, describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorOf, type Person } from '../helpers/raApp.ts'

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
    expect(passes.text).toContain('“nobody looks” lets it pass')
    expect(passes.text).toContain('dns:www.example.test')
    expect(passes.text).toContain('ip:192.0.2.9')
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

describe('enrolment', () => {
  it('makes challenges and keys that are shown once, and revokes them', async () => {
    const { app } = world
    const fields = {
      profile: 'default',
      names: 'printer-1.example.test 192.0.2.8',
      hours: '2',
      uses: '1',
      note: 'printer',
    }
    const made = await app.post('/console/enrolment/challenges', fields)
    expect(made.status).toBe(200)
    const [, challenge = 'none'] = /Challenge ([0-9a-f]{32})/i.exec(made.text) ?? []
    const listed = await app.get('/console/enrolment')
    expect(listed.text).toContain('printer')
    expect(listed.text).not.toContain(challenge)
    const [view] = await doorOf(app, app.admin).admin.challenges()
    expect(view?.identifiers).toEqual({ dns: ['printer-1.example.test'], ip: ['192.0.2.8/32'] })
    await app.post(`/console/enrolment/challenges/${view?.uuid}/revoke`)
    expect(await doorOf(app, app.admin).admin.challenges()).toEqual([])

    const key = await app.post('/console/enrolment/credentials', {
      'eab-profile': 'default',
      eabNote: 'web team',
      singleUse: 'on',
    })
    expect(key.text).toContain('--eab-kid')
    const [credential] = await doorOf(app, app.admin).admin.credentials()
    await app.post(`/console/enrolment/credentials/${credential?.uuid}/revoke`)
    expect((await doorOf(app, app.admin).admin.credentials())[0]?.revokedAt).not.toBeNull()
  })

  it.each([
    ['names that are none', { names: 'a..b' }],
    ['no time', { hours: '0' }],
    ['uses that are none', { uses: 'many' }],
    ['a profile of nobody', { profile: 'nowhere' }],
  ])('makes no challenge with %s', async (_what, fields) => {
    const all = { profile: 'default', hours: '2', uses: '1', ...fields }
    expect((await world.app.post('/console/enrolment/challenges', all)).status).toBe(422)
  })

  it('is not for who does not manage the profile', async () => {
    const { app } = world
    const fields = { profile: 'default', hours: '2', uses: '1' }
    expect([403, 422]).toContain((await app.post('/console/enrolment/challenges', fields, { by: app.operator })).status)
    expect([404, 422]).toContain((await app.post('/console/enrolment/challenges', fields, { by: app.stranger })).status)
  })
})

describe('webhooks', () => {
  it('are added with a secret that is shown once, switched, renewed and removed', async () => {
    const { app } = world
    const fields = { name: 'tickets', url: 'https://tickets.example.test/hook', events: ['requested', 'decided'] }
    const made = await app.post('/console/webhooks', fields)
    expect(made.text).toMatch(/Signs what it is sent [\w-]{43}/)
    const [hook] = await doorOf(app, app.admin).webhooks.list()
    const path = `/console/webhooks/${hook?.uuid}`
    expect((await app.get('/console/webhooks')).text).toContain('https://tickets.example.test/hook')
    expect((await app.post(`${path}/ping`, {}, { follow: true })).text).toContain('A ping is on its way')
    expect((await app.post(`${path}/secret`)).text).toMatch(/[\w-]{43}/)
    expect((await app.post(`${path}/switch`, { enabled: 'false' }, { follow: true })).text).toContain('is disabled')
    expect((await app.get(path, { by: app.stranger })).status).toBe(404)
    expect((await app.post(`${path}/remove`, {}, { by: app.operator })).status).toBe(403)
    expect((await app.post(`${path}/remove`, {}, { follow: true })).text).toContain('The webhook is removed')
  })

  it.each([
    ['an event that is none', { events: ['everything'] }],
    ['an address that is none', { url: 'javascript:alert(1)' }],
  ])('are not added with %s', async (_what, fields) => {
    expect((await world.app.post('/console/webhooks', { name: 'x', ...fields })).status).toBe(422)
  })
})

describe('the audit log', () => {
  it('is filtered, and proved by a superuser', async () => {
    const { app } = world
    const { text } = await app.get('/console/audit?action=webhook.')
    expect(text).toContain('webhook.')
    expect(text).not.toContain('session.opened')
    expect((await app.get('/console/audit?actor=root&since=2020-01-01&until=2100-01-01')).text).toContain('root')
    expect((await app.get('/console/audit?since=yesterday')).status).toBe(400)
    expect((await app.get(`/console/audit?actor=${encodeURIComponent(hostile)}&subject=x:1&after=-1`)).status).toBe(200)
    const proved = await app.post('/console/audit/verify')
    expect(proved.text).toContain('Proof of the chain')
    expect((await app.get('/console/audit', { by: app.operator })).status).toBe(403)
    expect((await app.post('/console/audit/verify', {}, { by: app.stranger })).status).toBe(403)
  })
})

describe('discovery', () => {
  let clerk: Person
  beforeAll(async () => {
    clerk = await world.app.person('clerk')
  })

  it('is added, shown, switched and removed', async () => {
    const { app } = world
    const fields = { name: 'racks', targets: 'www.example.test:443\n192.0.2.0/30:443,8443', hours: '' }
    const made = await app.post('/console/discovery', fields, { follow: true })
    expect(made.text).toContain('The discovery is added')
    const [found] = await doorOf(app, app.admin).discovery.list()
    const path = `/console/discovery/${found?.uuid}`
    expect((await app.get('/console/discovery')).text).toContain('192.0.2.0/30')
    expect((await app.get(path, { by: app.stranger })).status).toBe(404)
    await app.post(`${path}/switch`, { enabled: 'false' })
    expect((await doorOf(app, app.admin).discovery.read(found?.uuid ?? '')).enabled).toBe(false)
    expect((await app.post(`${path}/remove`, {}, { follow: true })).text).toContain('what it found stays')
  })

  it.each([
    ['a place that is none', { targets: 'nowhere at all' }],
    ['hours that are none', { hours: 'often' }],
    ['no name', { name: '' }],
  ])('is not added with %s', async (_what, fields) => {
    const all = { name: 'x', targets: 'a.test:443', hours: '24', ...fields }
    expect((await world.app.post('/console/discovery', all)).status).toBe(422)
  })

  it('is not for who does not manage', async () => {
    expect((await world.app.get('/console/discovery', { by: clerk })).status).toBe(403)
  })
})
