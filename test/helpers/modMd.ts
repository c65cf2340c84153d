import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CertificateFiles } from './acmeClients.ts'
import { cutChain } from './pemChain.ts'
import { type RunningProgram, start } from './program.ts'
import { type Served, servedCertificate } from './servedCertificate.ts'
import type { ServerProcess } from './serverProcess.ts'

/** Debian's Apache with mod_md, as a program of its own on the ports that the server validates at. */
export interface ModMd {
  folder: string
  /** Writes the configuration for a managed domain, one name or several with a space between, further directives behind it, and starts it, or tells it to read that. */
  manage(name: string, directives: readonly string[]): void
  /** As the command `apachectl graceful` does: what was obtained is used from then on. */
  reload(): void
  /** What /md-status says of a domain; undefined before it answers. */
  status(name: string): Promise<MdStatus | undefined>
  served(name: string): Promise<Served | undefined>
  files(name: string): CertificateFiles
  /** All that it logged. */
  log(): string
  stop(): Promise<void>
}

export interface MdStatus {
  renew?: boolean
  renewal?: { finished?: boolean; errors?: number; last?: { detail?: string; problem?: string } }
}

const modules = ['mpm_event', 'authz_core', 'watchdog', 'ssl', 'socache_shmcb', 'md']
const builtIn = ['watchdog']

export function modMdOf(server: ServerProcess, { directory = server.directory } = {}): ModMd {
  // Apache's children run as another user: a folder below root's own would be closed to them.
  const folder = mkdtempSync(join(tmpdir(), 'countersign-httpd-'))
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'htdocs'))
  copyFileSync(server.rootPem, join(folder, 'root.pem'))
  const config = join(folder, 'httpd.conf')
  const log = join(folder, 'error.log')
  let program: RunningProgram | undefined
  const files = (name: string) =>
    cutChain(join(folder, 'md/domains', name, 'pubcert.pem'), join(folder, 'md/domains', name, 'privkey.pem'))
  const reload = () => void program?.child.kill('SIGUSR1')
  return {
    folder,
    manage(name, directives) {
      writeFileSync(config, configuration(server, { folder, directory, name, directives }))
      if (program) return reload()
      // In a process group of its own, so that its children can be ended when it did not do that itself.
      program = start('setsid', ['apache2', '-DFOREGROUND', '-f', config], { timeout: 400_000 })
    },
    reload,
    async status(name) {
      const url = `http://127.0.0.1:${server.http01Port}/md-status/${name}`
      return fetch(url).then(
        (response) => (response.ok ? (response.json() as Promise<MdStatus>) : undefined),
        () => undefined,
      )
    },
    served: (name) => servedCertificate(server, { name, port: server.tlsAlpn01Port }),
    files,
    log: () => `${program?.output().stderr}${existsSync(log) ? readFileSync(log, 'utf8') : ''}`,
    async stop() {
      if (program) await end(program)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function end({ child, ended }: RunningProgram): Promise<void> {
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
  child.kill('SIGTERM')
  await ended.finally(() => {
    clearTimeout(late)
    endGroup(child.pid)
  })
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

interface Site {
  folder: string
  directory: string
  /** Several with a space between; the first is that of the site. */
  name: string
  directives: readonly string[]
}

function configuration(server: ServerProcess, { folder, directory, name, directives }: Site): string {
  const [http, https] = [server.http01Port, server.tlsAlpn01Port]
  const site = name.split(' ')[0]
  const loaded = modules
    .filter((module) => !builtIn.includes(module))
    .map((module) => `LoadModule ${module}_module /usr/lib/apache2/modules/mod_${module}.so`)
  const lines = [
    ...[
      `ServerRoot ${folder}`,
      `DefaultRuntimeDir ${folder}`,
      `PidFile ${folder}/httpd.pid`,
      `DocumentRoot ${folder}/htdocs`,
    ],
    ...loaded,
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    ...['ServerName localhost', `ErrorLog ${folder}/error.log`, 'LogLevel warn md:info', 'SSLSessionCache none'],
    ...[`Mutex file:${folder} default`, 'StartServers 1', 'ServerLimit 2', 'ThreadsPerChild 8', 'MaxRequestWorkers 16'],
    ...[`Listen 127.0.0.1:${http}`, `Listen 127.0.0.1:${https}`, `MDPortMap http:${http} https:${https}`],
    ...[`MDStoreDir ${folder}/md`, `MDCertificateAuthority ${directory}`, `MDCACertificateFile ${folder}/root.pem`],
    ...['MDCertificateAgreement accepted', 'MDContactEmail somebody@example.org'],
    ...['MDCheckInterval 1s', 'MDInitialDelay 0s', 'MDRetryDelay 1s', 'MDStapling on'],
    ...directives,
    `MDomain ${name}`,
    `<VirtualHost 127.0.0.1:${http}>`,
    ...[`ServerName ${site}`, '<Location /md-status>', 'SetHandler md-status', 'Require all granted', '</Location>'],
    ...['</VirtualHost>', `<VirtualHost 127.0.0.1:${https}>`, `ServerName ${site}`],
    ...['SSLEngine on', 'Protocols http/1.1 acme-tls/1', '</VirtualHost>'],
  ]
  return `${lines.join('\n')}\n`
}
