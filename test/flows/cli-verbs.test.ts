import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

/** What the other files leave: everyVerb.ts holds that each verb ended well once and was refused once. */
let at: CliInstallation
let cli: RemoteCli
const env: Record<'admin' | 'alice' | 'bob' | 'ended', Record<string, string>> = {
  admin: {},
  alice: {},
  bob: {},
  ended: {},
}
const nothing = '0193f2c0-0000-7000-8000-000000000000'

beforeAll(async () => {
  at = await startInstallation()
  cli = remoteCli()
  const shared = { COUNTERSIGN_URL: at.server.baseUrl, COUNTERSIGN_CA: at.server.rootPem }
  env.admin = { ...shared, COUNTERSIGN_TOKEN: await at.token('admin') }
  env.alice = { ...shared, COUNTERSIGN_TOKEN: await at.token('alice') }
  env.bob = { ...shared, COUNTERSIGN_TOKEN: await at.token('bob', ['security']) }
  env.ended = { ...shared, COUNTERSIGN_TOKEN: 'cs_0000000000000000000000000000000000000000000' }
  const protocols = { acme: {}, ra: {}, scep: {} }
  await at.json('profile set -f -', {
    input: JSON.stringify({ name: 'web', authority: 'issuing', protocols, rules: { ...reviewRules, issue: one } }),
  })
})
afterAll(async () => {
  cli?.remove()
  await at?.server.stop()
})

const one = [{ name: 'one of security', require: [{ roles: ['security'] }] }]
const auto = [{ name: 'all', auto: true }]
type Who = keyof typeof env
const run = (who: Who, line: string, input?: string) =>
  cli.run(line.split(' '), { env: env[who], ...(input === undefined ? {} : { input }) })
const well = async (who: Who, line: string, input?: string) => {
  const ended = await run(who, line, input)
  expect(ended).toMatchObject({ code: 0 })
  return ended.stdout
}
const json = <T>(who: Who, line: string) => cli.json<T>(line.split(' '), { env: env[who] })
const file = (name: string, text: string) => writeFileSync(join(cli.home, name), text)
const order = async (name: string) =>
  String((await json<{ id: number }>('admin', `csr create --profile web -d ${name}`)).id)

describe('a token that has ended', () => {
  test.each([
    ...['alert ls', 'approval ls', 'audit ls', 'certificate ls', 'certificate renew-windows', 'challenge ls', 'cmc ls'],
    ...[
      'cmp ls',
      'delegation ls',
      'discovery ls',
      'eab ls',
      'export',
      'group ls',
      'kek ls',
      'key ls-blocked',
      'limit ls',
    ],
    ...['organization ls', 'profile ls', 'revoke ls', 'standing-approval ls', 'webhook ls'],
  ])('%s answers nothing to', async (line) => {
    expect(await run('ended', line)).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/token/) })
  })
})

describe('what is not there', () => {
  test.each([
    ...['authority chains none', 'authority register none', 'authority rollover cancel none', 'profile export none'],
    ...['csr describe 999999', 'revoke describe 999999', 'revoke deny 999999 --yes --reason no'],
    ...['certificate download 999999', 'certificate remove-renew-window 999', 'standing-approval end UUID'],
    ...['discovery places none', 'discovery rm none', 'token revoke UUID', 'challenge revoke UUID'],
    ...['challenge webhook-secret --profile none', 'cmc create --profile none', 'cmc revoke UUID'],
    ...['cmp create --profile none', 'cmp revoke UUID'],
    ...['eab create --profile none', 'eab revoke UUID', 'kek revoke UUID', 'user enable none', 'user disable none'],
    ...['user role none security', 'group change none --name some', 'group add none alice', 'group remove none alice'],
    ...['webhook rm UUID', 'webhook deliveries UUID', 'webhook redeliver UUID UUID', 'server use none'],
    'logout --profile none',
  ])('%s ends with 3', async (line) => {
    expect(await run('admin', line.replaceAll('UUID', nothing))).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^countersign: .+\n$/),
    })
  })
  test.each([
    ...['authority add-manual x --pem none.pem', 'authority rollover upload root --pem none.pem'],
    ...['webhook add -f none.yaml', 'challenge set-static --profile web --challenge-file none', 'man page'],
    'authority add-acme x --directory ftp://ca.test/',
  ])('%s ends with 2', async (line) => {
    expect(await run('admin', line)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/./) })
  })
  test('server ls tells of no servers that others may have written down', async () => {
    expect(await cli.run(['server', 'ls'])).toMatchObject({ code: 0 })
    cpSync(at.server.rootPem, join(cli.home, 'root.pem'))
    file('token', `${env.admin.COUNTERSIGN_TOKEN}\n`)
    await cli.json(['login', at.server.baseUrl, '--ca', 'root.pem', '--token-file', 'token'])
    chmodSync(cli.configFile, 0o644)
    expect(await cli.run(['server', 'ls'])).toMatchObject({ code: 4, stdout: '' })
    chmodSync(cli.configFile, 0o600)
    expect(await cli.run(['logout', '--forget'])).toMatchObject({ code: 0 })
  })
})

describe('at a terminal', () => {
  const beside = () => ({ COUNTERSIGN_DATA: at.server.dataFolder })
  const typing = async (words: string, dialogue: Parameters<RemoteCli['terminal']>[1], as: Record<string, string>) => {
    const { code, shown } = await cli.terminal(words.split(' '), dialogue, as)
    expect({ code, shown }).toMatchObject({ code: 0 })
    return shown
  }
  test('request approve and deny ask before they vote', async () => {
    const [yes, no] = [await order('yes.test'), await order('no.test')]
    expect(await typing(`request approve ${yes}`, [['[y/N] ', 'y\r']], env.bob)).toContain('it is signed now')
    const why = [
      ['[y/N] ', 'y\r'],
      ['Why: ', 'not ours\r'],
    ] as const
    expect(await typing(`request deny ${no}`, why, env.bob)).toContain('it is denied now')
  })
  test('revoke approve and deny ask before they vote', async () => {
    const id = await order('revoked.test')
    await well('bob', `csr approve ${id} --yes`)
    const { uuid } = await json<{ uuid: string }>('admin', `csr describe ${id}`)
    const asked = () => json<{ id: number }>('admin', `revoke create --certificate ${uuid} --reason 4`)
    const why = [
      ['[y/N] ', 'y\r'],
      ['Why: ', 'in use\r'],
    ] as const
    expect(await typing(`revoke deny ${(await asked()).id}`, why, env.bob)).toContain('it is denied now')
    expect(await typing(`revoke approve ${(await asked()).id}`, [['[y/N] ', 'y\r']], env.bob)).toContain(
      'it is revoked now',
    )
  })
  test('apply asks before it changes anything', async () => {
    file('groups.yaml', 'organization: default\ngroups:\n  - name: asked about\n')
    const no = await cli.terminal(['apply', '-f', 'groups.yaml'], [['[y/N] ', '\r']], env.admin)
    expect(no).toMatchObject({ code: 2, shown: expect.stringContaining('given up') })
    expect(await typing('apply -f groups.yaml', [['[y/N] ', 'y\r']], env.admin)).toContain('done')
  })
  test('challenge set-static asks twice for what it shows nowhere', async () => {
    const secret = 'a challenge of some length'
    const shown = await typing(
      'challenge set-static --profile web',
      [
        ['New password: ', `${secret}\r`],
        ['Again: ', `${secret}\r`],
      ],
      env.admin,
    )
    expect(shown).not.toContain(secret)
  })
  test('user set-password takes the link and the password unseen, and token create the password', async () => {
    await well('admin', 'user create erin')
    const { secret } = await json<{ secret: string }>('admin', 'user setup-link erin')
    const password = 'erins very long password'
    const shown = await typing(
      'user set-password --setup-link-file -',
      [
        ['Setup link: ', `${secret}\r`],
        ['New password: ', `${password}\r`],
        ['Again: ', `${password}\r`],
      ],
      beside(),
    )
    expect(shown).not.toContain(password)
    expect(shown).not.toContain(secret)
    const made = await typing('token create --user erin', [['Password of erin: ', `${password}\r`]], beside())
    expect(made).toMatch(/^cs_[\w-]{43}\s/m)
  })
})

describe('what the profile wants to know of who revokes', () => {
  const revokeAttributes = [
    { name: 'ticket', label: 'Ticket', required: true, constraints: [{ type: 'regExp', data: '[0-9]+' }] },
    { name: 'note' },
  ]
  const revoke = async (name: string) => {
    const { uuid } = await json<{ uuid: string }>('admin', `csr create --profile ticketed -d ${name}`)
    return `revoke create --certificate ${uuid} --reason 4`
  }
  beforeAll(async () => {
    const draft = { name: 'ticketed', authority: 'issuing', protocols: { ra: { revokeAttributes } } }
    const input = JSON.stringify({ ...draft, rules: { issue: auto, revoke: auto } })
    await at.json('profile set -f -', { input })
  })
  test('is said by --attribute, and refused like over REST', async () => {
    const create = await revoke('one.ticketed.test')
    const missing = await run('admin', create)
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('--attribute ticket=… (Ticket)') })
    const wrong = await run('admin', `${create} --attribute ticket=none`)
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('does not match') })
    const unknown = await run('admin', `${create} --attribute ticket=1 colour=red`)
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('colour is not known') })
    const stdout = await well('admin', `${create} --attribute ticket=0815 --comment replaced --compromised-since now`)
    expect(stdout).toMatch(/^certificate \d+ is revoked\n$/)
    const [, , , uuid] = create.split(' ')
    const line = `certificate show ${uuid}`
    expect(await json('admin', line)).toMatchObject({ status: 'revoked', revocationReason: 'superseded' })
  })
  test('is asked at a terminal', async () => {
    const words = (await revoke('two.ticketed.test')).split(' ')
    const { code, shown } = await cli.terminal(words, [['Ticket (ticket): ', '4711\r']], env.admin)
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringContaining('is revoked') })
  })
  test('is nothing beside the server, where REST does not ask', async () => {
    const ended = await cli.run('revoke create --certificate 1 --attribute ticket=1'.split(' '), {
      env: { COUNTERSIGN_DATA: at.server.dataFolder },
    })
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('--server') })
  })
})
