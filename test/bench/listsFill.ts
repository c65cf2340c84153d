import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { numberColumns } from '../../src/core/search/searchDocument.ts'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import { BUCKET } from '../../src/core/search/searchTables.ts'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { crlWorld } from '../helpers/crlWorld.ts'
import { openWorld } from '../helpers/world.ts'
import { dropPostgresIndexes, dropSqliteIndexes } from './fillIndexes.ts'

export interface Fill {
  url: string
  secret: Buffer
  certificates: number
  requests: number
  /** It has been at work: profiles, `devices` among them, and a certificate that was ordered. Nothing is added but what is copied from these. */
  prepared?: boolean
}

export const FIRST = 1_000_000
const PEOPLE = 1000
const LARGE = [
  ...['certificates', 'sign_requests', 'revoke_requests'],
  ...['search_certificates', 'search_sign_requests', 'search_revoke_requests'],
]

/** A world with one certificate in each of two profiles and one revocation; then they are there so many times, with search rows as the follower makes them. */
async function begin({ url, secret }: Fill): Promise<void> {
  const db = openDatabase(url)
  await migrate(db)
  const world = await openWorld(db, secret)
  const crl = await crlWorld(world)
  await world.save('devices', {})
  await crl.issue('one.bench.test')
  await followSearch(db, Number.POSITIVE_INFINITY)
  await closeDatabase(db)
}

type Names = Record<string, string>

/** Of the n-th certificate. `mod` and `hex` say how the database writes them. */
const name = `case when n = 7 then 'rare-one.example.org' else 'h' || (n % 1000) || '.example.org' end`

/** Two years, however many there are. */
const ago = (certificates: number) => `(${certificates} - n) * ${Math.ceil(60_000_000_000 / certificates)}`

function certificateColumns(certificates: number, hex: (n: string, length: number) => string): Names {
  return {
    id: `${FIRST} + n`,
    profile_id: `case n % 10 when 0 then (select id from ra_profiles where name = 'devices') else profile_id end`,
    serial: `'01' || ${hex('n', 30)}`,
    fingerprint: hex('n * 7', 64),
    spki_hash: hex('n * 11', 64),
    subject: `'CN=' || ${name}`,
    identifiers: `'[{"type":"dns","value":"' || ${name} || '"}]'`,
    key_algorithm: `case n % 3 when 0 then 'RSA-2048' else 'P-256' end`,
    created_at: `created_at - ${ago(certificates)}`,
    not_before: `not_before - ${ago(certificates)}`,
    not_after: `not_after - ${ago(certificates)} + (n % 800) * 86400000`,
    status: `case n % 100 when 0 then 'revoked' else 'issued' end`,
    revoked_at: `case n % 100 when 0 then created_at + 1000 else null end`,
    revocation_reason: `case n % 100 when 0 then 'superseded' else null end`,
    crl_entry: 'null',
  }
}

/** A file that nobody else has open, without a log: what breaks off is filled anew. Indexes at random places ask for a large cache. */
export function openToFill(url: string): Sqlite.Database {
  const raw = new Sqlite(url)
  raw.pragma('foreign_keys = off')
  raw.pragma('synchronous = off')
  raw.pragma('journal_mode = delete')
  raw.pragma('journal_mode = off')
  raw.pragma('cache_size = -6000000')
  return raw
}

export async function fillSqlite(fill: Fill): Promise<void> {
  if (!fill.prepared) await begin(fill)
  const raw = openToFill(fill.url)
  const columnsOf = (table: string) =>
    (raw.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name)
  // Triggers and indexes come back afterwards.
  const triggers = raw.prepare(`select sql from sqlite_master where type = 'trigger'`).pluck().all() as string[]
  const names = raw.prepare(`select name from sqlite_master where type = 'trigger'`).pluck().all() as string[]
  for (const trigger of names) raw.exec(`drop trigger ${trigger}`)
  const indexes = dropSqliteIndexes(raw, LARGE)
  const hex = (n: string, length: number) =>
    `substr(lower(hex(((${n}) * 2654435761) % 4294967296)) || lower(hex(randomblob(32))), 1, ${length})`
  const copy = (table: string, changed: Names, where: string, count: number) => {
    const columns = columnsOf(table)
    raw
      .prepare(
        `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)
         insert into ${table} (${columns.join()}) select ${columns.map((column) => changed[column] ?? column).join()}
         from numbers, (select * from ${table} where ${where} order by id desc limit 1)`,
      )
      .run(count)
  }
  const der = { ...certificateColumns(fill.certificates, hex), ...(fill.prepared ? {} : { der: 'randomblob(700)' }) }
  copy('sign_requests', { ...ordersOf(fill), uuid: uuid('lower(hex(randomblob(16)))') }, ordered, orderCount(fill))
  copy('certificates', der, `source = 'managed'`, fill.certificates)
  revocations(fill, (statement) => raw.exec(statement), `lower(hex(randomblob(16)))`, columnsOf('sign_requests'))
  for (const trigger of triggers) raw.exec(trigger)
  for (const statement of derived('sqlite', fill)) raw.exec(statement)
  raw.exec(`insert into search_certificates_text (rowid, text) select id, subject || names from search_certificates where id > ${FIRST};
    insert into search_revoke_requests_text (rowid, text) select id, subject || names from search_revoke_requests where id > ${FIRST};
    insert into search_sign_requests_text (rowid, text) select id, subject || names from search_sign_requests where id > ${FIRST + fill.certificates}`)
  for (const index of indexes) raw.exec(index)
  raw.close()
}

const requestColumns = (certificates: number): Names => ({
  id: `${FIRST} + n`,
  origin_ref: 'null',
  protocol: `'acme'`,
  requester: `replace(requester, '"name":"', '"name":"client ' || (n % ${PEOPLE}) || ' ')`,
  requester_key: `'acme-account:' || (n % ${PEOPLE})`,
  created_at: `created_at - ${ago(certificates)}`,
  ended_at: `created_at - ${ago(certificates)} + n % 70000`,
})

/** Of a world that was at work: those that were refused or failed come after those that were carried out. */
const orderCount = ({ prepared, certificates, requests }: Fill) => (prepared ? certificates + requests : certificates)
const ordered = `id = (select max(id) from certificates where source = 'managed')`

function ordersOf({ certificates }: Fill): Names {
  const status = `case when n <= ${certificates} then status when n % 3 = 0 then 'denied' when n % 3 = 1 then 'failed' else 'canceled' end`
  return { ...requestColumns(certificates), status }
}

const uuid = (random: string) => random

function revocations({ requests }: Fill, exec: (sql: string) => unknown, random: string, _columns: string[]): void {
  exec(`insert into revoke_requests (id, uuid, organization_id, profile_id, authority_id, certificate_id, status, revision,
      protocol, requester, requester_key, source_address, code, facts, findings, created_at, updated_at, ended_at)
    select c.id, ${random}, c.organization_id, c.profile_id, c.authority_id, c.id,
      case c.id % 1000 when 1 then 'requested' when 2 then 'denied' else 'revoked' end, 1, 'acme', r.requester, r.requester_key, null,
      'superseded', '{}', '[]', c.created_at, c.created_at,
      case c.id % 1000 when 1 then null else c.created_at + c.id % 70000 end
    from certificates c join sign_requests r on r.id = c.id where c.id > ${FIRST} order by c.id limit ${requests}`)
}

/** What searchFollow.ts would have made of it, in SQL. */
function derived(dialect: 'sqlite' | 'postgres', { prepared }: Fill): string[] {
  const feed = dialect === 'sqlite' ? 'char(10)' : 'chr(10)'
  const between = (text: string) => `${feed} || lower(${text}) || ${feed}`
  const value = dialect === 'sqlite' ? `identifiers->0->>'value'` : `(identifiers::json->0->>'value')`
  const requesterName = dialect === 'sqlite' ? `requester->>'name'` : `(requester::json->>'name')`
  const text = (json: string) => (dialect === 'sqlite' ? json : `${json}`)
  const certificateKey = text(`'{"authority":' || c.authority_id ||
    ',"keyAlgorithm":"' || c.key_algorithm || '","organization":' || c.organization_id || ',"profile":' || c.profile_id ||
    ',"protocol":"acme","reason":' || coalesce('"' || c.revocation_reason || '"', 'null') || ',"source":"' || c.source ||
    '","status":"' || c.status || '"}'`)
  const revokeKey = `'{"authority":' || c.authority_id || ',"organization":' || c.organization_id || ',"profile":' || c.profile_id ||
    ',"protocol":"acme","reason":"superseded","status":"' || c.status || '"}'`
  const signKey = `'{"action":"issue","authority":' || c.authority_id || ',"organization":' || c.organization_id ||
    ',"profile":' || c.profile_id || ',"protocol":"acme","reason":null,"status":"' || c.status || '"}'`
  const rows = (kind: 'certificate' | 'revoke' | 'sign', table: string, key: string, columns: Names, from: string) => [
    `insert into search_facets (kind, key, total) select distinct '${kind}', ${key}, 0 from ${table} c where c.id > ${FIRST}
      on conflict do nothing`,
    `insert into search_${table} (id, facet_id, requester_id, ${Object.keys(columns).join()})
      select c.id, f.id, q.id, ${Object.values(columns).join()} from ${from}
      join search_facets f on f.kind = '${kind}' and f.key = ${key}
      join search_requesters q on q.key = 'bench ' || r.requester_key where c.id > ${FIRST} order by c.id`,
    `delete from search_counts where facet_id in (select id from search_facets where kind = '${kind}')`,
    `insert into search_counts (facet_id, bucket, n) select facet_id, id / ${BUCKET}, count(*) from search_${table}
      group by facet_id, id / ${BUCKET}`,
    `delete from search_blocks where kind = '${kind}'`,
    ...numberColumns[kind].map(
      (
        column,
      ) => `insert into search_blocks (kind, field, bucket, least, most) select '${kind}', '${column}', id / ${BUCKET}, min(${column}),
      max(${column}) from search_${table} where ${column} is not null group by id / ${BUCKET}`,
    ),
    `update search_facets set total = (select coalesce(sum(n), 0) from search_counts where facet_id = search_facets.id) where kind = '${kind}'`,
  ]
  const texts = {
    subject: between('c.subject'),
    common_name: between(`substr(c.subject, 4)`),
    names: between(value.replace('identifiers', 'c.identifiers')),
  }
  const certificate = {
    ...texts,
    created_at: 'c.created_at',
    not_before: 'not_before',
    not_after: 'not_after',
    revoked_at: 'revoked_at',
  }
  const revocation = {
    ...Object.fromEntries(Object.entries(texts).map(([column, sql]) => [column, sql.replaceAll('c.', 'made.')])),
    created_at: 'c.created_at',
    ended_at: 'c.ended_at',
    expires_at: 'c.expires_at',
    duration: 'c.ended_at - c.created_at',
  }
  const subject = `coalesce(made.subject, 'CN=refused.example.org')`
  const order = {
    ...revocation,
    subject: between(subject),
    common_name: between(`substr(${subject}, 4)`),
    names: between(`substr(${subject}, 4)`),
  }
  return [
    `insert into search_requesters (key, requester_key, name, people)
      select distinct 'bench ' || requester_key, requester_key, ${between(`'client ' || substr(requester_key, 14)`)}, '[]'
      from sign_requests where id > ${FIRST}`.replace('__', requesterName),
    ...rows(
      'certificate',
      'certificates',
      certificateKey,
      certificate,
      'certificates c join sign_requests r on r.id = c.id',
    ),
    ...rows(
      'revoke',
      'revoke_requests',
      revokeKey,
      revocation,
      'revoke_requests c join certificates made on made.id = c.certificate_id join sign_requests r on r.id = c.certificate_id',
    ),
    ...(prepared
      ? rows(
          'sign',
          'sign_requests',
          signKey,
          order,
          'sign_requests c left join certificates made on made.id = c.id join sign_requests r on r.id = c.id',
        )
      : []),
  ]
}

export async function fillPostgres(fill: Fill): Promise<void> {
  if (!fill.prepared) await begin(fill)
  const client = new pg.Client({ connectionString: fill.url })
  await client.connect()
  // No foreign keys and no triggers.
  await client.query('set session_replication_role = replica')
  const indexes = await dropPostgresIndexes(client, LARGE)
  const hex = (n: string, length: number) =>
    `substr(lpad(to_hex(((${n})::bigint * 2654435761) % 4294967296), 8, '0') || md5((${n})::text) || md5('x' || (${n})::text), 1, ${length})`
  const copy = async (table: string, changed: Names, where: string, count: number) => {
    const { rows } = await client.query<{ column_name: string }>(
      `select column_name from information_schema.columns where table_name = $1 and table_schema = current_schema()`,
      [table],
    )
    const columns = rows.map(({ column_name: column }) => column)
    await client.query(
      `insert into ${table} (${columns.join()}) overriding system value select ${columns.map((column) => changed[column] ?? column).join()}
       from generate_series(1::bigint, ${count}) n, (select * from ${table} where ${where} order by id desc limit 1) c`,
    )
  }
  await copy('sign_requests', { ...ordersOf(fill), uuid: 'gen_random_uuid()::text' }, ordered, orderCount(fill))
  const der = {
    ...certificateColumns(fill.certificates, hex),
    ...(fill.prepared ? {} : { der: `decode(repeat(md5(n::text), 20), 'hex')` }),
    crl_entry: 'null::bytea',
  }
  await copy('certificates', der, `source = 'managed'`, fill.certificates)
  const statements: string[] = []
  revocations(
    fill,
    (statement) =>
      statements.push(
        statement
          .replace(') select', ') overriding system value select')
          .replace(/\)\n\s+select/, ') overriding system value select'),
      ),
    'gen_random_uuid()::text',
    [],
  )
  for (const statement of [...statements, ...derived('postgres', fill), ...indexes]) await client.query(statement)
  for (const table of [
    'certificates',
    'sign_requests',
    'revoke_requests',
    'search_certificates',
    'search_revoke_requests',
    'search_sign_requests',
    'search_facets',
    'search_counts',
    'search_blocks',
    'search_requesters',
  ])
    await client.query(`vacuum analyze ${table}`)
  await client.end()
}
