import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateFiles } from './acmeClients.ts'
import { cutChain } from './pemChain.ts'
import { type RunningProgram, start } from './program.ts'
import { type Served, servedCertificate } from './servedCertificate.ts'
import type { ServerProcess } from './serverProcess.ts'

export interface CaddySetup {
  name: string
  challenge: 'http-01' | 'tls-alpn-01'
  /** How much of a certificate's lifetime is left when it is renewed. */
  renewalWindow?: number
  /** Of its account to one that the server knows. */
  binding?: { key_id: string; mac_key: string }
}

/** Debian's caddy as the web server of one name, with automatic HTTPS by our directory. */
export interface Caddy {
  /** Starts it, on the ports that the server validates at. */
  start(setup: CaddySetup): RunningProgram
  served(name: string): Promise<Served | undefined>
  /** What it keeps. */
  files(name: string): CertificateFiles
  /** It asks for an OCSP answer again only after half of the time that the last one is good for. */
  forgetOcsp(): void
  stop(program: RunningProgram): Promise<void>
}

export function caddyOf(server: ServerProcess, { directory = server.directory } = {}): Caddy {
  const folder = mkdtempSync(join(server.workFolder, 'caddy-'))
  const config = join(folder, 'caddy.json')
  const ca = `${new URL(directory).host}${new URL(directory).pathname}`.replace(':', '-').replaceAll('/', '-')
  return {
    start(setup) {
      writeFileSync(config, JSON.stringify(configuration(server, { directory, folder, ...setup })))
      const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
      return start('caddy', ['run', '--config', config], { env, cwd: folder, timeout: 240_000 })
    },
    served: (name) => servedCertificate(server, { name, port: server.tlsAlpn01Port }),
    files(name) {
      const stem = join(folder, 'storage/certificates', ca, name, name)
      return cutChain(`${stem}.crt`, `${stem}.key`)
    },
    forgetOcsp: () => rmSync(join(folder, 'storage/ocsp'), { recursive: true }),
    async stop({ child, ended }) {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function configuration(
  server: ServerProcess,
  { directory, folder, name, challenge, renewalWindow, binding }: CaddySetup & { directory: string; folder: string },
): unknown {
  const issuer = {
    module: 'acme',
    ca: directory,
    trusted_roots_pem_files: [server.rootPem],
    ...(binding === undefined ? {} : { external_account: binding }),
    challenges: { [challenge === 'http-01' ? 'tls-alpn' : 'http']: { disabled: true } },
  }
  const policy = {
    issuers: [issuer],
    ...(renewalWindow === undefined ? {} : { renewal_window_ratio: renewalWindow }),
  }
  const site = { match: [{ host: [name] }], handle: [{ handler: 'static_response', body: 'hello' }] }
  return {
    admin: { disabled: true, config: { persist: false } },
    storage: { module: 'file_system', root: join(folder, 'storage') },
    apps: {
      http: {
        http_port: server.http01Port,
        https_port: server.tlsAlpn01Port,
        servers: { own: { listen: [`127.0.0.1:${server.tlsAlpn01Port}`], routes: [site], protocols: ['h1', 'h2'] } },
      },
      tls: { automation: { policies: [policy], renew_interval: '1s', ocsp_interval: '1s' } },
    },
  }
}
