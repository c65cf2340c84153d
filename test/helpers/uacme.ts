import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateFiles } from './acmeClients.ts'
import { cutChain } from './pemChain.ts'
import { type Ended, run } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** Debian's uacme with a folder and an account of its own. */
export interface Uacme {
  folder: string
  run(args: string[], env?: Record<string, string>): Promise<Ended>
  files(name: string): CertificateFiles
  /** By its account, or by the key of the certificate, which needs none. It renames what it is given: a copy. */
  revoke(files: CertificateFiles, by: 'account' | 'key', reason?: number): Promise<Ended>
}

/**
 * It has no setting for whom it trusts: Debian builds it to read /etc/ssl/certs and nothing else. So it runs where that
 * folder is another one, in a mount namespace of its own, and the machine's stays as it is.
 */
const trusting = 'mount --bind "$1" /etc/ssl/certs && shift && exec uacme "$@"'

export function uacmeOf(server: ServerProcess, { directory = server.directory } = {}): Uacme {
  const folder = mkdtempSync(join(server.workFolder, 'uacme-'))
  const trust = join(folder, 'trust')
  mkdirSync(trust)
  copyFileSync(server.rootPem, join(trust, 'root.pem'))
  const space = process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user']
  const state = join(folder, 'state')
  const launch: Uacme['run'] = (args, env = {}) => {
    const own = ['--yes', '--acme-url', directory, '--confdir', state, ...args]
    return run('unshare', [...space, 'sh', '-c', trusting, 'sh', trust, ...own], { env })
  }
  return {
    folder,
    run: launch,
    revoke(files, by, reason = 0) {
      const copy = join(folder, 'revoke.pem')
      copyFileSync(files.cert, copy)
      return launch(['--reason', String(reason), 'revoke', copy, ...(by === 'key' ? [files.key] : [])])
    },
    files: (name) => cutChain(join(state, name, 'cert.pem'), join(state, 'private', name, 'key.pem')),
  }
}
