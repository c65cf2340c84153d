import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Ended, type ProgramOptions, type RunningProgram, run, start } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** Files of one certificate, PEM. */
export interface CertificateFiles {
  cert: string
  /** The issuers. */
  chain: string
  fullchain: string
  key: string
}

interface ClientOptions {
  /** Of the ACME directory; the default profile's when absent. */
  directory?: string
}

/** Debian's certbot with folders of its own and an account of its own. */
export interface Certbot {
  folder: string
  /** certonly for these names, standalone unless `more` says --webroot. */
  certonly(names: string[], more?: string[]): Promise<Ended>
  /** As certonly, without waiting for its end. */
  begin(names: string[], more?: string[]): RunningProgram
  run(args: string[], options?: ProgramOptions): Promise<Ended>
  files(name: string): CertificateFiles
  /** What letsencrypt.log and those before it say. */
  log(): string
}

export function certbotOf(server: ServerProcess, { directory = server.directory }: ClientOptions = {}): Certbot {
  const folder = mkdtempSync(join(server.workFolder, 'certbot-'))
  const env = { REQUESTS_CA_BUNDLE: server.rootPem }
  const common = ['--non-interactive', '--config-dir', folder, '--work-dir', folder, '--logs-dir', folder]
  const ports = ['--standalone', '--http-01-address', '127.0.0.1', '--http-01-port', String(server.http01Port)]
  const account = ['--agree-tos', '--register-unsafely-without-email', '--server', directory]
  const certonly = (names: string[], more: string[]) => [
    ...['certonly', ...common, ...(more.includes('--webroot') ? [] : ports), ...account, ...more],
    ...names.flatMap((name) => ['-d', name]),
  ]
  return {
    folder,
    certonly: (names, more = []) => run('certbot', certonly(names, more), { env }),
    begin: (names, more = []) => start('certbot', certonly(names, more), { env }),
    run: ([command = '', ...args], options) =>
      run('certbot', [command, ...common, ...args], { ...options, env: { ...env, ...options?.env } }),
    files: (name) => certbotFiles(folder, name),
    log: () =>
      readdirSync(folder)
        .filter((file) => file.startsWith('letsencrypt.log'))
        .map((file) => readFileSync(join(folder, file), 'utf8'))
        .join('\n'),
  }
}

/** Where certbot keeps a certificate under its configuration folder. */
export function certbotFiles(folder: string, name: string): CertificateFiles {
  const live = join(folder, 'live', name)
  return {
    cert: join(live, 'cert.pem'),
    chain: join(live, 'chain.pem'),
    fullchain: join(live, 'fullchain.pem'),
    key: join(live, 'privkey.pem'),
  }
}

/** Debian's lego with a folder of its own and an account of its own. */
export interface Lego {
  folder: string
  /** One command, `global` before and `more` behind it. */
  run(command: 'run' | 'renew' | 'revoke', names: string[], more?: LegoOptions): Promise<Ended>
  files(name: string): CertificateFiles
  stop(): void
}

export interface LegoOptions {
  /** How challenges are answered. */
  solve?: string[]
  keyType?: string
  /** Behind the command. */
  args?: string[]
  env?: Record<string, string>
}

export function legoOf(server: ServerProcess, { directory = server.directory }: ClientOptions = {}): Lego {
  const folder = mkdtempSync(join(server.workFolder, 'lego-'))
  const http = ['--http', '--http.port', `127.0.0.1:${server.http01Port}`]
  return {
    folder,
    run(command, names, { solve = http, keyType = 'ec256', args = [], env = {} } = {}) {
      const account = ['--accept-tos', '--email', 'somebody@example.org', '--server', directory, '--path', folder]
      const given = [...account, '--key-type', keyType, ...solve, ...names.flatMap((name) => ['--domains', name])]
      return run('lego', [...given, command, ...args], {
        cwd: folder,
        env: { LEGO_CA_CERTIFICATES: server.rootPem, ...env },
      })
    },
    files(name) {
      const stem = join(folder, 'certificates', name.replace('*', '_'))
      return { cert: `${stem}.crt`, chain: `${stem}.issuer.crt`, fullchain: `${stem}.crt`, key: `${stem}.key` }
    },
    stop: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Fails with all that a client said, unless it ended well. */
export function requireSuccess(ended: Ended): Ended {
  if (ended.code === 0) return ended
  throw new Error(`the client ended with ${ended.code ?? ended.signal}:\n${ended.stdout}${ended.stderr}`)
}

export function requireFiles(files: CertificateFiles): CertificateFiles {
  for (const file of Object.values(files)) if (!existsSync(file)) throw new Error(`there is no ${file}`)
  return files
}
