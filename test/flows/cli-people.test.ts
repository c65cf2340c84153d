import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'
import { atTerminal } from '../helpers/terminal.ts'

let at: CliInstallation
let admin: { token: string }
let alice: { token: string }
let bob: { token: string }

beforeAll(async () => {
  at = await startInstallation()
  admin = { token: await at.token('admin') }
  alice = { token: await at.token('alice', ['security']) }
  bob = { token: await at.token('bob', ['security']) }
  const profile = { name: 'reviewed', authority: 'issuing', protocols: { acme: {} }, rules: reviewRules }
  await at.json('profile set -f -', { input: JSON.stringify(profile) })
})
afterAll(() => at?.server.stop())

describe('people', () => {
  beforeAll(async () => {
    await at.json('user create carol', admin)
    at.file('password', 'carols very long password\n')
    at.file('next', 'another long password\n')
  })
  test('set a password with the link, once, and make a token with the password', async () => {
    const { secret } = await at.json<{ secret: string }>('user setup-link carol', admin)
    const set = `user set-password --setup-link ${secret} --new-password-file password`
    expect(await at.cli(set)).toMatchObject({ code: 0, stdout: expect.stringContaining('carol') })
    expect(await at.cli(set)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^countersign: this link is not valid/),
    })
    expect(await at.cli('token create --user carol', { input: 'a wrong password\n' })).toMatchObject({
      code: 4,
      stdout: '',
    })
    const made = await at.cli('token create --user carol', { input: 'carols very long password\n' })
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cs_[\w-]{43}\n$/) })
  })
  test('change a password that they know, and no other', async () => {
    const change = (present: string) =>
      at.cli(`user set-password --user carol --password-file ${present} --new-password-file next`)
    expect(await change('next')).toMatchObject({ code: 4 })
    expect(await change('password')).toMatchObject({ code: 0 })
    expect(await change('password')).toMatchObject({ code: 4 })
  })
  test('type a password at a terminal unseen', async () => {
    const words = ['token', 'create', '--user', 'carol', '--data', at.server.dataFolder]
    const { shown } = await atTerminal(
      [process.execPath, join(root, 'dist/cli.js'), ...words],
      [['Password of carol: ', 'another long password\r']],
      { cwd: at.server.workFolder, env: process.env },
    )
    expect(shown).toMatch(/cs_[\w-]{43}/)
    expect(shown).not.toContain('another long')
  })
  test('list their tokens without the text, and end them', async () => {
    const { text, view } = await at.json<{ text: string; view: { uuid: string } }>(
      'token create --name x --expires 1h',
      alice,
    )
    const { stdout } = await at.cli('token ls', alice)
    expect(stdout).toContain(view.uuid)
    expect(stdout).not.toContain(text)
    expect(await at.cli(`token revoke ${view.uuid}`, alice)).toMatchObject({ code: 0 })
    expect(await at.cli('request ls', { token: text })).toMatchObject({ code: 4, stdout: '' })
  })
  test('make tokens for themselves only, and nobody makes one without a person', async () => {
    const refused = await at.cli('token create')
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('countersign token create --user NAME') })
  })
  test('give a token in a file too, but one way at a time', async () => {
    at.file('token', `${alice.token}\n`)
    expect((await at.cli('user ls --json --token-file token')).stdout).not.toContain('"bob"')
    expect(await at.cli('user ls --token-file token --user bob')).toMatchObject({ code: 2 })
  })
  test('get roles and capabilities, which are shown', async () => {
    await at.json('user grant revoke_cert carol --authority issuing', admin)
    await at.json('user role carol security', admin)
    expect((await at.cli('user ls', admin)).stdout).toMatch(/carol .*security .*revoke_cert on issuing/)
    await at.json('user role carol security --remove', admin)
    expect(await at.cli('user grant fly carol', admin)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('revoke_cert'),
    })
  })
  test('are disabled, tokens and all', async () => {
    const dora = { token: await at.token('dora') }
    await at.json('user disable dora', admin)
    expect(await at.cli('request ls', dora)).toMatchObject({ code: 4 })
  })
  test('learn from an alert what the local operator did that may end in votes', async () => {
    await at.json('user setup-link alice')
    const alerts = await at.json<{ id: number; detail: string }[]>('alert ls', admin)
    const alert = alerts.find(({ detail }) => detail.includes('made a setup link for alice'))
    expect(await at.cli(`alert close ${alert?.id}`, alice)).toMatchObject({ code: 3 })
    expect(await at.cli(`alert close ${alert?.id}`, admin)).toMatchObject({ code: 0 })
    expect(await at.cli('user setup-link carol')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('password already'),
    })
  })
})

describe('requests', () => {
  test('are shown with all that an approver needs', async () => {
    const id = await at.order('reviewed', 'shown.example.org')
    const { stdout } = await at.cli(`request show ${id}`, alice)
    for (const line of [
      /^Status +requested$/m,
      /^Names +dns shown\.example\.org$/m,
      /^Subject +CN=shown\.example\.org$/m,
      /^Valid +for 90d$/m,
      /^Key +EC P-256, SHA-256 [0-9a-f]{64}$/m,
      /^Requester +ACME account account-1 \(acme-account\)$/m,
      /^From +192\.0\.2\.1$/m,
      /^Rule +two of security$/m,
      /^Steps +1\. 2 of role security, within 7d \(waits\)$/m,
      /^May approve +alice, bob$/m,
      /^Hash +[0-9a-f]{64}$/m,
    ]) {
      expect(stdout).toMatch(line)
    }
    const listed = (await at.cli('request ls --status requested')).stdout
    expect(listed).toMatch(new RegExp(`^${id} +sign +requested +shown\\.example\\.org +reviewed`, 'm'))
  })
  test('are approved by two people, each for himself; by nobody else, by nobody twice', async () => {
    const id = await at.order('reviewed', 'two.example.org')
    expect(await at.cli(`request approve ${id} --yes`)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("nobody's approval"),
    })
    expect(await at.cli(`request approve ${id} --yes --override --reason x`)).toMatchObject({ code: 4 })
    expect(await at.cli(`request approve ${id} --yes`, admin)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('not among those'),
    })
    const first = await at.cli(`request approve ${id} --yes`, alice)
    expect(first).toMatchObject({
      code: 0,
      stdout: `request ${id}: you approved it; it is requested now and waits for more approvals\n`,
    })
    expect(first.stderr).toMatch(/^Names +dns two\.example\.org$/m)
    expect(await at.cli(`request approve ${id} --yes`, alice)).toMatchObject({ code: 5 })
    expect(await at.cli(`request comment ${id} fine`, bob)).toMatchObject({ code: 0 })
    expect(await at.cli(`request approve ${id} --yes --remember 7d`, bob)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('it is signed now'),
    })
    const shown = (await at.cli(`request show ${id}`)).stdout
    expect(shown).toMatch(/^Votes +.*Z alice: approve, step 1\n +.*Z bob: approve, step 1\nComments +.*Z bob: fine$/m)
  })
  test('are approved as they were seen, or not at all', async () => {
    const id = await at.order('reviewed', 'hash.example.org')
    const other = await at.cli(`request approve ${id} --hash ${'0'.repeat(64)}`, alice)
    expect(other).toMatchObject({ code: 5, stderr: expect.stringContaining('has changed') })
  })
  test('are denied by people only, with a reason', async () => {
    const id = await at.order('reviewed', 'denied.example.org')
    expect(await at.cli(`request deny ${id} --yes`, alice)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--reason'),
    })
    expect(await at.cli(`request deny ${id} --yes --reason no`)).toMatchObject({ code: 4 })
    expect(await at.cli(`request deny ${id} --yes --reason unknown-host`, alice)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('it is denied now'),
    })
    expect((await at.cli('request ls --status denied')).stdout).toContain('unknown-host')
    expect(await at.cli(`request retry ${id}`)).toMatchObject({ code: 5 })
  })
  test('are overridden by an administrator, with a reason', async () => {
    const id = await at.order('reviewed', 'override.example.org')
    expect(await at.cli(`request approve ${id} --yes --override`, admin)).toMatchObject({ code: 2 })
    expect(await at.cli(`request approve ${id} --yes --override --reason urgent`, alice)).toMatchObject({ code: 4 })
    expect(await at.cli(`request approve ${id} --yes --override --reason urgent`, admin)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('signed'),
    })
  })
  test('are canceled, marked failed, and not found', async () => {
    const id = await at.order('reviewed', 'cancel.example.org')
    expect(await at.cli(`request cancel ${id} --reason mistake`)).toMatchObject({
      code: 0,
      stdout: `request ${id} is canceled now\n`,
    })
    expect(await at.cli(`request cancel ${id}`)).toMatchObject({ code: 5 })
    const other = await at.order('reviewed', 'failed.example.org')
    expect(await at.cli(`request mark-failed ${other} --reason given-up`, alice)).toMatchObject({ code: 4 })
    expect(await at.cli(`request mark-failed ${other} --reason given-up`)).toMatchObject({ code: 0 })
    expect(await at.cli('request show r999999')).toMatchObject({ code: 3 })
    expect(await at.cli('request show twelve')).toMatchObject({ code: 2 })
  })
  test('are listed page by page', async () => {
    const { rows, next } = await at.json<{ rows: { id: number }[]; next: string }>('request ls --limit 2')
    expect(rows).toHaveLength(2)
    const more = await at.json<{ rows: { id: number }[] }>(`request ls --limit 2 --after ${next}`)
    expect(more.rows[0]?.id).toBeLessThan(rows[1]?.id ?? 0)
  })
})

describe('certificates', () => {
  let id: number
  beforeAll(async () => {
    id = await at.order('default', 'www.example.org')
  })
  test('are found by id, serial number and fingerprint', async () => {
    const { serial, fingerprint } = await at.json<{ serial: string; fingerprint: string }>(`certificate show ${id}`)
    for (const ref of [serial.toUpperCase(), fingerprint]) {
      expect((await at.cli(`certificate show ${ref}`)).stdout).toMatch(/^Names +www\.example\.org$/m)
    }
    expect((await at.cli('certificate ls --search WWW.example')).stdout).toMatch(new RegExp(`^${id} +issued +www`, 'm'))
    expect(await at.cli('certificate show 0123456789abcdef0123')).toMatchObject({ code: 3 })
    expect(await at.cli('certificate show www.example.org')).toMatchObject({ code: 2 })
  })
  test('are downloaded as PEM, DER and chain', async () => {
    const leaf = new X509Certificate((await at.cli(`certificate download ${id}`)).stdout)
    expect(leaf.checkHost('www.example.org')).toBe('www.example.org')
    expect((await at.cli(`certificate download ${id} --chain`)).stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
    expect(await at.cli(`certificate download ${id} --der --out leaf.der`)).toMatchObject({ code: 0 })
    expect(readFileSync(join(at.server.workFolder, 'leaf.der'))).toEqual(leaf.raw)
  })
  test('are held and released by people', async () => {
    expect(await at.cli(`certificate hold ${id}`, admin)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is on hold/),
    })
    expect((await at.cli('certificate ls --status hold')).stdout).toMatch(/certificateHold/)
    expect(await at.cli(`certificate hold ${id}`, admin)).toMatchObject({ code: 5 })
    expect(await at.cli(`certificate unhold ${id}`)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('only a person'),
    })
    expect(await at.cli(`certificate unhold ${id}`, admin)).toMatchObject({
      code: 0,
      stdout: `certificate ${id} is valid again\n`,
    })
    expect(await at.cli(`certificate unhold ${id}`, admin)).toMatchObject({ code: 5 })
  })
  test('are not compromised since a time that has not come, or is none', async () => {
    const revoke = (since: string) =>
      at.cli(`certificate revoke ${id} --reason keyCompromise --compromised-since ${since}`, admin)
    expect(await revoke('+2h')).toMatchObject({ code: 2, stderr: expect.stringContaining('not come yet') })
    expect(await revoke('yesterday')).toMatchObject({ code: 2 })
    expect((await at.cli(`certificate show ${id}`)).stdout).toMatch(/^Status +issued$/m)
  })
  test('are revoked by people only, at once where the rules say so', async () => {
    expect(await at.cli(`certificate revoke ${id}`)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("nobody's approval"),
    })
    expect(await at.cli(`certificate revoke ${id} --reason boredom`, admin)).toMatchObject({ code: 2 })
    expect(
      await at.cli(`certificate revoke ${id} --reason keyCompromise --compromised-since now`, admin),
    ).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is revoked/),
    })
    expect((await at.cli('certificate ls --status revoked')).stdout).toMatch(/keyCompromise/)
    expect(await at.cli(`certificate revoke ${id}`, admin)).toMatchObject({ code: 5 })
  })
  test('under a rule of review are revoked by somebody else than who asks', async () => {
    const { rows } = await at.json<{ rows: { id: number }[] }>('certificate ls --profile reviewed')
    const asked = await at.json<{ id: number; status: string }>(
      `certificate revoke ${rows[0]?.id} --reason superseded`,
      alice,
    )
    expect(asked.status).toBe('requested')
    expect((await at.cli(`request show r${asked.id}`)).stdout).toMatch(/^Revoke for +superseded$/m)
    expect(await at.cli(`request approve r${asked.id} --yes`, alice)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('separation of duties'),
    })
    expect(await at.cli(`request approve r${asked.id} --yes`, bob)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('revoked now'),
    })
    expect((await at.cli('request ls --revoke')).stdout).toMatch(new RegExp(`^r${asked.id} +revoke +revoked`, 'm'))
  })
})
