import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKey } from '../../src/core/key.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { root } from '../helpers/bundle.ts'
import { certificateOf, foreignRoot } from '../helpers/crossSigned.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { freePorts } from '../helpers/ports.ts'
import { start } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

let at: CliInstallation
let admin: { token: string }
beforeAll(async () => {
  at = await startInstallation()
  admin = { token: await at.token('admin') }
})
afterAll(() => at?.server.stop())

const well = async (line: string) => {
  const ended = await at.cli(line, admin)
  expect(ended).toMatchObject({ code: 0 })
  return ended.stdout
}
const json = <T>(line: string) => at.json<T>(line, admin)
const der = (pem: string) => pemDecode(pem)[0]?.der
const auto = [{ name: 'all', auto: true }]

describe('serve', () => {
  test('runs the server until it is told to stop, and says which setting it does not know', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-'))
    const [https = 0, mtls = 0, http = 0] = await freePorts(3)
    const env = {
      DATABASE_URL: undefined,
      COUNTERSIGN_HTTPS_PORT: String(https),
      COUNTERSIGN_MTLS_PORT: String(mtls),
      COUNTERSIGN_HTTP_PORT: String(http),
    }
    const serve = (more: Record<string, string> = {}) =>
      start(process.execPath, [join(root, 'dist/cli.js'), 'serve', '--data', join(folder, 'data')], {
        cwd: folder,
        env: { ...env, ...more },
      })
    try {
      const refused = await serve({ COUNTERSIGN_COLOUR: 'red' }).ended
      expect(refused).toMatchObject({
        code: expect.not.stringMatching(/^0$/),
        stderr: expect.stringContaining('COLOUR'),
      })
      expect(refused.code).not.toBe(0)
      const running = serve()
      const ready = () => fetch(`http://127.0.0.1:${http}/readyz`).catch(() => undefined)
      await until('/readyz', async () => ((await ready())?.ok ? true : undefined))
      running.child.kill('SIGTERM')
      expect(await running.ended).toMatchObject({ code: 0, signal: null })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('authorities', () => {
  test('have other chains, which are added and removed', async () => {
    const { pem } = await json<{ pem: string }>('authority show issuing')
    const other = await foreignRoot('Other Root', new Date())
    at.file('cross.pem', `${await other.cross(certificateOf(der(pem)))}${other.pem}`)
    expect(await well('authority add-chain issuing --pem cross.pem')).toMatch(/Other Root/)
    const [chain] = await json<{ id: number }[]>('authority chains issuing')
    await well(`authority remove-chain issuing ${chain?.id}`)
    expect(await at.cli(`authority remove-chain issuing ${chain?.id}`, admin)).toMatchObject({ code: 3 })
  })
  test('have the next certificate signed where the last one was', async () => {
    const above = await foreignRoot('Above', new Date())
    const key = generateKey('P-256')
    const subject = nameOf({ CN: 'Below' })
    const own = await above.cross({ ...certificateOf(der(above.pem)), subject, publicKey: publicKeyFrom(key) })
    at.file('below.pem', `${own}${above.pem}${key.export({ format: 'pem', type: 'pkcs8' })}`)
    await well('authority import below --pem below.pem --crl-number 1 --owner admin')
    const { csr } = await json<{ csr: string }>('authority rollover prepare below')
    const { publicKey } = parsePkcs10(der(csr) ?? Buffer.alloc(0))
    const next = await above.cross({ ...certificateOf(der(own)), publicKey })
    at.file('next.pem', `${next}${above.pem}`)
    expect(await well('authority rollover upload below --pem next.pem')).toMatch(/^Rollover +prepared$/m)
    expect(await at.cli('authority rollover upload below --pem next.pem', admin)).not.toMatchObject({ code: 0 })
  })
  test('sign over ACME elsewhere: here at this server itself', async () => {
    const add = `authority add-acme itself --directory ${at.server.directory} --ca-file ${at.server.rootPem}`
    await well(`${add} --contact pki@example.org`)
    expect(await at.cli(add, admin)).toMatchObject({ code: 5 })
    await well('authority register itself')
    expect(await at.cli('authority register issuing', admin)).toMatchObject({ code: 2 })
  })
})

describe('requests under an authority that signs elsewhere', () => {
  test('are tried again, and their revocation is confirmed by a person', async () => {
    const ca = await foreignCa(new Date(), { name: 'Offline CA' })
    at.file('offline.pem', ca.certificate)
    await well('authority add-manual offline --pem offline.pem --owner admin')
    const draft = {
      name: 'manual',
      authority: 'offline',
      protocols: { acme: {} },
      rules: { issue: auto, revoke: auto },
    }
    await at.json('profile set -f -', { input: JSON.stringify(draft) })
    const id = await at.order('manual', 'offline.test')
    expect(await well(`request retry ${id}`)).toBe(`request ${id} is signing now\n`)
    const { csr } = await json<{ csr: string }>(`request show ${id}`)
    const { publicKey, identifiers } = parsePkcs10(der(csr) ?? Buffer.alloc(0))
    at.file('signed.pem', pemEncode('CERTIFICATE', (await ca.issue({ publicKey, identifiers })).der))
    await well(`request upload ${id} --chain signed.pem`)
    const { uuid } = await json<{ uuid: string }>(`request show ${id}`)
    const asked = await json<{ id: number; status: string }>(`certificate revoke ${uuid}`)
    expect(asked.status).toBe('revoking')
    expect(await well(`request confirm r${asked.id}`)).toBe(`request r${asked.id} is revoked now\n`)
    expect(await at.cli(`request confirm r${asked.id}`, admin)).toMatchObject({ code: 5 })
  })
})

describe('people', () => {
  test('are disabled and enabled, and groups change and go', async () => {
    await well('user create frank')
    await well('user disable frank')
    expect(await well('user enable frank')).toContain('frank is enabled')
    await well('group create nightshift')
    await well('group change nightshift --name dayshift')
    await well('group rm dayshift')
    expect(await at.cli('group rm dayshift', admin)).toMatchObject({ code: 3 })
  })
})

describe('credentials of clients', () => {
  test.each(['eab', 'cmc', 'cmp'])('%s are made, listed without their secret, and revoked', async (noun) => {
    const made = await json<Record<string, string>>(`${noun} create --profile default --single-use --expires 30d`)
    const secret = made.hmac ?? made.secret ?? ''
    expect(secret).not.toBe('')
    const listed = await well(`${noun} ls --profile default`)
    expect(listed).not.toContain(secret)
    const [uuid] = /[0-9a-f-]{36}/.exec(listed) ?? []
    await well(`${noun} revoke ${uuid}`)
    expect(await at.cli(`${noun} revoke ${uuid}`, admin)).toMatchObject({ stdout: expect.any(String) })
  })
})

describe('webhooks', () => {
  test('are pinged, and what was sent goes again', async () => {
    at.file('hook.yaml', 'name: nobody\nurl: https://127.0.0.1:1/\nevents: []\n')
    const { uuid } = await json<{ uuid: string }>('webhook add -f hook.yaml')
    const { delivery } = await json<{ delivery: string }>(`webhook ping ${uuid}`)
    expect(await well(`webhook deliveries ${uuid}`)).toContain(delivery)
    await well(`webhook redeliver ${uuid} ${delivery}`)
    await well(`webhook rm ${uuid}`)
    expect(await at.cli(`webhook ping ${uuid}`, admin)).toMatchObject({ code: 3 })
  })
})
