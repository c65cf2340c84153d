import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleProgram } from '../helpers/bundle.ts'
import { freePorts } from '../helpers/ports.ts'
import { openConnection } from './connection.ts'
import { type Contestant, launch, type Surroundings } from './contestant.ts'

/** The bare server of floorProgram.ts. */
export async function startFloor(around: Surroundings, nodeArgs: string[]): Promise<Contestant> {
  const folder = join(around.folder, 'floor')
  mkdirSync(folder)
  const [port = 0] = await freePorts(1)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '30']
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', join(folder, 'cert.pem')], { stdio: 'ignore' })
  const ca = readFileSync(join(folder, 'cert.pem'), 'utf8')
  const baseUrl = `https://localhost:${port}`
  const bundled = await bundleProgram(new URL('floorProgram.ts', import.meta.url))
  const { pid, stop } = await launch({
    program: process.execPath,
    args: [...nodeArgs, bundled.path, folder, String(port), String(around.http01Port), around.resolver],
    cwd: folder,
    env: {},
    async ready() {
      const connection = await openConnection(baseUrl, ca)
      const { status } = await connection.transport({ method: 'GET', url: `${baseUrl}/directory`, headers: {} })
      connection.close()
      return status === 200
    },
  })
  bundled.remove()
  const nodes = [{ pid, baseUrl }]
  return { name: 'floor', nodes, directory: `${baseUrl}/directory`, ca, database: async () => undefined, stop }
}
