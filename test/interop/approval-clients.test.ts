import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { caddyOf } from '../helpers/caddy.ts'
import { type CliUser, type ListedRequest, listRequests, newCliUser, saveProfile } from '../helpers/cliUsers.ts'
import { dehydratedOf } from '../helpers/dehydrated.ts'
import { writeHook } from '../helpers/hooks.ts'
import { modMdOf } from '../helpers/modMd.ts'
import { byHttp, npmClientOf, orderBy } from '../helpers/npmAcme.ts'
import { cutChain } from '../helpers/pemChain.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { until } from '../helpers/until.ts'
import { expectGood } from '../helpers/verdicts.ts'
import { serveWebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** One request each: the client waits, somebody approves, and the client that waited gets the certificate. */
describe('clients that wait while a person decides', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let alice: CliUser
  let directory: string

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    alice = await newCliUser(server, 'alice')
    const issue = [{ name: 'somebody looks', require: [{ users: ['alice'] }], remember: '30d' }]
    await saveProfile(server, 'guarded', { issue })
    directory = `${server.baseUrl}/acme/guarded/directory`
  })
  afterAll(async () => {
    await server.stop()
    await zone.close()
  })

  const approve = async (name: string) => {
    const { id } = await until<ListedRequest>(`a waiting request for ${name}`, async () => {
      const rows = await listRequests(server, ['--status', 'requested', '--profile', 'guarded'])
      return rows.find(({ names }) => names.some((shown) => shown.includes(name)))
    })
    requireSuccess(await server.cli(['request', 'approve', String(id), '--yes'], { token: alice.token }))
  }

  /** A web server for the proofs while `work` runs. */
  const withWeb = async (folder: string, work: () => Promise<void>) => {
    const web = await serveWebFolder(folder, server.http01Port)
    await work().finally(web.close)
  }

  it('dehydrated', async () => {
    const dehydrated = dehydratedOf(server, { directory })
    const settings = { KEYSIZE: '2048' }
    requireSuccess(await dehydrated.run(['--register', '--accept-terms'], settings))
    await withWeb(dehydrated.wellKnown, async () => {
      const client = dehydrated.run(['--cron', '--domain', 'dehydrated.localhost'], settings)
      await approve('dehydrated.localhost')
      requireSuccess(await client)
    })
    await expectGood(server, dehydrated.files('dehydrated.localhost'), 'dehydrated.localhost')
  })

  it('uacme', async () => {
    const uacme = uacmeOf(server, { directory })
    const tokens = join(uacme.folder, 'tokens')
    const cases = ['case "$1" in', `  begin) printf %s "$5" >"${tokens}/$4" ;;`, 'esac']
    const hook = writeHook(uacme.folder, 'by-http', '[ "$2" = http-01 ] || exit 1', ...cases)
    requireSuccess(await uacme.run(['new']))
    await withWeb(tokens, async () => {
      const client = uacme.run(['--hook', hook, 'issue', 'uacme.localhost'])
      await approve('uacme.localhost')
      requireSuccess(await client)
    })
    await expectGood(server, uacme.files('uacme.localhost'), 'uacme.localhost')
  })

  it('acme-tiny', async () => {
    const folder = mkdtempSync(join(server.workFolder, 'acme-tiny-'))
    const at = (name: string) => join(folder, name)
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', at('key'), '-out', at('csr')]
    await succeed('openssl', ['genrsa', '-out', at('account'), '2048'])
    await succeed('openssl', ['req', '-new', ...made, '-subj', '/CN=tiny.localhost'])
    const given = ['--account-key', at('account'), '--csr', at('csr'), '--acme-dir', folder, '--disable-check']
    await withWeb(folder, async () => {
      const env = { SSL_CERT_FILE: server.rootPem }
      const client = run('acme-tiny', [...given, '--directory-url', directory], { env })
      await approve('tiny.localhost')
      writeFileSync(at('pem'), requireSuccess(await client).stdout)
    })
    await expectGood(server, cutChain(at('pem'), at('key')), 'tiny.localhost')
  })

  it('acme-client', async () => {
    const client = await npmClientOf(server, { directoryUrl: directory, backoffAttempts: 60 })
    const folder = join(server.workFolder, 'tokens')
    await withWeb(folder, async () => {
      const order = orderBy(client, { solver: byHttp(folder), names: ['npm.localhost'], folder: server.workFolder })
      await Promise.all([order, approve('npm.localhost')])
      await expectGood(server, await order, 'npm.localhost')
    })
  })

  it('Caddy', async () => {
    const caddy = caddyOf(server, { directory })
    const program = caddy.start({ name: 'caddy.test', challenge: 'http-01' })
    try {
      await approve('caddy.test')
      await until('Caddy to serve', () => caddy.served('caddy.test'))
    } finally {
      await caddy.stop(program)
    }
    await expectGood(server, caddy.files('caddy.test'), 'caddy.test')
  })

  it('mod_md', async () => {
    const httpd = modMdOf(server, { directory })
    httpd.manage('httpd.test', ['MDCAChallenges http-01'])
    try {
      await approve('httpd.test')
      const finished = async () => (await httpd.status('httpd.test'))?.renewal?.finished || undefined
      await until('mod_md to get its certificate', finished)
      httpd.reload()
      await until('mod_md to serve it', () => httpd.served('httpd.test'))
      await expectGood(server, httpd.files('httpd.test'), 'httpd.test')
    } finally {
      await httpd.stop()
    }
  })
})
