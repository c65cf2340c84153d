import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

let at: CliInstallation
let admin: { token: string }

beforeAll(async () => {
  at = await startInstallation()
  admin = { token: await at.token('admin') }
})
afterAll(() => at?.server.stop())

const text = `
users: [{ name: bob }]
groups: [{ name: ops, members: [bob] }]
profiles:
  - name: web
    authority: issuing
    protocols: { acme: {} }
    rules: { issue: [{ name: looked at, require: [{ groups: [ops] }] }] }
`

describe('a file', () => {
  test('is shown, applied without a question, and then changes nothing', async () => {
    at.file('all.yaml', text)
    const shown = await at.cli('apply -f all.yaml --dry-run', admin)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout.split('\n').slice(0, 3)).toEqual([
      '+ users bob (default)',
      '    enabled: true',
      '+ groups ops (default)',
    ])
    expect(shown.stdout).toMatch(/\n3 to create, 0 to change, 0 to delete, 0 as they are\n$/)
    expect(await at.cli('apply -f all.yaml', admin)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--yes/) })
    expect(await at.cli('profile show web', admin)).toMatchObject({ code: 3 })
    expect(await at.cli('apply -f all.yaml --yes', admin)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/done\n$/),
    })
    expect(await at.cli('apply -f -', { ...admin, input: text })).toMatchObject({
      code: 0,
      stdout: '0 to create, 0 to change, 0 to delete, 3 as they are\n',
    })
  })

  test('that is wrong is refused with its line, in one line', async () => {
    at.file('wrong.yaml', 'groups:\n  - name: a\n    members: [none]\nprofiles:\n  - { name: b, authority: none }\n')
    const refused = await at.cli('apply -f wrong.yaml --yes', admin)
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toMatch(/^countersign: line 2: groups, a: .*; line 5: profiles, b: .*\n$/)
    at.file('unknown.yaml', 'profiles:\n  - { name: b, authority: issuing, protocols: { telnet: {} } }\n')
    expect(await at.cli('apply -f unknown.yaml --yes', admin)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/telnet/),
    })
  })

  test('is what an export writes, with and without a server', async () => {
    const exported = await at.cli('export', admin)
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringMatching(/^organization: default\n/) })
    const nothing = expect.stringMatching(/^0 to create, 0 to change, 0 to delete, /)
    expect(await at.cli('apply -f - --yes', { ...admin, input: exported.stdout })).toMatchObject({
      code: 0,
      stdout: nothing,
    })
    await at.server.kill('SIGTERM')
    const changed = exported.stdout.replace('name: looked at', 'name: looked at twice')
    expect(await at.cli('apply -f - --yes', { ...admin, input: changed })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^~ profiles web \(default\)\n {4}rules\.issue: .*\n0 to create, 1 to change/),
    })
  })
})
