import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Contestant } from '../bench/contestant.ts'
import { startPebble } from '../bench/pebble.ts'
import { legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { administrator, type CliUser, cliJson, listRequests } from '../helpers/cliUsers.ts'
import { type DnsServer, startDnsServer } from '../helpers/dnsServer.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

const rules = { issue: [{ name: 'all', auto: true }], revoke: [{ name: 'all', auto: true }] }
const asked = { issue: [{ name: 'people', require: [{ users: ['admin'] }] }] }

describe('certificates from Pebble, ordered through countersign with lego', () => {
  let dns: DnsServer
  let server: ServerProcess
  let pebble: Contestant
  let admin: CliUser
  let dnsLog: string
  let folder = ''

  beforeAll(async () => {
    dns = await startDnsServer()
    dns.set('*.localhost', { A: ['127.0.0.1'] })
    folder = mkdtempSync(join(tmpdir(), 'countersign-dns-'))
    const script = join(folder, 'dns')
    dnsLog = `${script}.log`
    writeFileSync(
      script,
      `#!/bin/sh\necho "$COUNTERSIGN_DNS_ACTION $COUNTERSIGN_DNS_NAME $COUNTERSIGN_DNS_VALUE" >> ${dnsLog}\nenv >> ${dnsLog}.env\n`,
    )
    chmodSync(script, 0o755)
    server = await startServer({
      env: { COUNTERSIGN_DNS_COMMAND: script, COUNTERSIGN_KEY_SECRET: 'a passphrase of the test' },
    })
    const http01Port = Number(new URL(server.httpUrl).port)
    pebble = await startPebble({ folder: server.workFolder, resolver: dns.address, http01Port })
    writeFileSync(join(server.workFolder, 'pebble.pem'), pebble.ca)
    admin = await administrator(server)
  })
  afterAll(async () => {
    await server?.stop()
    await pebble?.stop()
    await dns?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const add = (name: string, proof: string, ...more: string[]) =>
    cliJson<{ upstream: { account: string } }>(
      server,
      [
        'authority',
        'add-acme',
        name,
        '--directory',
        pebble.directory,
        '--ca-file',
        'pebble.pem',
        '--proof',
        proof,
        ...more,
      ],
      { token: admin.token },
    )
  const profile = async (name: string, authority: string, given: object = rules) => {
    await cliJson(server, ['profile', 'set', '-f', '-'], {
      input: JSON.stringify({ name, authority, protocols: { acme: {} }, rules: given }),
    })
    return { directory: `${server.baseUrl}/acme/${name}/directory` }
  }
  const issuerOf = (cert: string) =>
    succeed('openssl', ['x509', '-in', cert, '-noout', '-issuer', '-subject', '-ext', 'subjectAltName'])

  it('terms are agreed to, and the account stands in authority show and doctor', async () => {
    const refused = await server.cli(
      [
        'authority',
        'add-acme',
        'pebble',
        '--directory',
        pebble.directory,
        '--ca-file',
        'pebble.pem',
        '--proof',
        'http-01',
      ],
      { token: admin.token },
    )
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('--agree-terms')
    await add('pebble', 'http-01', '--agree-terms', '--contact', 'pki@example.org')
    const shown = requireSuccess(await server.cli(['authority', 'show', 'pebble'])).stdout
    expect(shown).toContain(pebble.directory)
    expect(shown).toContain('mailto:pki@example.org')
    const doctor = await server.cli(['doctor'])
    expect(doctor.stdout).toMatch(/ok +upstream CA of pebble: \S+ answers/)
  })

  it('lego gets one whose name we prove to Pebble over http-01, with its chain, and revokes it there', async () => {
    const lego = legoOf(server, await profile('public', 'pebble'))
    requireSuccess(await lego.run('run', ['web.localhost']))
    const files = requireFiles(lego.files('web.localhost'))
    const text = await issuerOf(files.cert)
    expect(text).toContain('Pebble Intermediate CA')
    expect(text).toContain('DNS:web.localhost')
    const { stdout } = requireSuccess(await server.cli(['certificate', 'ls', '--authority', 'pebble', '--json']))
    expect(stdout).toContain('web.localhost')
    const asked = await lego.run('revoke', ['web.localhost'])
    expect(`${asked.stdout}${asked.stderr}`).toContain('the revocation is under way')
    const [request] = await until('the revocation', async () => {
      const rows = (await listRequests(server, ['--revoke'])).filter(({ status }) => status === 'revoked')
      return rows.length > 0 ? rows : undefined
    })
    expect(request).toMatchObject({ status: 'revoked' })
  })

  it('nothing is ordered at Pebble before somebody has approved', async () => {
    const lego = legoOf(server, await profile('guarded', 'pebble', asked))
    const run = lego.run('run', ['guarded.localhost'])
    const waiting = await until('the request', async () =>
      (await listRequests(server)).find(
        ({ names, status }) => status === 'requested' && names.includes('guarded.localhost'),
      ),
    )
    requireSuccess(await server.cli(['request', 'approve', String(waiting.id), '--yes'], { token: admin.token }))
    requireSuccess(await run)
    expect(await issuerOf(requireFiles(lego.files('guarded.localhost')).cert)).toContain('Pebble Intermediate CA')
  })

  it('a command puts the TXT records of dns-01 into the DNS, and out again; it learns no secret', async () => {
    await add('pebble-dns', 'dns-01', '--agree-terms')
    dns.set('_acme-challenge.txt.localhost', () => {
      const lines = existsSync(dnsLog) ? readFileSync(dnsLog, 'utf8').trim().split('\n') : []
      const TXT = lines
        .filter((line) => line.startsWith('add _acme-challenge.txt.localhost'))
        .map((line) => line.split(' ')[2] ?? '')
      return { TXT }
    })
    const lego = legoOf(server, await profile('by-dns', 'pebble-dns'))
    requireSuccess(await lego.run('run', ['txt.localhost']))
    expect(await issuerOf(requireFiles(lego.files('txt.localhost')).cert)).toContain('Pebble Intermediate CA')
    expect(readFileSync(dnsLog, 'utf8')).toMatch(/^add (_acme-challenge\.txt\.localhost [\w-]{43})\nremove \1\n$/)
    expect(readFileSync(`${dnsLog}.env`, 'utf8')).not.toMatch(/KEY_SECRET|passphrase/)
  })

  it('while Pebble is down the order waits; a name that it does not believe fails with its words', async () => {
    dns.set('nowhere.localhost', { A: ['127.0.0.9'] })
    const lego = legoOf(server, await profile('unproved', 'pebble'))
    const refused = await lego.run('run', ['nowhere.localhost'])
    expect(refused.code).not.toBe(0)
    const failed = (await listRequests(server)).find(({ names }) => names.includes('nowhere.localhost'))
    expect(failed).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/upstream CA refused the order: .*nowhere\.localhost.*127\.0\.0\.9/),
    })
    await pebble.stop()
    const run = lego.run('run', ['down.localhost'])
    const waiting = await until('the trouble', async () => {
      const found = (await listRequests(server)).find(({ names }) => names.includes('down.localhost'))
      if (!found) return undefined
      const detail = await cliJson<{ lastError: string | null; status: string }>(server, [
        'request',
        'show',
        String(found.id),
      ])
      return detail.lastError ? { ...found, ...detail } : undefined
    })
    expect(waiting).toMatchObject({ status: 'signing', lastError: expect.stringMatching(/cannot be reached/) })
    requireSuccess(await server.cli(['request', 'cancel', String(waiting.id)], { token: admin.token }))
    expect((await run).code).not.toBe(0)
  })
})
