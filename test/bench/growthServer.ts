import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { issuerHashes } from '../../src/pki/ocsp.ts'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { freePorts } from '../helpers/ports.ts'
import { openConnection } from './connection.ts'
import { ask, commandLine, settle } from './consoleServer.ts'
import { launch, type Surroundings } from './contestant.ts'
import { fillGrown } from './growthFill.ts'
import { issue, prepare } from './issuance.ts'
import type { Responder } from './responder.ts'

/** This server with a database of that size. */
export interface Grown {
  certificates: number
  pid: number
  httpsPort: number
  httpPort: number
  ca: string
  baseUrl: string
  key: ReturnType<typeof newKey>
  kid: string
  /** Of somebody who may see every list. */
  token: string
  hashes: ReturnType<typeof issuerHashes>
  /** Of some certificates from all over the table. */
  serials: string[]
  /** Milliseconds from the start of the process to its first answer that it can issue. */
  startUp: number
  stop(): Promise<void>
}

interface Options {
  certificates: number
  entry: string
  responder: Responder
  /** Absent: SQLite. */
  databaseUrl: string | undefined
}

/** At work for a moment, filled while it is down, and started again. A folder that was filled before is taken as it is. */
export async function startGrown(options: Options, around: Surroundings): Promise<Grown> {
  const { certificates, entry, responder, databaseUrl } = options
  const folder = join(around.folder, `${databaseUrl === undefined ? 'sqlite' : 'postgres'}-${certificates}`)
  const data = join(folder, 'data')
  const filled = join(folder, 'filled')
  mkdirSync(folder, { recursive: true })
  const [httpsPort = 0, mtls = 0, httpPort = 0] = await freePorts(3)
  const env = {
    COUNTERSIGN_DATA: data,
    COUNTERSIGN_HTTPS_PORT: String(httpsPort),
    COUNTERSIGN_MTLS_PORT: String(mtls),
    COUNTERSIGN_HTTP_PORT: String(httpPort),
    COUNTERSIGN_HTTP01_PORT: String(around.http01Port),
    COUNTERSIGN_RESOLVER: around.resolver,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  }
  const start = () =>
    launch({
      program: process.execPath,
      args: ['--use-largepages=silent', entry],
      cwd: folder,
      env,
      ready: async () => (await ask(httpPort, '/readyz')).status === 200,
      every: 5,
    })
  const baseUrl = `https://localhost:${httpsPort}`
  const url = databaseUrl ?? join(data, 'countersign.sqlite')
  if (!existsSync(filled)) {
    const first = await start()
    const ca = readFileSync(join(data, 'root.pem'), 'utf8')
    const cli = commandLine(entry, folder, env)
    const [, link = ''] =
      /asks for the setup link: {2}(\S+)/.exec(await outputOf(folder, /asks for the setup link: {2}\S+/)) ?? []
    const { token } = await settle(cli, 'admin', link)
    await cli(
      ['profile', 'set', '-f', '-'],
      JSON.stringify({ name: 'devices', authority: 'issuing', protocols: {}, rules: {} }),
    )
    const account = await register({ baseUrl, ca })
    const { client, close } = await clientOf({ baseUrl, ca, ...account })
    for (let n = 0; n < 5; n++) await issue(client, prepare(), responder)
    close()
    await first.stop()
    await fillGrown({ url, certificates })
    writeFileSync(filled, token)
  }
  const from = performance.now()
  const { pid, stop } = await start()
  const startUp = performance.now() - from
  const ca = readFileSync(join(data, 'root.pem'), 'utf8')
  return {
    ...{ certificates, pid, httpsPort, httpPort, ca, baseUrl, startUp, stop },
    ...(await register({ baseUrl, ca })),
    token: readFileSync(filled, 'utf8'),
    ...(await issuedHere(url)),
  }
}

async function outputOf(folder: string, until: RegExp): Promise<string> {
  for (;;) {
    const text = readFileSync(join(folder, 'output.log'), 'utf8')
    if (until.test(text)) return text
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A large database on a slow disk may stand still for seconds (a checkpoint of PostgreSQL): that is in the figures, and ends no run. */
const PATIENCE_MS = 60_000

export async function clientOf({ baseUrl, ca, key, kid }: Pick<Grown, 'baseUrl' | 'ca' | 'key' | 'kid'>) {
  const connection = await openConnection(baseUrl, ca, { timeout: PATIENCE_MS })
  const client = await new AcmeClient(`${baseUrl}/acme/default/directory`, connection.transport, key).load()
  client.kid = kid
  return { client, close: connection.close }
}

async function register({ baseUrl, ca }: Pick<Grown, 'baseUrl' | 'ca'>): Promise<Pick<Grown, 'key' | 'kid'>> {
  const key = newKey()
  const { client, close } = await clientOf({ baseUrl, ca, key, kid: '' })
  const { status, text } = await client.register()
  close()
  if (status !== 201 || client.kid === undefined) throw new Error(`no account: ${text}`)
  return { key, kid: client.kid }
}

const issuing = `select certificate as der from authority_certificates where authority_id = (select id from authorities where name = 'issuing') limit 1`
const some = (step: number) => `select serial from certificates where id % ${step} = 3 limit 20000`

async function issuedHere(url: string): Promise<Pick<Grown, 'hashes' | 'serials'>> {
  const client = url.startsWith('postgres') ? new pg.Client({ connectionString: url }) : undefined
  if (client) {
    await client.connect()
    const der = (await client.query<{ der: Buffer }>(issuing)).rows[0]?.der ?? Buffer.alloc(0)
    const count = Number((await client.query<{ n: string }>('select count(*) as n from certificates')).rows[0]?.n)
    const rows = (await client.query<{ serial: string }>(some(stepOf(count)))).rows
    await client.end()
    return { hashes: issuerHashes(readCertificate(der)), serials: rows.map(({ serial }) => serial) }
  }
  const raw = new Sqlite(url, { readonly: true })
  const der = raw.prepare(issuing).pluck().get() as Buffer
  const count = raw.prepare('select count(*) from certificates').pluck().get() as number
  const serials = raw
    .prepare(some(stepOf(count)))
    .pluck()
    .all() as string[]
  raw.close()
  return { hashes: issuerHashes(readCertificate(der)), serials }
}

const stepOf = (count: number) => Math.max(4, Math.floor(count / 20_000))
