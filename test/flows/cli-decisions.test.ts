import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, reviewRules, startInstallation } from '../helpers/installation.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

let at: CliInstallation
let cli: RemoteCli
let env: Record<'admin' | 'alice' | 'bob' | 'carol', Record<string, string>>
beforeAll(async () => {
  at = await startInstallation()
  cli = remoteCli()
  const token = await at.token('admin')
  const shared = { COUNTERSIGN_URL: at.server.baseUrl, COUNTERSIGN_CA: at.server.rootPem }
  const person = async (name: string) => ({ ...shared, COUNTERSIGN_TOKEN: await at.token(name, ['security']) })
  const alice = { ...shared, COUNTERSIGN_TOKEN: await at.token('alice') }
  env = {
    admin: { ...shared, COUNTERSIGN_TOKEN: token },
    alice,
    bob: await person('bob'),
    carol: await person('carol'),
  }
  const one = [{ name: 'one', require: [{ roles: ['security'] }] }]
  const all = [{ name: 'all', auto: true }]
  const rules = { issue: one, renew: all, rekey: all, revoke: reviewRules.revoke }
  await at.json('profile set -f -', {
    input: JSON.stringify({ name: 'web', authority: 'issuing', protocols: { ra: {} }, rules }),
  })
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
  await at.cli('authority add-manual elsewhere --pem ca.pem --owner admin', { token })
  const manual = { name: 'manual', authority: 'elsewhere', protocols: { ra: {} }, rules: { issue: all, revoke: all } }
  await at.json('profile set -f -', { input: JSON.stringify(manual) })
  for (const authority of ['issuing', 'elsewhere'])
    for (const capability of ['read', 'create_cert', 'revoke_cert'])
      await at.json(`user grant ${capability} alice --authority ${authority}`, { token })
})
afterAll(async () => {
  cli?.remove()
  await at?.server.stop()
})

type Who = keyof typeof env
const run = (who: Who, line: string) => cli.run(line.split(' '), { env: env[who] })
const json = <T>(who: Who, line: string) => cli.json<T>(line.split(' '), { env: env[who] })
const file = (name: string) => join(cli.home, name)

async function ordered(name: string, profile = 'web'): Promise<string> {
  return String((await json<{ id: number }>('alice', `csr create --profile ${profile} -d ${name}`)).id)
}

async function issued(name: string): Promise<string> {
  const id = await ordered(name)
  await json('bob', `csr approve ${id} --yes`)
  return id
}

describe('csr', () => {
  test('ls shows name, status, authority, names, validity, administrator, who asked, when and from where', async () => {
    const id = await ordered('listed.test')
    const [head = '', first = ''] = (await run('bob', 'csr ls --status Requested')).stdout.split('\n')
    expect(head.trim().split(/ {2,}/)).toEqual([
      'ID',
      'NAME',
      'STATUS',
      'AUTHORITY',
      'SAN',
      'VALID FOR',
      'ADMINISTRATOR',
      'REQUESTED BY',
      'REQUESTED AT',
      'REQUESTED IP',
    ])
    expect(first).toMatch(
      new RegExp(
        `^${id} +listed.test +Requested +issuing +listed.test +\\d+d +\\S+ +alice +20\\d\\d-.*Z +(127.0.0.1|::1)$`,
      ),
    )
    expect(await run('bob', 'csr ls --limit 1')).toMatchObject({ code: 0 })
    expect(await run('bob', 'csr ls --status nothing')).toMatchObject({ code: 2 })
    expect(await run('bob', 'csr ls --page 0')).toMatchObject({ code: 2 })
  })
  test('describe, approve and download-crt: as PEM, with its chain, as DER and as PKCS #12', async () => {
    const id = await ordered('whole.test')
    expect(await run('alice', `csr download-crt ${id}`)).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringContaining('waits for approval by bob, carol'),
    })
    expect((await run('bob', `csr describe ${id}`)).stdout).toMatch(
      /^Names +dns whole.test$[\s\S]*^Hash +[0-9a-f]{64}$/m,
    )
    const { code, shown } = await cli.terminal(
      ['csr', 'approve', id],
      [[`Approve request ${id} as it is shown here? [y/N] `, 'y\r']],
      env.bob,
    )
    expect({ code, shown }).toMatchObject({
      code: 0,
      shown: expect.stringContaining(`request ${id}: you approved it; it is signed now`),
    })
    const pem = (await run('alice', `csr download-crt ${id}`)).stdout
    expect(new X509Certificate(pem).subjectAltName).toBe('DNS:whole.test')
    await run('alice', `csr download-crt ${id} --chain --out chain.pem`)
    expect(readFileSync(file('chain.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(1)
    await run('alice', `csr download-crt ${id} --der --out whole.der`)
    expect(readFileSync(file('whole.der'))).toEqual(new X509Certificate(pem).raw)
    writeFileSync(file('passphrase'), 'a passphrase\n')
    const pfx = `csr download-crt ${id} --pfx --key whole.test.key --passphrase-file passphrase --out whole.pfx`
    expect(await run('alice', pfx)).toMatchObject({ code: 0 })
    expect(statSync(file('whole.pfx')).mode & 0o777).toBe(0o600)
    await at.openssl(
      'pkcs12',
      '-in',
      file('whole.pfx'),
      '-passin',
      'pass:a passphrase',
      '-nodes',
      '-out',
      file('out.pem'),
    )
    expect(readFileSync(file('out.pem'), 'utf8')).toContain('PRIVATE KEY')
    expect(await run('alice', pfx.replace('whole.test.key', 'listed.test.key'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('not the key'),
    })
  })
  test('deny says why, which the requester reads; without a word it is no denial', async () => {
    const id = await ordered('denied.test')
    expect(await run('bob', `csr deny ${id} --yes`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--reason'),
    })
    const { code, shown } = await cli.terminal(
      ['csr', 'deny', id],
      [
        ['[y/N] ', 'y\r'],
        ['Why: ', 'not ours\r'],
      ],
      env.bob,
    )
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringContaining('it is denied now') })
    expect((await run('alice', `csr describe ${id}`)).stdout).toMatch(/^Reason +not ours$/m)
    expect(await run('alice', `csr download-crt ${id}`)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('not ours'),
    })
  })
  test('approve is nothing for who asked, and without a terminal names what it is on', async () => {
    const id = await ordered('mine.test')
    expect(await run('alice', `csr approve ${id} --yes`)).toMatchObject({ code: 4 })
    expect(await run('bob', `csr approve ${id}`)).toMatchObject({ code: 2, stderr: expect.stringContaining('--hash') })
    expect(await run('bob', `csr approve r${id} --yes`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('revoke'),
    })
    expect(await run('bob', 'csr approve 999999 --yes')).toMatchObject({ code: 3 })
  })
  test('delete withdraws what waits, and nothing that has ended', async () => {
    const id = await ordered('withdrawn.test')
    expect(await run('alice', `csr delete ${id}`)).toMatchObject({ code: 0, stdout: `request ${id} is canceled now\n` })
    expect((await run('alice', 'csr ls --status canceled')).stdout).toMatch(/withdrawn.test +Canceled/)
    expect(await run('alice', `csr delete ${id}`)).toMatchObject({ code: 5 })
  })
  test('retry tries again what failed, and nothing that waits', async () => {
    const id = await ordered('again.test', 'manual')
    expect(await run('alice', `csr download-crt ${id}`)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('being signed'),
    })
    await json('admin', `request mark-failed ${id} --reason nobody-signs`)
    expect(await run('admin', `csr retry ${id}`)).toMatchObject({ code: 0, stdout: `request ${id} is signing now\n` })
    expect(await run('bob', `csr retry ${await ordered('waits.test')}`)).not.toMatchObject({ code: 0 })
  })
})

describe('revoke', () => {
  async function asked(name: string, reason: string): Promise<string> {
    const { uuid } = await json<{ uuid: string }>('alice', `csr describe ${await issued(name)}`)
    const made = await json<{ id: number; status: string }>(
      'alice',
      `revoke create --certificate ${uuid} --reason ${reason}`,
    )
    expect(made.status).toBe('requested')
    return String(made.id)
  }
  test.each([
    ['1', 'keyCompromise'],
    ['4', 'superseded'],
    ['cessationofoperation', 'cessationOfOperation'],
  ])('create takes the reason %s, and ls shows it with name, status, who asked and when', async (reason, name) => {
    const id = await asked(`because-${reason}.test`, reason)
    const [head = '', first = ''] = (await run('bob', 'revoke ls')).stdout.split('\n')
    expect(head.trim().split(/ {2,}/)).toEqual(['ID', 'NAME', 'STATUS', 'REASON', 'REQUESTED BY', 'REQUESTED AT'])
    expect(first).toMatch(new RegExp(`^r${id} +because-${reason}.test +Requested +${name} +alice +20`))
  })
  test.each([['7'], ['99'], ['boredom']])('create knows no reason %s', async (reason) => {
    const ended = await run('alice', `revoke create --certificate 1 --reason ${reason}`)
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('1 keyCompromise') })
  })
  test('create knows the reasons 0 to 6, 9 and 10', async () => {
    const all = [0, 1, 2, 3, 4, 5, 6, 9, 10].map((code) =>
      run('alice', `revoke create --certificate 1 --reason ${code}`),
    )
    // Known: what is missing is the certificate.
    for (const ended of await Promise.all(all)) expect(ended).toMatchObject({ code: 3 })
  })
  test('create asks at a terminal for what no option says', async () => {
    const { uuid } = await json<{ uuid: string }>('alice', `csr describe ${await issued('typed.test')}`)
    const { code, shown } = await cli.terminal(
      ['revoke', 'create'],
      [
        ['Certificate (id, serial number or fingerprint): ', `${uuid}\r`],
        ['Reason (name or number) [unspecified]: ', '5\r'],
      ],
      env.alice,
    )
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringMatching(/is requested \(request r\d+\)/) })
    expect(await run('alice', 'revoke create')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--certificate'),
    })
  })
  test('describe and approve revoke it, by somebody else than who asks', async () => {
    const id = await asked('gone.test', '1')
    expect((await run('bob', `revoke describe ${id}`)).stdout).toMatch(/^Revoke for +keyCompromise$/m)
    expect(await run('alice', `revoke approve ${id} --yes`)).toMatchObject({ code: 4 })
    expect(await run('bob', `revoke approve ${id} --yes`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('it is revoked now'),
    })
    expect((await run('alice', 'certificate ls --search gone.test')).stdout).toMatch(
      /revoked +gone.test .*keyCompromise/,
    )
  })
  test('deny leaves the certificate, and the requester reads why', async () => {
    const id = await asked('stays.test', '4')
    expect(await run('bob', `revoke deny r${id} --yes --reason needed`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('it is denied now'),
    })
    expect((await run('alice', `revoke describe ${id}`)).stdout).toMatch(/^Reason +needed$/m)
    expect((await run('alice', 'certificate ls --search stays.test')).stdout).toMatch(/issued +stays.test/)
  })
  test('cancel withdraws what waits', async () => {
    const id = await asked('kept.test', '4')
    expect(await run('alice', `revoke cancel ${id}`)).toMatchObject({
      code: 0,
      stdout: `request r${id} is canceled now\n`,
    })
    expect(await run('alice', `revoke cancel ${id}`)).toMatchObject({ code: 5 })
  })
  test('retry tries again what an authority elsewhere has not done, and nothing that waits', async () => {
    const id = await asked('again-revoked.test', '4')
    expect(await run('bob', `revoke retry ${id}`)).not.toMatchObject({ code: 0 })
    const { uuid } = await json<{ uuid: string }>('alice', `csr describe ${await signedElsewhere('far.test')}`)
    const { id: far } = await json<{ id: number }>('alice', `revoke create --certificate ${uuid} --reason superseded`)
    const again = { code: 0, stdout: `request r${far} is revoking now\n` }
    expect(await run('admin', `revoke retry ${far}`)).toMatchObject(again)
    await json('admin', `request mark-failed r${far} --reason the-ca-is-silent`)
    expect(await run('admin', `revoke retry ${far}`)).toMatchObject(again)
  })
})

/** An order under the authority that signs elsewhere, and its certificate made there. */
async function signedElsewhere(name: string): Promise<string> {
  await cli.run(`csr create --profile manual -d ${name} -o ${name}.csr`.split(' '), { env: env.alice })
  const { rows } = await json<{ rows: { id: number; names: string[] }[] }>('alice', 'csr ls')
  const id = String(rows.find(({ names }) => names.includes(name))?.id)
  writeFileSync(file('san.cnf'), `subjectAltName=DNS:${name}\n`)
  const sign = `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile san.cnf -out ${name}.pem`
  for (const one of ['ca.pem', 'ca.key']) writeFileSync(file(one), readFileSync(join(at.server.workFolder, one)))
  execFileSync('openssl', sign.split(' '), { cwd: cli.home, stdio: 'pipe' })
  await json('admin', `request upload ${id} --chain ${name}.pem`)
  return id
}
