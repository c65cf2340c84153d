import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'

describe('with an installation', () => {
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

  describe('authorities', () => {
    test('are shown in aligned columns, and as JSON', async () => {
      const [head = '', ...lines] = (await at.cli('authority ls')).stdout.trimEnd().split('\n')
      for (const line of lines) expect(line.indexOf('local')).toBe(head.indexOf('KIND'))
      expect(await at.json('authority ls')).toContainEqual(
        expect.objectContaining({ name: 'root', keyAlgorithm: 'P-384' }),
      )
    })
    test('are made below a parent, with name constraints, and openssl agrees', async () => {
      const words =
        'authority create web --parent root --validity 1y --path-length 0 --permit dns:example.org ip:10.0.0.0/8 --owner admin'
      const made = await at.server.cli([...words.split(' '), '--subject', 'CN=Web CA,O=Example'], admin)
      expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('CN=Web CA,O=Example') })
      at.file('web.pem', (await at.json<{ pem: string }>('authority show web')).pem)
      expect(await at.openssl('x509', '-in', 'web.pem', '-noout', '-text')).toMatch(
        /Permitted:\s+DNS:example.org\s+IP:10.0.0.0\/255.0.0.0/,
      )
      await at.openssl('verify', '-CAfile', at.server.rootPem, 'web.pem')
    })
    test.each([
      ['authority show none', 3],
      ['authority create root --subject CN=x', 5],
      ['authority create x --subject CN=x --validity forever', 2],
      ['authority import x --pem nowhere.pem', 2],
    ])('%s ends with %i and one line', async (line, code) => {
      expect(await at.cli(line, admin)).toMatchObject({
        code,
        stdout: '',
        stderr: expect.stringMatching(/^countersign: .*\n$/),
      })
    })
    test('give a CRL that openssl verifies', async () => {
      expect(await at.cli('authority crl issuing --out issuing.crl')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^CRL \d+ of issuing/),
      })
      at.file('issuing.pem', (await at.json<{ pem: string }>('authority show issuing')).pem)
      await at.openssl('crl', '-in', 'issuing.crl', '-CAfile', 'issuing.pem', '-noout', '-verify')
    })
    test('are imported with their key, disabled and enabled', async () => {
      await at.openssl(
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        'old.key',
        '-out',
        'old.pem',
        '-subj',
        '/CN=Old CA',
        '-days',
        '90',
      )
      await at.openssl(
        'pkcs12',
        '-export',
        '-in',
        'old.pem',
        '-inkey',
        'old.key',
        '-out',
        'old.p12',
        '-passout',
        'pass:secret',
      )
      at.file('passphrase', 'secret\n')
      const imported = await at.cli('authority import old --pkcs12 old.p12 --passphrase-file passphrase', admin)
      expect(imported).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Key +RSA-2048$/m) })
      expect(await at.cli('authority disable old', alice)).toMatchObject({ code: 4 })
      expect(await at.json('authority disable old', admin)).toMatchObject({ enabled: false })
      expect(await at.json('authority enable old --owner alice', admin)).toMatchObject({
        enabled: true,
        owner: 'alice',
      })
    })
    test('that sign elsewhere get what was signed there', async () => {
      await at.openssl(
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        'ca.key',
        '-out',
        'ca.pem',
        '-subj',
        '/CN=Elsewhere',
        '-days',
        '120',
      )
      expect(await at.cli('authority add-manual elsewhere --pem ca.pem', admin)).toMatchObject({ code: 0 })
      const profile = {
        name: 'manual',
        authority: 'elsewhere',
        protocols: { acme: {} },
        rules: { issue: [{ name: 'all', auto: true }] },
      }
      await at.json('profile set -f -', { input: JSON.stringify(profile) })
      const id = await at.order('manual', 'upload.example.org')
      const { csr, status } = await at.json<{ csr: string; status: string }>(`request show ${id}`)
      expect(status).toBe('signing')
      at.file('leaf.csr', csr)
      at.file('leaf.ext', 'subjectAltName=DNS:upload.example.org\nextendedKeyUsage=serverAuth\n')
      await at.openssl(
        'x509',
        '-req',
        '-in',
        'leaf.csr',
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '10',
        '-extfile',
        'leaf.ext',
        '-out',
        'leaf.pem',
      )
      expect(await at.cli(`request upload ${id} --chain ca.pem`, admin)).toMatchObject({ code: 2 })
      expect(await at.cli(`request upload ${id} --chain leaf.pem`, admin)).toMatchObject({
        code: 0,
        stdout: `request ${id} is signed now\n`,
      })
    })
  })

  describe('profiles', () => {
    test('are exported as what set takes', async () => {
      const exported = (await at.cli('profile export reviewed')).stdout
      const set = await at.cli('profile set -f -', { ...admin, input: exported })
      expect(set).toMatchObject({ code: 0, stdout: 'profile reviewed is saved, version 2\n' })
      expect((await at.cli('profile export reviewed')).stdout).toBe(exported)
    })
    test.each([
      ['{name: x, authority: issuing, settings: {certificate: {colour: red}}}', /settings\.certificate/],
      [
        '{name: x, authority: issuing, protocols: {acme: {challenges: [smoke-signals]}}}',
        /protocols\.acme\.challenges\.0/,
      ],
      ['{name: x, authority: issuing, rules: {issue: [{name: a}]}}', /rules\.issue\.0/],
      ['{name: x, authority: issuing, colour: red}', /colour/],
      ['[]', /a profile is a map/],
      ['name: [unclosed', /profile\.yaml/],
    ])('%s is refused by its path: exit 2, one line', async (text, said) => {
      at.file('profile.yaml', text)
      const { code, stderr } = await at.cli('profile set -f profile.yaml', admin)
      expect(stderr).toMatch(said)
      expect(stderr.trim().split('\n')).toHaveLength(1)
      expect(code).toBe(2)
    })
    test('change their rules alone', async () => {
      at.file('rules.yaml', 'issue:\n  - name: nobody\n    deny: not here\n')
      expect(await at.cli('profile rules manual -f rules.yaml', alice)).toMatchObject({ code: 4 })
      expect(await at.cli('profile rules manual -f rules.yaml', admin)).toMatchObject({ code: 0 })
      expect((await at.cli('profile rules manual')).stdout).toMatch(/deny: not here/)
      expect((await at.cli('profile show manual')).stdout).toMatch(/^authority: elsewhere$/m)
    })
  })

  test('the audit trail is proved', async () => {
    expect(await at.cli('audit verify')).toMatchObject({ code: 0, stdout: expect.stringContaining('agree') })
  })
  test('doctor finds the running server in order', async () => {
    const { code, stdout } = await at.cli('doctor')
    expect(stdout).not.toMatch(/^fail/m)
    expect(code).toBe(0)
    for (const name of [
      'server',
      'data folder',
      'key file',
      'database',
      'TLS certificate',
      'clock',
      'CRL of issuing',
      'OCSP of root',
      'CRLs and responders of issuing',
    ]) {
      expect(stdout).toMatch(new RegExp(`^ok {4}${name}: `, 'm'))
    }
    expect(stdout).toMatch(/^ok {4}http:\/\/localhost:\d+\/ocsp\/issuing: signed/m)
  })

  describe('when the server was killed', () => {
    const same = [
      'authority ls --json',
      'profile ls --json',
      'user ls --json',
      'certificate ls --json',
      'request show 2',
    ]
    const beside = new Map<string, string>()
    beforeAll(async () => {
      for (const line of same) beside.set(line, (await at.cli(line)).stdout)
      await at.server.kill('SIGKILL')
    })
    test('its socket is still there, and in the way of nothing', async () => {
      expect(statSync(join(at.server.dataFolder, 'countersign.sock')).isSocket()).toBe(true)
      expect(await at.cli('authority ls')).toMatchObject({ code: 0, stderr: '' })
    })
    test.each(same)('%s answers the same without it', async (line) => {
      expect((await at.cli(line)).stdout).toBe(beside.get(line))
    })
    test('people vote without it, nobody else does, and the certificate is made', async () => {
      const id = await at.order('reviewed', 'offline.example.org')
      expect(await at.cli(`request approve ${id} --yes`)).toMatchObject({ code: 4 })
      expect(await at.cli(`request approve ${id} --yes`, alice)).toMatchObject({ code: 0 })
      expect(await at.cli(`request approve ${id} --yes`, bob)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('signed'),
      })
    })
    test('the adapters’ word on their options counts without it', async () => {
      at.file('profile.yaml', '{name: x, authority: issuing, protocols: {acme: {challenges: [smoke-signals]}}}')
      const set = await at.cli('profile set -f profile.yaml')
      expect(set).toMatchObject({ code: 2, stderr: expect.stringContaining('protocols.acme.challenges.0') })
    })
    test('doctor says that it does not run, and that its ports are free', async () => {
      const { stdout } = await at.cli('doctor')
      expect(stdout).toMatch(/^warn {2}server: does not run$/m)
      expect(stdout).toMatch(/^ok {4}port \d+ \(https\): free/m)
      expect(stdout).not.toMatch(/^fail/m)
    })
    test('it starts again over the old socket, for its owner alone', async () => {
      await at.server.restart()
      expect(statSync(join(at.server.dataFolder, 'countersign.sock')).mode & 0o777).toBe(0o600)
      expect((await at.cli('doctor')).stdout).toMatch(/^ok {4}server: runs/m)
    })
  })
})
