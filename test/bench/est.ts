// npm run bench:est: enrolments over EST, and orders over REST, a CPU second of the server, over TLS connections that stay open and over new ones. See docs/performance.md.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import { parseArgs } from 'node:util'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { root } from '../helpers/bundle.ts'
import { type Connection, openConnection } from './connection.ts'
import { type EstServer, startEstServer } from './estServer.ts'
import { prepare, prepareWith } from './issuance.ts'
import { median } from './report.ts'
import { usageOf } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    count: { type: 'string', default: '1000' },
    clients: { type: 'string', default: '16' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    profile: { type: 'string' },
    only: { type: 'string' },
  },
})

/** What a server does after the last answer belongs to the batch too: sealing the audit trail, for one. */
const AFTERMATH_MS = 1_500

/** One request: what it is, and how it is made. */
interface Kind {
  name: string
  tls?: ConnectionOptions
  headers?: Record<string, string>
  /** The body with a CSR, made before time is taken; absent: a bare GET of /healthz. */
  csr?: () => string
  /** Where it is posted; absent: simpleenroll. */
  rest?: boolean
}

interface Case extends Kind {
  connections: 'kept' | 'new'
}

const ORDERS = '/api/v2/operations/authorities/issuing/raProfiles/bench/certificates'

const wrapped = (der: Buffer) => der.toString('base64')

async function kindsOf(server: EstServer): Promise<Kind[]> {
  const csr = () => wrapped(prepare().csr)
  const challenge = { Authorization: `Basic ${Buffer.from(`device:${server.challenge}`).toString('base64')}` }
  const token = { Authorization: `Bearer ${server.token}` }
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const own = prepareWith(key)
  const answer = await once(server, { name: 'first', headers: token }, wrapped(own.csr))
  const [der] = readCertsOnly(Buffer.from(answer, 'base64')).certificates
  if (!der) throw new Error('there is no certificate')
  const tls = { cert: pemEncode('CERTIFICATE', der), key: pemOf(key) }
  return [
    { name: 'bare GET' },
    { name: 'bare GET, with a certificate', tls },
    { name: 'simpleenroll, challenge', headers: challenge, csr },
    { name: 'simpleenroll, token', headers: token, csr },
    { name: 'simpleenroll, certificate', tls, csr },
    {
      name: 'REST issue, token',
      headers: token,
      csr: () => JSON.stringify({ request: csr(), attributes: [] }),
      rest: true,
    },
  ]
}

const pemOf = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString()

async function once(server: EstServer, kind: Kind, csr?: string): Promise<string> {
  const connection = await open(server, kind)
  try {
    return await send(connection, kind, csr)
  } finally {
    connection.close()
  }
}

const open = ({ port, ca }: EstServer, { tls }: Kind): Promise<Connection> =>
  openConnection(`https://localhost:${port}`, ca, tls)

async function send({ transport }: Connection, { name, headers = {}, rest }: Kind, csr?: string): Promise<string> {
  const agent = { 'User-Agent': 'bench', ...headers }
  const { status, text } = await transport(
    csr === undefined
      ? { method: 'GET', url: 'https://x/healthz', headers: agent }
      : {
          method: 'POST',
          url: `https://x${rest ? ORDERS : '/.well-known/est/bench/simpleenroll'}`,
          headers: { ...agent, 'Content-Type': rest ? 'application/json' : 'application/pkcs10' },
          body: csr,
        },
  )
  if (status !== 200) throw new Error(`${name}: ${status} ${text}`)
  return text
}

/** CPU milliseconds a request. */
async function measure(server: EstServer, each: Case): Promise<number> {
  const count = Number(flags.count)
  const prepared = Array.from({ length: count }, () => each.csr?.())
  const kept =
    each.connections === 'kept'
      ? await Promise.all(Array.from({ length: Number(flags.clients) }, () => open(server, each)))
      : []
  const before = usageOf(server.pid)
  const work = async (connection: Connection | undefined) => {
    while (prepared.length > 0) {
      const csr = prepared.pop()
      if (connection) await send(connection, each, csr)
      else await once(server, each, csr)
    }
  }
  await Promise.all(Array.from({ length: Number(flags.clients) }, (_, n) => work(kept[n])))
  await delay(AFTERMATH_MS)
  const after = usageOf(server.pid)
  for (const { close } of kept) close()
  return (after.user + after.system - before.user - before.system) / count
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-est-'))
  const profiling = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`] : []
  const nodeArgs = ['--use-largepages=silent', ...profiling]
  const server = await startEstServer({ folder, entry: resolve(flags.entry), nodeArgs })
  try {
    const kinds = await kindsOf(server)
    const cases = kinds
      .flatMap((kind): Case[] => [
        { ...kind, connections: 'kept' },
        { ...kind, connections: 'new' },
      ])
      .filter(({ name, connections }) => new RegExp(flags.only ?? '').test(`${name} ${connections}`))
    for (const each of cases) await measure(server, each)
    const found = new Map<Case, number[]>(cases.map((each) => [each, []]))
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const each of round % 2 ? [...cases].reverse() : cases) found.get(each)?.push(await measure(server, each))
    for (const [{ name, connections }, costs] of found) {
      const cost = median(costs)
      const range = `${Math.min(...costs).toFixed(2)} to ${Math.max(...costs).toFixed(2)}`
      const line = `${cost.toFixed(2)} ms (${range}), ${(1000 / cost).toFixed(0)} a CPU second`
      process.stdout.write(`${name.padEnd(30)} ${connections}  ${line}\n`)
    }
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
