import type { EstServer } from './estServer.ts'
import { type RunningProgram, start, succeed } from './program.ts'

/** strongSwan's `pki` against the real server. It knows no labels: those come before /.well-known/est, and are another path. */
export interface EstStrongswan {
  /** PEM of the CSR that `pki --req` makes. */
  request(key: string, name: string): Promise<string>
  /** `pki --est`, polling each second. Its standard output is the PEM. */
  begin(csr: string, more: readonly string[]): RunningProgram
  /** As begin, to its end, which must be good. Gives the file with the certificate. */
  enrol(csr: string, out: string, more: readonly string[]): Promise<string>
  /** `pki --estca`; gives what it said, and writes `ca.pem`, `ca-1.pem` … */
  fetchCas(): Promise<string>
}

export function estStrongswan(server: EstServer): EstStrongswan {
  const tls = ['--url', server.url, '--cacert', server.process.rootPem]
  const cwd = server.file('.')
  const begin: EstStrongswan['begin'] = (csr, more) => {
    const waits = ['--interval', '1', '--maxpolltime', '60', '--outform', 'pem', '--debug', '2']
    return start('pki', ['--est', ...tls, '--in', csr, ...waits, ...more], { cwd, timeout: 90_000 })
  }
  return {
    begin,
    async request(key, name) {
      const args = ['--req', '--in', key, '--dn', `CN=${name}`, '--san', name, '--outform', 'pem']
      return server.file(`${name}.csr`, await succeed('pki', args))
    },
    async enrol(csr, out, more) {
      const { code, stdout, stderr } = await begin(csr, more).ended
      if (code !== 0) throw new Error(`pki --est ended with ${code}: ${stderr}`)
      return server.file(out, stdout)
    },
    async fetchCas() {
      const args = ['--estca', ...tls, '--caout', server.file('ca.pem'), '--outform', 'pem', '--force']
      const { code, stderr } = await start('pki', args, { cwd }).ended
      if (code !== 0) throw new Error(`pki --estca ended with ${code}: ${stderr}`)
      return stderr
    },
  }
}
