import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../helpers/ports.ts'
import { openConnection } from './connection.ts'
import { type Contestant, launch, type Surroundings } from './contestant.ts'

/** Debian's Pebble: an ACME server for tests, in Go, all in memory, without policy. Its deliberate delays and refusals are off. */
export async function startPebble(around: Surroundings): Promise<Contestant> {
  const folder = mkdtempSync(join(around.folder, 'pebble-'))
  const [port = 0, management = 0] = await freePorts(2)
  const certificate = join(folder, 'cert.pem')
  const privateKey = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', privateKey]
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-days', '30', '-out', certificate], { stdio: 'ignore' })
  const config = join(folder, 'config.json')
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate,
    privateKey,
    httpPort: around.http01Port,
    tlsPort: 1,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  }
  writeFileSync(config, JSON.stringify({ pebble }))
  const ca = readFileSync(certificate, 'utf8')
  const baseUrl = `https://localhost:${port}`
  const { pid, stop } = await launch({
    program: 'pebble',
    args: ['-config', config, '-dnsserver', around.resolver],
    cwd: folder,
    env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' },
    async ready() {
      const connection = await openConnection(baseUrl, ca)
      const { status } = await connection.transport({ method: 'GET', url: `${baseUrl}/dir`, headers: {} })
      connection.close()
      return status === 200
    },
  })
  const nodes = [{ pid, baseUrl }]
  return { name: 'pebble', nodes, directory: `${baseUrl}/dir`, ca, database: async () => undefined, stop }
}
