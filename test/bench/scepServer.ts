import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { get } from 'node:http'
import { dirname, join } from 'node:path'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { freePorts } from '../helpers/ports.ts'
import { launch } from './contestant.ts'

/** By which key the certificates are issued; messages go to an RSA key of the profile's own in any case. */
export const ISSUERS = ['P-256', 'RSA-2048'] as const
export type IssuerKey = (typeof ISSUERS)[number]

/** This server with profiles that issue at once, and one where everybody waits. */
export interface ScepServer {
  pid: number
  port: number
  /** The certificate to which messages of a profile go. */
  recipients: Record<ScepProfile, Buffer>
  stop(): Promise<void>
}

export const profileOf = (issuer: IssuerKey): ScepProfile => (issuer === 'P-256' ? 'devices-ec' : 'devices-rsa')
export type ScepProfile = 'devices-ec' | 'devices-rsa' | 'waiting'

const auto = [{ name: 'nobody looks', auto: true }]
const review = [{ name: 'people look', require: [{ owner: true }] }]

interface Options {
  folder: string
  /** main.js; cli.js stands beside it. */
  entry: string
  nodeArgs: string[]
  /** Absent: SQLite. */
  databaseUrl?: string
}

export async function startScepServer({ folder, entry, nodeArgs, databaseUrl }: Options): Promise<ScepServer> {
  const cwd = join(folder, 'countersign')
  mkdirSync(cwd)
  const [https = 0, mtls = 0, http = 0] = await freePorts(3)
  const env = {
    COUNTERSIGN_DATA: join(cwd, 'data'),
    COUNTERSIGN_HTTPS_PORT: String(https),
    COUNTERSIGN_MTLS_PORT: String(mtls),
    COUNTERSIGN_HTTP_PORT: String(http),
    ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
  }
  const ready = async () => (await fetched(http, '/readyz')).status === 200
  const program = await launch({ program: process.execPath, args: [...nodeArgs, entry], cwd, env, ready })
  const cli = (args: string[], input = '') =>
    execFileSync(process.execPath, [join(dirname(entry), 'cli.js'), ...args], {
      cwd,
      input,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'ignore', 'inherit'],
    })
  const create = (name: string, more: string[]) =>
    cli(['authority', 'create', name, '--subject', `CN=${name}`, '--key', 'RSA-2048', ...more])
  create('rsa-root', [])
  create('rsa-issuing', ['--parent', 'rsa-root'])
  const save = (name: ScepProfile, authority: string, issue: object[]) => {
    const scep = { limits: { withoutChallengeBySource: 'off', unreadableBySource: '300/1h' } }
    cli(['profile', 'set', '-f', '-'], JSON.stringify({ name, authority, rules: { issue }, protocols: { scep } }))
  }
  save('devices-ec', 'issuing', auto)
  save('devices-rsa', 'rsa-issuing', auto)
  save('waiting', 'issuing', review)
  const recipient = async (profile: ScepProfile) => {
    const { body } = await fetched(http, `/scep/${profile}?operation=GetCACert`)
    return readCertsOnly(body).certificates[0] ?? Buffer.alloc(0)
  }
  const recipients = {
    'devices-ec': await recipient('devices-ec'),
    'devices-rsa': await recipient('devices-rsa'),
    waiting: await recipient('waiting'),
  }
  return { ...program, port: http, recipients }
}

function fetched(port: number, path: string): Promise<{ status: number | undefined; body: Buffer }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks) }))
    }).once('error', reject)
  })
}
