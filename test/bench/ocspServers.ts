import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { issuerHashes } from '../../src/pki/ocsp.ts'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { freePorts } from '../helpers/ports.ts'
import { launch } from './contestant.ts'
import type { Target } from './ocspClient.ts'

/** A server whose CPU is measured. */
export interface OcspServer extends Target {
  name: string
  pid: number
  stop(): Promise<void>
}

/** This server, with so many certificates in its table. */
export interface OcspCountersign extends OcspServer {
  hashes: ReturnType<typeof issuerHashes>
  /** Lower-case hex, of the certificates in the table. */
  serial(n: number): string
}

const serial = (n: number) => `4${n.toString(16).padStart(31, '0')}`

interface Options {
  folder: string
  name: string
  certificates: number
  entry: string
  nodeArgs: string[]
  /** Absent: SQLite. */
  databaseUrl?: string
}

/** Started once to make its authorities, filled while it is down, and started again. */
export async function startOcspCountersign(options: Options): Promise<OcspCountersign> {
  const folder = join(options.folder, options.name.replaceAll(' ', '_'))
  mkdirSync(folder)
  const [https = 0, mtls = 0, http = 0] = await freePorts(3)
  const start = (nodeArgs: string[]) =>
    launch({
      program: process.execPath,
      args: [...nodeArgs, options.entry],
      cwd: folder,
      env: {
        COUNTERSIGN_DATA: join(folder, 'data'),
        COUNTERSIGN_HTTPS_PORT: String(https),
        COUNTERSIGN_MTLS_PORT: String(mtls),
        COUNTERSIGN_HTTP_PORT: String(http),
        ...(options.databaseUrl ? { DATABASE_URL: options.databaseUrl } : {}),
      },
      ready: () => readyAt(http),
    })
  await (await start(options.nodeArgs)).stop()
  const fill = options.databaseUrl
    ? fillPostgres(options.databaseUrl, options.certificates)
    : fillSqlite(folder, options)
  const hashes = issuerHashes(readCertificate(await fill))
  return { ...(await start(options.nodeArgs)), name: options.name, port: http, hashes, serial }
}

function readyAt(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode === 200))
    }).once('error', reject)
  })
}

const ISSUER = `select c.id, c.authority_id, c.certificate, a.organization_id from authority_certificates c
  join authorities a on a.id = c.authority_id where a.name = 'issuing'`
const COLUMNS = [
  'id, organization_id, authority_id, authority_certificate_id, serial, der, fingerprint, spki_hash, subject, identifiers',
  'key_algorithm, not_before, not_after, status, shard, source, requester_key, created_at',
].join(', ')

interface IssuerRow {
  id: number
  authority_id: number
  organization_id: number
  certificate: Buffer
}

/** Answers the DER of the issuing authority's certificate. */
async function fillSqlite(folder: string, { certificates }: Options): Promise<Buffer> {
  const db = new Sqlite(join(folder, 'data/countersign.sqlite'))
  db.pragma('foreign_keys = off')
  db.pragma('synchronous = off')
  const issuer = db.prepare<[], IssuerRow>(ISSUER).get()
  if (!issuer) throw new Error('there is no issuing authority')
  const values = `?, ${issuer.organization_id}, ${issuer.authority_id}, ${issuer.id}, ?, ?, ?, ?, 'CN=x', '[]',
    'P-256', 0, ${Date.now() + 1e10}, 'issued', 0, 'managed', 'x', 0`
  const insert = db.prepare(`insert into certificates (${COLUMNS}) values (${values})`)
  const der = Buffer.alloc(500)
  db.transaction(() => {
    for (let n = 0; n < certificates; n++) insert.run(1_000_000 + n, serial(n), der, serial(n), serial(n))
  })()
  db.close()
  return issuer.certificate
}

async function fillPostgres(url: string, certificates: number): Promise<Buffer> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  // No foreign keys: the certificates stand for themselves.
  await client.query('set session_replication_role = replica')
  const { rows } = await client.query<IssuerRow>(ISSUER)
  const [issuer] = rows
  if (!issuer) throw new Error('there is no issuing authority')
  const number = `'4' || lpad(to_hex(n), 31, '0')`
  await client.query(
    `insert into certificates (${COLUMNS}) select 1000000 + n, ${issuer.organization_id}, ${issuer.authority_id},
     ${issuer.id}, ${number}, '\\x00', ${number}, ${number}, 'CN=x', '[]', 'P-256', 0, ${Date.now() + 1e10}, 'issued',
     0, 'managed', 'x', 0 from generate_series(0, ${certificates - 1}) n`,
  )
  await client.end()
  return issuer.certificate
}

/** Hono behind its adapter to Node, with one answer of this size and with these headers. */
export async function startBareHono(folder: string, size: number, nodeArgs: string[]): Promise<OcspServer> {
  const cwd = join(folder, 'hono')
  mkdirSync(cwd)
  const [port = 0] = await freePorts(1)
  const script = `
    import { serve } from '${import.meta.resolve('@hono/node-server')}'
    import { Hono } from '${import.meta.resolve('hono')}'
    const body = new Uint8Array(${size})
    const headers = { 'Content-Type': 'application/ocsp-response', 'Cache-Control': 'max-age=300', ETag: '"x"' }
    const answer = (c) => c.body(body, 200, headers)
    serve({ fetch: new Hono().get('*', answer).post('*', answer).fetch, port: ${port}, hostname: '127.0.0.1' })`
  const program = await launch({
    program: process.execPath,
    args: [...nodeArgs, '--input-type=module', '-e', script],
    cwd,
    env: {},
    ready: () => readyAt(port),
  })
  return { ...program, name: 'bare Hono', port }
}

/** node:http alone, with one answer of this size and with these headers; `signs`: a P-256 signature for each besides. */
export async function startBareNode(
  folder: string,
  size: number,
  { signs, nodeArgs }: { signs: boolean; nodeArgs: string[] },
): Promise<OcspServer> {
  const name = signs ? 'bare node:http that signs' : 'bare node:http'
  const cwd = join(folder, name.replaceAll(/\W/g, '-'))
  mkdirSync(cwd)
  const [port = 0] = await freePorts(1)
  const script = `
    import { createServer } from 'node:http'
    import { generateKeyPairSync, sign } from 'node:crypto'
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const body = Buffer.alloc(${size})
    const headers = { 'Content-Type': 'application/ocsp-response', 'Content-Length': ${size}, 'Cache-Control': 'max-age=300', ETag: '"x"' }
    const answer = (outgoing) => {
      if (${signs}) sign('sha256', body.subarray(0, 300), privateKey)
      outgoing.writeHead(200, headers).end(body)
    }
    createServer((incoming, outgoing) => {
      if (incoming.method === 'GET') answer(outgoing)
      else incoming.on('data', () => {}).once('end', () => answer(outgoing))
    }).listen(${port}, '127.0.0.1')`
  const program = await launch({
    program: process.execPath,
    args: [...nodeArgs, '--input-type=module', '-e', script],
    cwd,
    env: {},
    ready: () => readyAt(port),
  })
  return { ...program, name, port }
}

/** Debian's responder, with a P-256 key and an index of so many certificates. It closes after every answer. */
export async function startOpensslOcsp(folder: string, certificates: number): Promise<OcspServer & { ca: Buffer }> {
  const cwd = join(folder, 'openssl')
  mkdirSync(cwd)
  const [port = 0] = await freePorts(1)
  for (const name of ['ca', 'responder']) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(cwd, `${name}.key`), privateKey.export({ format: 'pem', type: 'pkcs8' }))
  }
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  openssl('req', '-new', '-x509', '-key', 'ca.key', '-subj', '/CN=bench', '-days', '99', '-out', 'ca.pem')
  openssl('req', '-new', '-key', 'responder.key', '-subj', '/CN=responder', '-out', 'responder.csr')
  writeFileSync(join(cwd, 'ext'), 'extendedKeyUsage=OCSPSigning\nnoCheck=yes\n')
  const sign = ['x509', '-req', '-in', 'responder.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
  openssl(...sign, '-days', '99', '-extfile', 'ext', '-out', 'responder.pem')
  const line = (n: number) => `V\t491231235959Z\t\t${serial(n).toUpperCase()}\tunknown\t/CN=x${n}\n`
  writeFileSync(join(cwd, 'index.txt'), Array.from({ length: certificates }, (_, n) => line(n)).join(''))
  const program = await launch({
    program: 'openssl',
    args: [
      ...'ocsp -index index.txt -CA ca.pem -rsigner responder.pem -rkey responder.key -port'.split(' '),
      String(port),
    ],
    cwd,
    env: {},
    ready: async () => readFileSync(join(cwd, 'output.log'), 'latin1').includes('waiting'),
  })
  return {
    ...program,
    name: 'openssl ocsp',
    port,
    closes: true,
    ca: openssl('x509', '-in', 'ca.pem', '-outform', 'DER'),
  }
}

/** A PostgreSQL for the bench. What stops it keeps the process going until it has stopped: nothing else may be left to wait for. */
export async function startBenchCluster(): Promise<Cluster> {
  const { url, stop } = await startCluster({ durable: true })
  return {
    url,
    async stop() {
      const alive = setInterval(() => {}, 1_000)
      await stop()
      clearInterval(alive)
    },
  }
}
