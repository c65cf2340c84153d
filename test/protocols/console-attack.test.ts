import { describe, expect, it } from 'vitest'
import { Code } from '../../src/console/parts/panel.tsx'
import { shown } from '../../src/console/parts/text.tsx'
import { seal } from '../../src/console/sealed.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { selfSigned } from '../helpers/consoleCertificates.ts'
import { doorOf } from '../helpers/raApp.ts'

const world = useConsoleApp()

describe('YAML of somebody who only reads', () => {
  it.each([
    ['nested lists', '[', 100],
    ['nested lists, many', '[', 19_000],
    ['nested maps', '{a: ', 9_000],
    ['lists in lines', '- ', 19_000],
    ['keys of keys', '? ', 19_000],
    ['named lists', '[ &a ', 9_000],
  ])('ends nothing by %s', async (_what, part, times) => {
    const { app } = world
    const fields = { version: '1', text: part.repeat(times) }
    const refused = await app.post('/console/profiles/rest/edit', fields, { by: app.operator })
    expect(refused.status).toBe(422)
    expect(refused.text).toContain('nested deeper than 40 levels')
  })

  it('holds up nothing by a map of many keys', async () => {
    const { app } = world
    const text = Array.from({ length: 4000 }, (_, n) => `k${n}: 1`).join('\n')
    const refused = await app.post('/console/profiles/rest/edit', { version: '1', text }, { by: app.operator })
    expect(refused.text).toContain('more than 2000 keys')
  })

  it('nor by more marks than a profile has', async () => {
    const { app } = world
    const fields = { version: '1', text: '#\n'.repeat(30_000) }
    const refused = await app.post('/console/profiles/rest/edit', fields, { by: app.operator })
    expect(refused.text).toContain('more than 20000 lines and marks')
  })

  it('nor by the settings of an authority', async () => {
    const { app } = world
    const { authority } = app.place
    const fields = { settings: '['.repeat(10_000) }
    const refused = await app.post(`/console/authorities/${authority}/settings`, fields, { by: app.operator })
    expect(refused.text).toContain('nested deeper than 40 levels')
  })
})

describe('a private key that was pasted by mistake', () => {
  const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n'

  it.each([
    ['/console/certificates/upload', 'certificates'],
    ['/console/new/rest', 'csr'],
  ])('does not come back from %s', async (path, field) => {
    const { app } = world
    const { status, html } = await app.post(path, { [field]: `${selfSigned('mine.test')}${pem}`, way: 'csr' })
    expect(status).toBe(422)
    expect(html).toContain('private key')
    expect(html).not.toContain('BEGIN PRIVATE KEY')
    expect(html).not.toContain('MC4CAQ')
  })
})

describe('text that would look like another', () => {
  it.each(['\u202e', '\u3164', '\u034f', '\ufe00', '\u2028'])('shows %j', (character) => {
    const written = `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
    expect(shown(`a${character}b`)).toBe(`a${written}b`)
    expect(String(Code({ value: `a${character}b`, label: 'x' }))).toContain(`a${written}b`)
  })

  it('shows in the rules and settings of a profile', async () => {
    const { app } = world
    await app.save('reversed', {
      rules: { issue: [{ name: 'first', when: '"\u202e" == "x"', auto: true }] },
      settings: { variants: { one: { description: 'a\u202eb' } } },
    })
    for (const part of ['rules', 'policy']) {
      const { html } = await app.get(`/console/profiles/reversed/${part}`)
      expect(html).toContain('\\u202e')
      expect(html).not.toContain('\u202e')
    }
  })

  it('shows in the title of a window, and in what is told', async () => {
    const { app } = world
    const { uuid } = await doorOf(app, app.admin).webhooks.add({ name: 'a\u202eb', events: [], decidesAs: 'teller' })
    const { html } = await app.get(`/console/webhooks/${uuid}`)
    expect(html).toContain('<title>a\\u202eb')
    const { secret } = await app.session(app.admin)
    const told = seal(app.host.secret, `told ${secret}`, 'a\u202eb is made')
    const page = await app.get('/console/account', { headers: { cookie: `console-told=${told}` } })
    expect(page.html).toContain('a\\u202eb is made')
  })
})

describe('what nothing can store', () => {
  it('is refused where several are chosen', async () => {
    const { app } = world
    const { status, text } = await app.post('/console/requests/sign/bulk', { verdict: 'approve', row: ['a\0b c', 'd'] })
    expect([status, text.includes('U+0000')]).toEqual([400, true])
  })
})

describe('a setup link', () => {
  it('is taken as the whole address, where no script takes it apart', async () => {
    const { app } = world
    await app.person('scriptless')
    const { secret } = await doorOf(app, app.admin).admin.createSetupLink('scriptless')
    const [password, again] = ['a password of some length', 'a password of some length']
    const link = `https://ra.test/console/setup#${secret}`
    const { status, location } = await app.post('/console/setup', { link, password, again }, { by: null })
    expect([status, location]).toEqual([303, '/console'])
  })
})
