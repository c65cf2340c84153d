import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { root } from '../helpers/bundle.ts'
import { freePorts } from '../helpers/ports.ts'
import { succeed } from '../helpers/program.ts'
import { launch } from './contestant.ts'

/** This server with a profile `bench` that serves EST and REST and asks nobody. */
export interface EstServer {
  pid: number
  port: number
  /** PEM of the root. */
  ca: string
  /** A challenge for any number of devices, and a user's token. */
  challenge: string
  token: string
  stop(): Promise<void>
}

interface Options {
  folder: string
  entry: string
  nodeArgs: string[]
}

export async function startEstServer({ folder, entry, nodeArgs }: Options): Promise<EstServer> {
  const data = join(folder, 'data')
  const [https = 0, mtls = 0, http = 0] = await freePorts(3)
  const env = {
    COUNTERSIGN_DATA: data,
    COUNTERSIGN_HTTPS_PORT: String(https),
    COUNTERSIGN_MTLS_PORT: String(mtls),
    COUNTERSIGN_HTTP_PORT: String(http),
  }
  const program = await launch({
    program: process.execPath,
    args: [...nodeArgs, entry],
    cwd: folder,
    env,
    ready: () => isReady(http),
  })
  const cli = (args: string[], input?: string, more: Record<string, string> = {}) =>
    succeed(process.execPath, [join(root, 'dist/cli.js'), ...args], {
      cwd: folder,
      env: { ...env, ...more },
      ...(input === undefined ? {} : { input }),
    })
  const [, secret = ''] =
    /asks for the setup link: {2}(\S+)/.exec(readFileSync(join(folder, 'output.log'), 'utf8')) ?? []
  const password = `${randomBytes(12).toString('base64url')}\n`
  await cli(['user', 'set-password', '--setup-link', secret], password)
  const made = await cli(['token', 'create', '--user', 'admin', '--json'], password)
  const { text: token } = JSON.parse(made) as { text: string }
  await cli(['profile', 'set', '-f', '-'], JSON.stringify(profile))
  const challenge = randomBytes(12).toString('hex')
  const words = ['challenge', 'set-static', '--profile', 'bench', '--challenge-file', '-']
  await cli(words, `${challenge}\n`, { COUNTERSIGN_TOKEN: token })
  return { ...program, port: mtls, ca: readFileSync(join(data, 'root.pem'), 'utf8'), challenge, token }
}

const auto = [{ name: 'nobody looks', auto: true }]
const profile = {
  name: 'bench',
  authority: 'issuing',
  settings: { certificate: { type: 'dual_purpose' } },
  protocols: { est: { limits: { ordersByCertificate: 'off' } }, ra: {} },
  rules: { issue: auto, renew: auto, rekey: auto },
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode === 200))
    }).once('error', reject)
  })
}
