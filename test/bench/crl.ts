// npm run bench:crl: CRLs of ten thousand to a million entries, each made by a process of its own. See docs/performance.md.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { currentCrl } from '../../src/core/crl/crl.ts'
import { crlEntry } from '../../src/core/crl/crlRead.ts'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { encodeCrlEntry } from '../../src/pki/crl.ts'
import { crlWorld } from '../helpers/crlWorld.ts'
import { openWorld } from '../helpers/world.ts'
import { startBenchCluster } from './ocspServers.ts'
import { peakMemory } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    entries: { type: 'string', default: '10000,100000,1000000' },
    json: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    /** For the process that makes one: its database and the key to it. */
    database: { type: 'string' },
    secret: { type: 'string', default: '' },
  },
})

/** What making a CRL cost. */
interface Cost {
  entries: number
  /** Octets. */
  length: number
  /** Milliseconds of CPU, of all threads, and by the clock. */
  cpu: number
  wall: number
  /** MiB resident above what the process had before. */
  memory: number
  /** The longest pause of the event loop, in milliseconds. */
  pause: number
  /** Milliseconds of CPU for a fetch that finds nothing changed. */
  fetch: number
}

/** A world with one issued certificate, which is then there so many times, revoked: a thousand octets each. */
async function fill(path: string, secret: Buffer, entries: number): Promise<void> {
  const db = openDatabase(path)
  await migrate(db)
  await crlWorld(await openWorld(db, secret)).issue('one.bench.test')
  await closeDatabase(db)
  const raw = new Sqlite(path)
  raw.pragma('foreign_keys = off')
  raw.pragma('synchronous = off')
  raw.function('entry_of', (serial: string, at: number, reason: string | null) =>
    encodeCrlEntry(crlEntry({ serial, revoked_at: at, revocation_reason: reason, invalidity_at: null })),
  )
  // Made again afterwards, in order, as years of issuance would not have to.
  const indexes = ['certificates_by_fingerprint', 'certificates_by_spki_hash', 'certificates_listed']
  const statements = indexes.map((name) =>
    raw.prepare('select sql from sqlite_master where name = ?').pluck().get(name),
  )
  for (const name of indexes) raw.exec(`drop index ${name}`)
  const columns = (raw.pragma('table_info(certificates)') as { name: string }[]).map(({ name }) => name)
  const changed: Record<string, string> = {
    id: '1000000 + n',
    serial: "'01' || lower(hex(randomblob(15)))",
    fingerprint: 'lower(hex(randomblob(32)))',
    spki_hash: 'lower(hex(randomblob(32)))',
    der: 'randomblob(900)',
    not_after: 'not_after + n',
    status: "'revoked'",
    revoked_at: 'created_at - n * 1000',
    revocation_reason: "case n % 3 when 0 then null when 1 then 'superseded' else 'keyCompromise' end",
  }
  raw
    .prepare(
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)
       insert into certificates (${columns.join()}) select ${columns.map((name) => changed[name] ?? name).join()}
       from numbers, (select * from certificates where source = 'managed' and shard = 0 order by id desc limit 1)`,
    )
    .run(entries)
  raw.exec(`
    update certificates set crl_entry = entry_of(serial, revoked_at, revocation_reason) where id > 1000000;
    ${statements.join(';')};
    insert into revocation_events (authority_certificate_id, shard, serial, change, status, revoked_at, reason, not_after, created_at)
      select authority_certificate_id, shard, serial, id - 1000000, status, revoked_at, revocation_reason, not_after, revoked_at
      from certificates where id > 1000000;
    update authorities set revocations = ${entries} where name = 'issuing'`)
  raw.pragma('wal_checkpoint(truncate)')
  raw.close()
}

/** DER of an entry as encodeCrlEntry has it, in hex: a serial of 16 octets, a UTCTime, a reason. */
const ENTRY = `case reason when '' then '3021' else '302f' end || '0210' || number || '170d' ||
  encode(convert_to(to_char(to_timestamp(at / 1000) at time zone 'UTC', 'YYMMDDHH24MISS') || 'Z', 'UTF8'), 'hex') ||
  case reason when '' then '' when 'superseded' then '300c300a0603551d1504030a0104' else '300c300a0603551d1504030a0101' end`

/** The same on PostgreSQL, whose rows are of half the length. */
async function fillPostgres(url: string, secret: Buffer, entries: number): Promise<void> {
  const db = openDatabase(url)
  await migrate(db)
  const issued = await crlWorld(await openWorld(db, secret)).issue('one.bench.test')
  await closeDatabase(db)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  // No foreign keys: the certificates stand for themselves.
  await client.query('set session_replication_role = replica')
  const { rows } = await client.query<{ column_name: string }>(
    `select column_name from information_schema.columns where table_name = 'certificates' and table_schema = current_schema()`,
  )
  const columns = rows.map(({ column_name: name }) => name)
  const changed: Record<string, string> = {
    id: '1000000 + n',
    serial: 'number',
    fingerprint: 'md5(number) || md5(n::text)',
    spki_hash: 'md5(n::text) || md5(number)',
    der: `decode(repeat(md5(n::text), 28), 'hex')`,
    not_after: 'not_after + n',
    status: `'revoked'`,
    revoked_at: 'at',
    revocation_reason: `nullif(reason, '')`,
    crl_entry: `decode(${ENTRY}, 'hex')`,
  }
  await client.query(
    `insert into certificates (${columns.join()}) select ${columns.map((name) => changed[name] ?? name).join()}
     from (select n, '01' || substr(md5(n::text), 1, 30) as number, created_at - n::bigint * 1000 as at,
       case n % 3 when 0 then '' when 1 then 'superseded' else 'keyCompromise' end as reason, c.*
       from generate_series(1, ${entries}) n, (select * from certificates where id = ${issued.id}) c) made`,
  )
  await client.query(`
    insert into revocation_events (authority_certificate_id, shard, serial, change, status, revoked_at, reason, not_after, created_at)
      select authority_certificate_id, shard, serial, id - 1000000, status, revoked_at, revocation_reason, not_after, revoked_at
      from certificates where id > 1000000;
    update authorities set revocations = ${entries} where name = 'issuing'`)
  await client.query('vacuum analyze certificates')
  await client.end()
}

/** In a process of its own. */
async function make(path: string, secret: Buffer): Promise<Cost> {
  const { it } = await openWorld(openDatabase(path), secret)
  await currentCrl(it, { authority: 'root' })
  writeFileSync('/proc/self/clear_refs', '5')
  const memory = process.memoryUsage.rss() / 2 ** 20
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const started = { cpu: process.cpuUsage(), wall: performance.now() }
  const { parts } = await currentCrl(it, { authority: 'issuing' })
  const wall = performance.now() - started.wall
  const cpu = milliseconds(process.cpuUsage(started.cpu))
  delay.disable()
  const peak = peakMemory(process.pid) - memory
  const fetching = process.cpuUsage()
  for (let n = 0; n < 2_000; n++) await currentCrl(it, { authority: 'issuing' })
  const fetch = milliseconds(process.cpuUsage(fetching)) / 2_000
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  await closeDatabase(it.db)
  return { entries: 0, length, cpu, wall, memory: peak, pause: delay.max / 1e6, fetch }
}

const milliseconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000

async function measure(entries: number): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-crl-'))
  const cluster = flags.postgres ? await startBenchCluster() : undefined
  try {
    const path = cluster?.url ?? join(folder, 'bench.sqlite')
    const secret = randomBytes(32)
    await (cluster ? fillPostgres : fill)(path, secret, entries)
    const self = [...process.execArgv, fileURLToPath(import.meta.url)]
    const args = [...self, '--database', path, '--secret', secret.toString('hex')]
    return { ...JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })), entries }
  } finally {
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function table(costs: readonly Cost[]): string {
  const rows = costs.map(({ entries, length, cpu, wall, memory, pause, fetch }) =>
    [
      entries,
      (length / 1e6).toFixed(1),
      cpu.toFixed(0),
      wall.toFixed(0),
      memory.toFixed(0),
      pause.toFixed(1),
      (fetch * 1000).toFixed(0),
    ].join(' | '),
  )
  const head = 'entries | MB | CPU ms | wall ms | memory MiB | longest pause ms | fetch µs'
  return ['', head, '---: | ---: | ---: | ---: | ---: | ---: | ---:', ...rows]
    .map((row) => (row ? `| ${row} |\n` : '\n'))
    .join('')
}

if (flags.database === undefined) {
  const costs: Cost[] = []
  for (const entries of flags.entries.split(',')) costs.push(await measure(Number(entries)))
  process.stdout.write(flags.json ? `${JSON.stringify(costs, null, 2)}\n` : table(costs))
} else process.stdout.write(JSON.stringify(await make(flags.database, Buffer.from(flags.secret, 'hex'))))
