import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, certbotOf, legoOf, requireSuccess } from '../helpers/acmeClients.ts'
import { cliJson, listRequests } from '../helpers/cliUsers.ts'
import { serialOf, verifyChain } from '../helpers/openssl.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const legos = 16
const certbots = 4

describe('twenty clients at once', () => {
  let server: ServerProcess
  let web: Server
  let webroot: string

  beforeAll(async () => {
    server = await startServer()
    webroot = join(server.workFolder, 'webroot')
    mkdirSync(webroot)
    web = await serveChallenges(server.http01Port, webroot)
  })
  afterAll(async () => {
    await server.stop()
    await new Promise((resolve) => {
      web.close(resolve)
      web.closeAllConnections()
    })
  })

  /** Half of the clients ask for a name of their own, the others all for one and the same. */
  const nameOf = (client: number) => (client % 2 === 0 ? `client${client}.localhost` : 'shared.localhost')

  async function byLego(client: number): Promise<CertificateFiles> {
    const lego = legoOf(server)
    requireSuccess(await lego.run('run', [nameOf(client)], { solve: ['--http', '--http.webroot', webroot] }))
    return lego.files(nameOf(client))
  }

  async function byCertbot(client: number): Promise<CertificateFiles> {
    const certbot = certbotOf(server)
    requireSuccess(await certbot.certonly([nameOf(client)], ['--webroot', '--webroot-path', webroot]))
    return certbot.files(nameOf(client))
  }

  it('each get one certificate for each order, and nobody another’s', async () => {
    const clients = Array.from({ length: legos + certbots }, (_, client) => client)
    const all = await Promise.all(clients.map((client) => (client < legos ? byLego(client) : byCertbot(client))))
    const serials = await Promise.all(all.map(({ cert }) => serialOf(cert)))
    expect(new Set(serials).size).toBe(clients.length)
    for (const client of clients) {
      const files = all[client]
      if (files) expect(await verifyChain(server, files, nameOf(client))).toContain('OK')
    }
    const issued = await cliJson<{ rows: { serial: string }[] }>(server, [
      'certificate',
      'ls',
      '--profile',
      'default',
      '--limit',
      '100',
    ])
    const known = issued.rows.map(({ serial }) => serial.replace(/^0+/, ''))
    expect(known.sort()).toEqual(serials.map((serial) => serial.replace(/^0+/, '')).sort())
    const requests = await listRequests(server, ['--profile', 'default', '--limit', '100'])
    expect(requests.map(({ status }) => status)).toEqual(clients.map(() => 'signed'))
  })
})

/** The web server that all the names lead to. */
async function serveChallenges(port: number, folder: string): Promise<Server> {
  const web = createServer((request, response) => {
    const token = /^\/\.well-known\/acme-challenge\/([\w-]+)$/.exec(request.url ?? '')?.[1]
    try {
      response.end(readFileSync(join(folder, '.well-known', 'acme-challenge', token ?? '-')))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => web.listen(port, '127.0.0.1', resolve))
  return web
}
