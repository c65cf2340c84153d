import { beforeAll, describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorOf, type Person } from '../helpers/raApp.ts'

const world = useConsoleApp()
const hostile = '<img src=x onerror=alert(1)>\u202e'

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
