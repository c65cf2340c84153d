import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningProgram, start, succeed } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/** strongSwan's `pki` against one SCEP server, in a folder of its own. */
export interface Strongswan {
  folder: string
  /** File names of the server's certificates, after scepca. */
  ra: string
  cas: string[]
  /** Fetches and checks the certificates of the server; gives what it said. */
  fetchCas(authorities: number): Promise<string>
  newKey(name: string): Promise<string>
  /** Asks for a certificate and polls each second; it ends with the certificate in `file`. */
  begin(order: StrongswanOrder): RunningProgram
  /** As begin, to its end, which must be good. Gives the file with the certificate. */
  enrol(order: StrongswanOrder): Promise<string>
}

export interface StrongswanOrder {
  name: string
  key: string
  dn: string
  password?: string
  /** A certificate to renew, with its key. */
  old?: { cert: string; key: string }
  more?: string[]
}

export function strongswanOf(server: ServerProcess, folder: string, url: string): Strongswan {
  const own = join(server.workFolder, folder)
  mkdirSync(own)
  const ra = join(own, 'ra.pem')
  const cas: string[] = []
  const args = ({ name, key, dn, password, old, more = [] }: StrongswanOrder) => [
    ...['--scep', '--url', url, '--in', key, '--dn', dn, '--san', name, '--interval', '1', '--maxpolltime', '60'],
    ...['--cacert-enc', ra, '--cacert-sig', ra, ...cas.flatMap((file) => ['--cacert', file]), '--outform', 'pem'],
    ...(password === undefined ? [] : ['--password', password]),
    ...(old ? ['--cert', old.cert, '--key', old.key] : []),
    ...more,
  ]
  const begin = (order: StrongswanOrder) => start('pki', args(order), { cwd: own, timeout: 90_000 })
  return {
    folder: own,
    ra,
    cas,
    async fetchCas(authorities) {
      const out = ['--caout', join(own, 'ca.pem'), '--raout', ra, '--outform', 'pem', '--force']
      const { ended } = start('pki', ['--scepca', '--url', url, ...out], { cwd: own })
      const { code, stdout, stderr } = await ended
      if (code !== 0) throw new Error(`pki --scepca ended with ${code}: ${stderr}`)
      for (let i = 0; i < authorities; i++) cas.push(join(own, i === 0 ? 'ca.pem' : `ca-${i}.pem`))
      return `${stdout}${stderr}`
    },
    async newKey(name) {
      const file = join(own, `${name}.key`)
      writeFileSync(
        file,
        await succeed('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']),
      )
      return file
    },
    begin,
    async enrol(order) {
      const { code, stdout, stderr } = await begin(order).ended
      if (code !== 0) throw new Error(`pki --scep ended with ${code}: ${stderr}`)
      const file = join(own, `${order.name}.pem`)
      writeFileSync(file, stdout)
      return file
    },
  }
}
