import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'

let at: CliInstallation
let admin: { token: string }
let alice: { token: string }
let bob: { token: string }
beforeAll(async () => {
  at = await startInstallation()
  admin = { token: await at.token('admin') }
  alice = { token: await at.token('alice', ['security']) }
  bob = { token: await at.token('bob', ['security']) }
  await set({ name: 'reviewed', rules: reviewRules })
})
afterAll(() => at?.server.stop())

function set(profile: object, as: { token?: string } = admin) {
  const whole = { authority: 'issuing', protocols: { acme: {} }, ...profile }
  return at.cli('profile set -f -', { ...as, input: JSON.stringify(whole) })
}

const line = (code: number, text: RegExp) => ({ code, stderr: expect.stringMatching(text) })

describe('votes', () => {
  test('without a terminal name what they are on', async () => {
    const id = await at.order('reviewed', 'seen.example.org')
    for (const verb of ['approve', 'deny'])
      expect(await at.cli(`request ${verb} ${id} --reason x`, alice)).toMatchObject(line(2, /--hash HASH .* or --yes/))
    const { review } = await at.json<{ review: { hash: string; votes: [] } }>(`request show ${id}`, alice)
    expect(review.votes).toEqual([])
    expect(await at.cli(`request approve ${id} --hash ${review.hash}`, alice)).toMatchObject({ code: 0 })
  })
  test('say nothing that acts on a terminal', async () => {
    const id = await at.order('reviewed', 'text.example.org')
    const deny = ['request', 'deny', String(id), '--yes', '--reason', 'no\u001b[2Jreally']
    expect(await at.server.cli(deny, alice)).toMatchObject(line(2, /^countersign: reason: control characters/m))
    const comment = ['request', 'comment', String(id), 'a\u202eb']
    expect(await at.server.cli(comment, alice)).toMatchObject(line(2, /^countersign: text: control characters/m))
  })
})

describe('remembered approvals', () => {
  test('are shown with who gave them, and taken back', async () => {
    const id = await at.order('reviewed', 'kept.example.org')
    for (const user of [alice, bob]) await at.cli(`request approve ${id} --yes --remember 7d`, user)
    const [kept] = await at.json<{ id: number }[]>('approval ls', admin)
    expect(kept).toMatchObject({
      names: ['dns:kept.example.org'],
      approvers: ['alice', 'bob'],
      request: id,
      profile: 'reviewed',
    })
    const again = await at.order('reviewed', 'kept.example.org')
    expect((await at.cli(`request show ${again}`)).stdout).toMatch(
      new RegExp(`^Remembered +people approved it with request ${id}: alice, bob$`, 'm'),
    )
    expect(await at.cli(`approval forget ${kept?.id}`, alice)).toMatchObject({ code: 4 })
    expect(await at.cli(`approval forget ${kept?.id}`, admin)).toMatchObject({ code: 0 })
    expect(await at.cli(`approval forget ${kept?.id}`, admin)).toMatchObject({ code: 3 })
    expect((await at.cli('approval ls', admin)).stdout).toBe('none\n')
    const asked = await at.order('reviewed', 'kept.example.org')
    expect((await at.cli(`request show ${asked}`)).stdout).toMatch(/^Status +requested$/m)
  })
})

describe('blocked keys', () => {
  test('get no certificate until they are let go', async () => {
    const id = await at.order('default', 'key.example.org')
    const { pem, spkiHash } = await at.json<{ pem: string; spkiHash: string }>(`certificate show ${id}`)
    at.file('key.pem', pem)
    expect(await at.cli('key block --certificate key.pem', alice)).toMatchObject({ code: 4 })
    const blocked = await at.server.cli(
      ['key', 'block', '--certificate', 'key.pem', '--reason', 'seen in a log'],
      admin,
    )
    expect(blocked).toMatchObject({ code: 0, stdout: `the key ${spkiHash} is blocked\n` })
    expect(await at.cli(`key block --spki-sha256 ${spkiHash}`, admin)).toMatchObject({ code: 5 })
    expect((await at.cli('key ls-blocked', admin)).stdout).toMatch(new RegExp(`^${spkiHash} +seen in a log`, 'm'))
    expect(await at.cli('key unblock --certificate key.pem', admin)).toMatchObject({ code: 0 })
    expect(await at.cli('key unblock --certificate key.pem', admin)).toMatchObject({ code: 3 })
    expect(await at.cli('key block', admin)).toMatchObject(line(2, /give one of/))
    expect(await at.cli('key block --spki-sha256 abc', admin)).toMatchObject(line(2, /64 hexadecimal/))
    at.file('no.pem', 'nothing')
    expect(await at.cli('key block --csr no.pem', admin)).toMatchObject({ code: 2 })
  })
})

describe('organizations', () => {
  test('are made by a superuser', async () => {
    expect(await at.cli('organization create branch', alice)).toMatchObject({ code: 4 })
    expect(await at.cli('organization create branch', admin)).toMatchObject({ code: 0 })
    expect(await at.cli('organization create branch', admin)).toMatchObject({ code: 5 })
    expect((await at.cli('organization ls', admin)).stdout).toMatch(/^branch +[0-9a-f-]{36}/m)
    expect((await at.cli('organization ls', alice)).stdout).not.toContain('branch')
    expect(await at.cli('user create eve --organization branch --admin', admin)).toMatchObject({ code: 0 })
  })
})

describe('profiles', () => {
  test('say what is hardly meant', async () => {
    const rules = { issue: [{ name: 'two', require: [{ users: ['alice', 'nobody'], roles: ['security', 'none'] }] }] }
    const first = await set({ name: 'warned', rules: { ...rules, revoke: [{ name: 'all', auto: true }] } })
    expect(first).toMatchObject({ code: 0 })
    expect(first.stderr).toMatch(/^warning: issue, rule two: there is no user nobody$/m)
    expect(first.stderr).toMatch(/^warning: issue, rule two: nobody is in a role none$/m)
    expect(first.stderr).not.toMatch(/alice|security|revoke/)
    const second = await set({ name: 'warned', rules: {} })
    expect(second.stderr).toMatch(/^warning: issue: the rules that were here are gone/m)
    expect(second.stderr).toMatch(/^warning: revoke: the rules that were here are gone/m)
  })
  test('are told what is wrong with a rule', async () => {
    const issue = (rule: object) => set({ name: 'wrong', rules: { issue: [{ name: 'a', ...rule }] } })
    expect(await issue({ auto: true, deny: 'no' })).toMatchObject(
      line(2, /rules\.issue\.0: .*exactly one outcome.*auto and deny/),
    )
    expect(await issue({})).toMatchObject(line(2, /rules\.issue\.0: .*this one has none/))
    expect(await issue({ require: [{ owner: true, quorum: 0 }] })).toMatchObject(
      line(2, /rules\.issue\.0\.require\.0\.quorum: /),
    )
  })
  test('that are set by the local operator raise an alert when their rules change', async () => {
    const alerts = async () =>
      (await at.json<{ detail: string }[]>('alert ls', admin)).map(({ detail }) => detail).join('\n')
    expect(await set({ name: 'silent', rules: { issue: [] } }, {})).toMatchObject({ code: 0 })
    expect(await alerts()).not.toContain('silent')
    expect(await set({ name: 'silent', rules: { issue: [{ name: 'all', auto: true }] } }, {})).toMatchObject({
      code: 0,
    })
    expect(await alerts()).toMatch(/local operator .* changed the rules of the profile silent/)
  })
})

describe('input', () => {
  test('that does not end is cut off', async () => {
    expect(await at.cli('profile set -f /dev/zero')).toMatchObject(
      line(2, /\/dev\/zero: it is longer than 8388608 octets/),
    )
  })
  test('holds a setup link and a password, one a line', async () => {
    await at.cli('user create frank', admin)
    const { secret } = await at.json<{ secret: string }>('user setup-link frank', admin)
    const input = `${secret}\na password of frank\n`
    expect(await at.cli('user set-password --setup-link-file -', { input })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('frank'),
    })
    expect(await at.cli('user set-password --setup-link-file - --setup-link x', { input })).toMatchObject({ code: 2 })
  })
  test('names no user in letters that look like others', async () => {
    for (const name of ['alicе', 'ali ce', 'a\u0308lice'])
      expect(await at.server.cli(['user', 'create', name], admin)).toMatchObject(line(2, /a-z, 0-9/))
    expect(await at.cli('user create Grace.Hopper@example.org', admin)).toMatchObject({ code: 0 })
  })
})

describe('lists of requests', () => {
  test('hold both kinds, the newest first, page by page', async () => {
    const signed = await at.order('default', 'both.example.org')
    await set({ name: 'slow', rules: { issue: [{ name: 'all', auto: true }], revoke: reviewRules.revoke } })
    const certificate = await at.order('slow', 'slow.example.org')
    const { id } = await at.json<{ id: number }>(`certificate revoke ${certificate}`, admin)
    const { stdout } = await at.cli('request ls --limit 3')
    const refs = stdout.split('\n').map((row) => row.split(/ +/).slice(0, 2).join(' '))
    expect(refs.slice(1, 4)).toEqual([`r${id} revoke`, `${certificate} sign`, `${signed} sign`])
    const seen: string[] = []
    for (let after = ''; ; ) {
      const page = await at.json<{ rows: { kind: string; id: number }[]; next?: string }>(
        `request ls --limit 2${after}`,
      )
      seen.push(...page.rows.map((row) => `${row.kind} ${row.id}`))
      if (page.next === undefined) break
      after = ` --after ${page.next}`
    }
    expect(new Set(seen).size).toBe(seen.length)
    const all = await at.json<{ rows: unknown[] }>('request ls --limit 200')
    expect(seen).toHaveLength(all.rows.length)
    expect((await at.cli('request ls --sign')).stdout).not.toMatch(/^r\d/m)
  })
  test('refuse a status that there is not', async () => {
    expect(await at.cli('request ls --status foo')).toMatchObject(line(2, /signing, signed.*revoking, revoked/))
    expect(await at.cli('request ls --revoke --status signed')).toMatchObject({ code: 2 })
    expect(await at.cli('request ls --status revoking')).toMatchObject({ code: 0, stdout: 'none\n' })
    expect(await at.cli('request ls --after x')).toMatchObject(line(2, /after/))
  })
  test('of certificates show a user what he may read', async () => {
    const plain = { token: await at.token('plain') }
    expect((await at.cli('certificate ls', plain)).stdout).toBe('none\n')
    await at.cli('user grant read plain --profile default', admin)
    const shown = (await at.cli('certificate ls', plain)).stdout
    expect(shown).toContain('both.example.org')
    expect(shown).not.toContain('slow.example.org')
  })
  test('keep a revocation from the local operator', async () => {
    const { rows } = await at.json<{ rows: { id: number }[] }>('request ls --revoke --status requested')
    expect(await at.cli(`request cancel r${rows[0]?.id}`)).toMatchObject(line(4, /by a person/))
    expect(await at.cli(`request mark-failed r${rows[0]?.id} --reason x`)).toMatchObject(line(4, /by a person/))
    expect(await at.cli(`request cancel r${rows[0]?.id}`, admin)).toMatchObject({ code: 0 })
  })
})

describe('the installation', () => {
  test('is found healthy, the port for client certificates too', async () => {
    const { code, stdout } = await at.cli('doctor')
    expect(stdout).not.toMatch(/^fail/m)
    expect(stdout).toMatch(/^ok .*\(mtls\)/m)
    expect(code).toBe(0)
  })
  test('proves its trail against a head that was kept', async () => {
    const first = await at.cli('audit verify')
    const [, head = ''] = /^head (\S+)$/m.exec(first.stdout) ?? []
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('the chain and the records agree') })
    expect(await at.cli(`audit verify --head ${head}`)).toMatchObject({ code: 0 })
    expect(await at.cli(`audit verify --head ${head.replace(/^\d+/, '1')}`)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('is not in the chain'),
    })
    expect(await at.cli('audit verify --head x')).toMatchObject({ code: 2 })
  })
})
