import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { dirname, join } from 'node:path'
import { freePorts } from '../helpers/ports.ts'
import { succeed } from '../helpers/program.ts'
import { newCsr } from '../helpers/world.ts'
import { fillAudit } from './consoleFill.ts'
import { type ConsoleVisitor, consoleVisitor } from './consoleVisitor.ts'
import { launch } from './contestant.ts'
import { fillPostgres, fillSqlite } from './listsFill.ts'

/** This server with a database of that size, people, profiles, and some requests that were made over REST. */
export interface ConsoleServer {
  pid: number
  port: number
  ca: string
  /** Of `admin`, a superuser who approves. */
  password: string
  /** Uuids of orders that wait, and of certificates that were ordered over REST. */
  waiting: string[]
  issued: string[]
  /** The longest pause of the event loop since it was asked last, ms. */
  pause(): Promise<number>
  stop(): Promise<void>
}

interface Options {
  folder: string
  entry: string
  certificates: number
  requests: number
  /** Absent: SQLite. */
  databaseUrl: string | undefined
}

const asks = () => [{ name: 'one person looks', require: [{ roles: ['approvers'], expires: '30d' }] }]
const auto = [{ name: 'at once', auto: true }]
const profiles = [
  { name: 'web', protocols: { ra: {}, acme: {}, scep: {}, est: {} }, rules: { issue: asks(), revoke: asks() } },
  {
    name: 'servers',
    protocols: { ra: {}, acme: {} },
    rules: { issue: auto, renew: auto, rekey: auto, revoke: asks() },
  },
  { name: 'devices', protocols: { acme: {}, scep: {} }, rules: {} },
]

/** What a filled folder is used again with. */
type Known = Pick<ConsoleServer, 'password' | 'waiting' | 'issued'>

/** Started to be set up and to take some orders, filled while it is down, and started again. A folder that was filled before is taken as it is. */
export async function startConsoleServer(options: Options): Promise<ConsoleServer> {
  const { folder, entry, databaseUrl } = options
  const notes = join(folder, 'known.json')
  const data = join(folder, 'data')
  const [port = 0, mtls = 0, http = 0] = await freePorts(3)
  const env = {
    COUNTERSIGN_DATA: data,
    COUNTERSIGN_HTTPS_PORT: String(port),
    COUNTERSIGN_MTLS_PORT: String(mtls),
    COUNTERSIGN_HTTP_PORT: String(http),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  }
  const start = () =>
    launch({
      program: process.execPath,
      args: [entry],
      cwd: folder,
      env,
      // What it prints at its first start comes last.
      ready: async () =>
        (await ask(http, '/readyz')).status === 200 &&
        readFileSync(join(folder, 'output.log'), 'utf8').includes('ACME directory'),
    })
  if (!existsSync(notes)) writeFileSync(notes, JSON.stringify(await prepare(options, { start, env, port })))
  const known = JSON.parse(readFileSync(notes, 'utf8')) as Known
  const { pid, stop } = await start()
  const pause = async () => {
    const { text } = await ask(http, '/metrics')
    return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]) * 1000
  }
  return { ...known, pid, port, ca: readFileSync(join(data, 'root.pem'), 'utf8'), pause, stop }
}

interface Around {
  start(): ReturnType<typeof launch>
  env: Record<string, string>
  port: number
}

async function prepare(options: Options, { start, env, port }: Around): Promise<Known> {
  const { folder, entry, databaseUrl } = options
  const data = join(folder, 'data')
  const first = await start()
  const cli = commandLine(entry, folder, env)
  const [, link = ''] = /asks for the setup link: {2}(\S+)/.exec(readFileSync(join(folder, 'output.log'), 'utf8')) ?? []
  const { password } = await settle(cli, 'admin', link)
  await cli(['user', 'role', 'admin', 'approvers'])
  await cli(['user', 'create', 'robin'])
  for (const capability of ['read', 'create_cert', 'revoke_cert']) await cli(['user', 'grant', capability, 'robin'])
  const { secret } = JSON.parse(await cli(['user', 'setup-link', 'robin', '--json'])) as { secret: string }
  const { token } = await settle(cli, 'robin', secret)
  for (const profile of profiles)
    await cli(['profile', 'set', '-f', '-'], JSON.stringify({ authority: 'issuing', ...profile }))
  const ca = readFileSync(join(data, 'root.pem'), 'utf8')
  const visitor = consoleVisitor(port, ca)
  const ordered = await orderAll(visitor, token)
  visitor.leave()
  await first.stop()
  const url = databaseUrl ?? join(data, 'countersign.sqlite')
  const fill = { ...options, url, secret: randomBytes(32), prepared: true }
  await (databaseUrl === undefined ? fillSqlite(fill) : fillPostgres(fill))
  await fillAudit(url, options.certificates)
  return { ...ordered, password }
}

type Cli = (args: string[], input?: string) => Promise<string>

/** The command line beside that main.js, on the server's data folder. */
export function commandLine(entry: string, cwd: string, env: Record<string, string>): Cli {
  return (args, input) =>
    succeed(process.execPath, [join(dirname(entry), 'cli.js'), ...args], {
      cwd,
      env,
      ...(input === undefined ? {} : { input }),
    })
}

/** The user of a setup link gets a password and a token. */
export async function settle(cli: Cli, name: string, link: string): Promise<{ password: string; token: string }> {
  const password = randomBytes(12).toString('base64url')
  await cli(['user', 'set-password', '--setup-link', link], `${password}\n`)
  const made = await cli(['token', 'create', '--user', name, '--json'], `${password}\n`)
  return { password, token: (JSON.parse(made) as { text: string }).text }
}

/** Three hundred orders and forty revocations that wait, sixty certificates. */
async function orderAll({ rest }: ConsoleVisitor, token: string): Promise<Pick<ConsoleServer, 'waiting' | 'issued'>> {
  const base = (profile: string) => `/api/v2/operations/authorities/issuing/raProfiles/${profile}/certificates`
  const order = async (profile: string, name: string) => {
    const { der } = await newCsr([name, `www.${name}`], { subject: { CN: name } })
    const { uuid } = await rest<{ uuid: string }>(token, base(profile), {
      request: der.toString('base64'),
      attributes: [],
    })
    return uuid
  }
  const waiting: string[] = []
  const issued: string[] = []
  for (let n = 0; n < 300; n++) waiting.push(await order('web', `shop-${n}.live.example.net`))
  for (let n = 0; n < 60; n++) issued.push(await order('servers', `printer-${n}.live.example.net`))
  for (const uuid of issued.slice(0, 40))
    await rest(token, `${base('servers')}/${uuid}/revoke`, { reason: 'superseded' })
  return { waiting, issued: issued.slice(40) }
}

export function ask(port: number, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.once('end', () => resolve({ status: response.statusCode, text }))
    }).once('error', reject)
  })
}
