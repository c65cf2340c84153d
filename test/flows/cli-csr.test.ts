import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

interface Made {
  id: number
  uuid: string
  status: string
  key?: string
}

let at: CliInstallation
let env: Record<'alice' | 'bob' | 'carol', Record<string, string>>
let cli: RemoteCli
beforeAll(async () => {
  at = await startInstallation()
  const admin = { token: await at.token('admin') }
  const person = async (name: string, roles: string[] = []) => {
    const shared = { COUNTERSIGN_URL: at.server.baseUrl, COUNTERSIGN_CA: at.server.rootPem }
    return { ...shared, COUNTERSIGN_TOKEN: await at.token(name, roles) }
  }
  env = {
    alice: await person('alice'),
    bob: await person('bob', ['security']),
    carol: await person('carol', ['security']),
  }
  const settings = { certificate: { overrides: ['validity'] } }
  const shared = { authority: 'issuing', settings, protocols: { ra: {} } }
  const auto = {
    issue: [{ name: 'all', auto: true }],
    renew: [{ name: 'all', auto: true }],
    rekey: [{ name: 'all', auto: true }],
    revoke: reviewRules.revoke,
  }
  await at.json('profile set -f -', { input: JSON.stringify({ ...shared, name: 'reviewed', rules: reviewRules }) })
  await at.json('profile set -f -', { input: JSON.stringify({ ...shared, name: 'web', rules: auto }) })
  for (const capability of ['read', 'create_cert', 'revoke_cert'])
    await at.json(`user grant ${capability} alice --authority issuing`, admin)
})
afterAll(() => at?.server.stop())
beforeEach(() => {
  cli = remoteCli()
  return () => cli.remove()
})

const file = (name: string) => join(cli.home, name)
const create = (words: string, who: Record<string, string> = env.alice) =>
  cli.json<Made>(['csr', 'create', ...words.split(' ')], { env: who })
const run = (words: string, who: Record<string, string> = env.alice) => cli.run(words.split(' '), { env: who })

describe('csr create', () => {
  test('by options makes a key of mode 0600 and a request, and the server signs for these names', async () => {
    const made = await create(
      '--profile web -d www.test,api.test -i 192.0.2.7 --valid-days 7 -k w.key -o w.csr --out w.pem',
    )
    expect(made).toMatchObject({ status: 'signed', key: 'w.key' })
    expect(statSync(file('w.key')).mode & 0o777).toBe(0o600)
    await at.openssl('req', '-in', file('w.csr'), '-noout', '-verify')
    const certificate = new X509Certificate(readFileSync(file('w.pem')))
    expect(certificate.subjectAltName).toBe('DNS:www.test, DNS:api.test, IP Address:192.0.2.7')
    expect(certificate.checkPrivateKey(privateKey('w.key'))).toBe(true)
    const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(6.9)
    expect(days).toBeLessThan(7.1)
    expect((await run('csr ls')).stdout).toMatch(/ 7d /)
  })
  test.each([
    ['RSA-3072', 'rsa', { modulusLength: 3072 }],
    ['P-384', 'ec', { namedCurve: 'secp384r1' }],
  ])('makes a key of the kind %s', async (kind, type, details) => {
    await create(`--profile web -d kind.test --key-type ${kind}`)
    expect(privateKey('kind.test.key')).toMatchObject({ asymmetricKeyType: type, asymmetricKeyDetails: details })
  })
  test('asks at a terminal for what no option says', async () => {
    const { code, shown } = await cli.terminal(
      ['csr', 'create'],
      [
        ['Profile [default]: ', 'web\r'],
        ['DNS names, between blanks: ', 'asked.test www.asked.test\r'],
        ['IP addresses: ', '\r'],
        ['Valid for days (nothing: as usual): ', '3\r'],
        ['Key [P-256]: ', '\r'],
        ['Key file [asked.test.key]: ', '\r'],
      ],
      env.alice,
    )
    expect(shown).toMatch(/csr \d+ is signed: countersign csr download-crt \d+/)
    expect(code).toBe(0)
    expect(existsSync(file('asked.test.key'))).toBe(true)
    expect((await run('certificate ls --search www.asked.test')).stdout).toContain('asked.test')
  })
  test('opens an editor on a template, whose fields it explains', async () => {
    writeFileSync(
      file('editor'),
      '#!/bin/sh\ncp "$1" "$HOME/seen.yaml"\nsed -i "s/^dns:.*/dns: [edited.test]/; s/^validDays:.*/validDays: 2/" "$1"\n',
    )
    chmodSync(file('editor'), 0o700)
    const words = ['csr', 'create', '--profile', 'web', '--edit']
    const { code, shown } = await cli.terminal(words, [], { ...env.alice, VISUAL: '', EDITOR: file('editor') })
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringMatching(/is signed/) })
    expect(readFileSync(file('seen.yaml'), 'utf8')).toMatch(
      /^# A certificate signing request[\s\S]*^profile: web$[\s\S]*^dns: \[\]$/m,
    )
    expect(existsSync(file('edited.test.key'))).toBe(true)
  })
  test.each([
    ['ends badly', 'exit 3', 'ended with 3'],
    ['leaves no YAML', 'echo "dns: [" > "$1"', 'no YAML'],
    ['leaves what is no order', 'echo "names: 3" > "$1"', 'names'],
    ['takes out all names', 'echo "profile: web" > "$1"', 'for which names'],
  ])('orders nothing when the editor %s', async (_what, script, says) => {
    writeFileSync(file('editor'), `#!/bin/sh\n${script}\n`)
    chmodSync(file('editor'), 0o700)
    const ended = await cli.run(['csr', 'create', '--edit'], { env: { ...env.alice, VISUAL: file('editor') } })
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(says) })
  })
  test('overwrites no file, and orders nothing then', async () => {
    writeFileSync(file('here.key'), 'precious')
    const before = (await run('csr ls --json')).stdout
    expect(await run('csr create --profile web -d here.test -k here.key')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there already'),
    })
    expect(readFileSync(file('here.key'), 'utf8')).toBe('precious')
    expect(await run('csr create --profile web -d here.test -k new.key -o here.key')).toMatchObject({ code: 2 })
    expect(existsSync(file('new.key'))).toBe(false)
    expect((await run('csr ls --json')).stdout).toBe(before)
  })
  test('takes back the key of an order that is refused', async () => {
    const ended = await run('csr create --profile web -d long.test --valid-days 9999 -k long.key')
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^countersign: .*validity/i) })
    expect(existsSync(file('long.key'))).toBe(false)
  })
  test.each([
    ['-d under_score..test', 2, 'no DNS name'],
    ['-i 300.1.1.1', 2, 'no IP address'],
    ['-d a.test --profile none', 3, 'profile ls'],
    ['-d a.test --key-type RSA-512', 2, 'RSA-512'],
    ['-d a.test --valid-days soon', 2, 'whole number'],
    ['-d a.test --attribute x', 2, 'NAME=VALUE'],
    ['--profile web', 2, 'for which names'],
    ['-d a.test --use-key nowhere.pem', 2, 'no such file'],
  ])('%s ends with %i and one line', async (words, code, says) => {
    const ended = await run(`csr create ${words}`)
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) })
    expect(existsSync(file('a.test.key'))).toBe(false)
  })
  test('sends a request, or uses a key, that is there already', async () => {
    await at.openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      file('own.key'),
      '-out',
      file('own.csr'),
      '-subj',
      '/CN=own.test',
      '-addext',
      'subjectAltName=DNS:own.test',
    )
    expect(await create('--profile web --request own.csr')).toMatchObject({ status: 'signed' })
    expect(await create('--profile web -d own2.test --use-key own.key')).toMatchObject({ status: 'signed' })
    expect(existsSync(file('own2.test.key'))).toBe(false)
  })
  test('is for a server, not for a data folder', async () => {
    const ended = await at.cli('csr create -d a.test')
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('countersign login') })
  })
  test('--wait ends with 7 while it waits', async () => {
    const ended = await run('csr create --profile reviewed -d slow.test --wait 1s')
    expect(ended).toMatchObject({
      code: 7,
      stdout: expect.stringMatching(/^csr \d+ waits for approval by bob, carol\n$/),
    })
  })
  test('--wait ends with the certificate once people have approved', async () => {
    const waiting = cli.run('csr create --profile reviewed -d soon.test --wait 1m --out soon.pem --json'.split(' '), {
      env: env.alice,
    })
    const seen = remoteCli()
    const asked = async (): Promise<number> => {
      const { rows } = await seen.json<{ rows: { id: number; names: string[] }[] }>(['csr', 'ls'], { env: env.bob })
      return rows.find(({ names }) => names.includes('soon.test'))?.id ?? asked()
    }
    const id = await asked()
    for (const who of [env.bob, env.carol]) await seen.json(['csr', 'approve', String(id), '--yes'], { env: who })
    seen.remove()
    expect(await waiting).toMatchObject({ code: 0, stdout: expect.stringContaining('"status": "signed"') })
    expect(new X509Certificate(readFileSync(file('soon.pem'))).subjectAltName).toBe('DNS:soon.test')
  })
})

describe('the next certificate', () => {
  test('is for the same key, or for a new one that is made here', async () => {
    const first = await create('--profile web -d next.test')
    const spki = async ({ id }: Made) =>
      new X509Certificate((await run(`csr download-crt ${id}`)).stdout).publicKey.export({
        format: 'der',
        type: 'spki',
      })
    const next = (words: string) => cli.json<Made>(['certificate', ...words.split(' ')], { env: env.alice })
    const renewed = await next(`renew ${first.uuid}`)
    expect(await spki(renewed)).toEqual(await spki(first))
    const rekeyed = await next(`rekey ${first.uuid} --key next2.key`)
    expect(await spki(rekeyed)).not.toEqual(await spki(first))
    expect(statSync(file('next2.key')).mode & 0o777).toBe(0o600)
    expect(await run(`certificate rekey ${first.uuid} --key next2.key`)).toMatchObject({ code: 2 })
    expect(existsSync(file('next2.key'))).toBe(true)
    expect(await run(`certificate rekey ${first.uuid}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--key'),
    })
    expect(await run('certificate renew 999999')).toMatchObject({ code: 3 })
  })
})

const privateKey = (name: string) => createPrivateKey(readFileSync(file(name)))
