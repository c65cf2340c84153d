import { beforeAll, describe, expect, it } from 'vitest'
import { type Person, useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const BASE = '/v1/countersign'
const yaml = { 'content-type': 'application/yaml' }
let chief: Person

beforeAll(async () => {
  chief = await used.app.person('chief', { admin: true })
})

const apply = (raw: string, query = '', headers: Record<string, string> = yaml, by: Person | null = chief) =>
  used.app.call('post', `${BASE}/apply${query}`, { by, raw, headers })

describe('a document over REST', () => {
  it('is shown, applied, and then changes nothing; an export likewise', async () => {
    const text = 'groups:\n  - { name: ops, members: [approver] }\n'
    const shown = await apply(text, '?dryRun=true')
    expect(shown.json).toMatchObject({ applied: false, changes: [{ kind: 'groups', name: 'ops', change: 'create' }] })
    const done = await apply(text, `?plan=${shown.json.plan}`)
    expect(done.json).toMatchObject({ applied: true, changes: shown.json.changes })
    expect((await apply(text)).json.changes).toMatchObject([{ change: 'same' }])
    expect((await apply(text, `?plan=${shown.json.plan}`)).status).toBe(409)
    const { json } = await used.app.call('get', `${BASE}/export`, { by: chief })
    expect(json).toMatchObject({ organization: 'default', groups: [{ name: 'ops' }] })
    const again = await apply(JSON.stringify(json), '', { 'content-type': 'application/json; charset=utf-8' })
    expect(again.json.changes.filter(({ change }: { change: string }) => change !== 'same')).toEqual([])
  })

  it('is refused with a sentence and a line for each thing that is wrong', async () => {
    const refused = await apply('groups:\n  - { name: a, members: [none] }\n  - { name: b, members: [nobody] }\n')
    expect(refused).toMatchObject({
      json: [expect.stringMatching(/^line 2: groups, a: /), expect.stringMatching(/^line 3: groups, b: /)],
      status: 422,
    })
    expect((await apply('groups: [')).status).toBe(400)
    expect((await apply('things: 1')).status).toBe(422)
    expect((await apply('users: []', '?dryRun=maybe')).status).toBe(400)
  })

  it('is refused to who is no administrator, of another type, and when it is too long', async () => {
    const { app } = used
    expect((await apply('users: []', '', yaml, app.operator)).status).toBe(403)
    expect((await apply('users: []', '', yaml, null)).status).toBe(401)
    expect((await apply('organization: default', '', yaml, app.stranger)).status).toBe(404)
    expect((await apply('users: []', '', { 'content-type': 'application/xml' })).status).toBe(415)
    expect((await apply(`# ${'x'.repeat(2 ** 23)}`)).status).toBe(413)
    expect((await used.app.call('get', `${BASE}/export`, { by: app.operator })).status).toBe(403)
    expect((await used.app.call('get', `${BASE}/export?organization=default`, { by: app.stranger })).status).toBe(404)
  })
})
