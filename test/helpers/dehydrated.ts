import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateFiles } from './acmeClients.ts'
import { type Ended, run } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** Debian's dehydrated with a configuration and an account of its own. */
export interface Dehydrated {
  folder: string
  /** Where it puts the tokens of http-01. */
  wellKnown: string
  /** `settings` are lines of its configuration file, for this run. */
  run(args: string[], settings?: Record<string, string>): Promise<Ended>
  files(name: string): CertificateFiles
}

export function dehydratedOf(server: ServerProcess, { directory = server.directory } = {}): Dehydrated {
  const folder = mkdtempSync(join(server.workFolder, 'dehydrated-'))
  const wellKnown = join(folder, 'tokens')
  mkdirSync(wellKnown)
  const config = join(folder, 'config')
  const common = { CA: directory, BASEDIR: folder, WELLKNOWN: wellKnown, CONTACT_EMAIL: 'somebody@example.org' }
  return {
    folder,
    wellKnown,
    run(args, settings = {}) {
      const lines = Object.entries({ ...common, ...settings }).map(([name, value]) => `${name}='${value}'\n`)
      writeFileSync(config, lines.join(''))
      const env = { CURL_CA_BUNDLE: server.rootPem, SSL_CERT_FILE: undefined }
      return run('dehydrated', ['--config', config, ...args], { cwd: folder, env })
    },
    files(name) {
      const at = join(folder, 'certs', name)
      const [cert, chain, fullchain] = ['cert.pem', 'chain.pem', 'fullchain.pem'].map((file) => join(at, file))
      return { cert: `${cert}`, chain: `${chain}`, fullchain: `${fullchain}`, key: join(at, 'privkey.pem') }
    },
  }
}
