import pg from 'pg'
import { fillAudit } from './consoleFill.ts'
import { dropPostgresIndexes, dropSqliteIndexes } from './fillIndexes.ts'
import { FIRST, fillPostgres, fillSqlite, openToFill } from './listsFill.ts'

/** What a certificate that was ordered over ACME leaves beside its request, itself and their rows in the lists. */
const LEFT = ['decisions', 'sign_attempts', 'acme_orders', 'acme_authorizations', 'acme_order_identifiers'] as const

/** Of the n-th, in each of these tables where it has the column; everything else is as in the last order that happened. */
function columnsOf(table: (typeof LEFT)[number], uuid: string, token: string): Record<string, string> {
  const id = `${FIRST} + n`
  switch (table) {
    case 'decisions':
      return { id, sign_request_id: id }
    case 'sign_attempts':
      // Serials begin with the time: those of long ago come before.
      return { id, sign_request_id: id, decision_id: id, serial: `'0100' || substr(${token}, 1, 28)` }
    case 'acme_order_identifiers':
      return { order_id: id, authorization_id: id, value: `'h' || n || '.bench.test'` }
    case 'acme_authorizations':
      return { id, uuid, token, value: `'h' || n || '.bench.test'` }
    case 'acme_orders':
      return { id, uuid }
  }
}

export interface Growth {
  /** A file, or postgres://… Nothing else has it open. */
  url: string
  certificates: number
}

/** So many certificates more, as years of ACME would have left them; one in ten of them was revoked by request, and each has three events in the audit trail. */
export async function fillGrown({ url, certificates }: Growth): Promise<void> {
  const secret = Buffer.alloc(0)
  const fill = { url, secret, certificates, requests: certificates / 10, prepared: true }
  await (url.startsWith('postgres') ? fillPostgres(fill) : fillSqlite(fill))
  await (url.startsWith('postgres') ? leavePostgres(url, certificates) : leaveSqlite(url, certificates))
  await fillAudit(url, 3 * certificates)
}

async function leaveSqlite(url: string, count: number): Promise<void> {
  const raw = openToFill(url)
  const indexes = dropSqliteIndexes(raw, LEFT)
  for (const table of LEFT) {
    const names = (raw.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name)
    const changed = columnsOf(table, 'lower(hex(randomblob(16)))', 'lower(hex(randomblob(16)))')
    raw
      .prepare(
        `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)
         insert into ${table} (${names.join()}) select ${names.map((name) => changed[name] ?? `made.${name}`).join()}
         from numbers, (select * from ${table} order by ${order(table)} desc limit 1) made`,
      )
      .run(count)
  }
  for (const index of indexes) raw.exec(index)
  raw.exec('analyze')
  raw.close()
}

async function leavePostgres(url: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('set session_replication_role = replica')
  const indexes = await dropPostgresIndexes(client, LEFT)
  for (const table of LEFT) {
    const { rows } = await client.query<{ column_name: string }>(
      'select column_name from information_schema.columns where table_name = $1 and table_schema = current_schema()',
      [table],
    )
    const names = rows.map(({ column_name: name }) => name)
    const changed = columnsOf(table, 'gen_random_uuid()::text', `md5(random()::text || n)`)
    await client.query(
      `insert into ${table} (${names.join()}) overriding system value
       select ${names.map((name) => changed[name] ?? `made.${name}`).join()}
       from generate_series(1::bigint, ${count}) n, (select * from ${table} order by ${order(table)} desc limit 1) made`,
    )
  }
  for (const index of indexes) await client.query(index)
  for (const { tablename, column } of await identities(client))
    await client.query(
      `select setval(pg_get_serial_sequence('${tablename}', '${column}'), (select max(${column}) from ${tablename}))`,
    )
  await client.query('vacuum analyze')
  await client.end()
}

const order = (table: (typeof LEFT)[number]) => (table === 'acme_order_identifiers' ? 'order_id' : 'id')

async function identities(client: pg.Client): Promise<{ tablename: string; column: string }[]> {
  const { rows } = await client.query<{ tablename: string; column: string }>(
    `select table_name as tablename, column_name as "column" from information_schema.columns
     where is_identity = 'YES' and table_schema = current_schema()`,
  )
  const filled: { tablename: string; column: string }[] = []
  for (const row of rows) {
    const found = await client.query(`select 1 from ${row.tablename} limit 1`)
    if (found.rowCount) filled.push(row)
  }
  return filled
}
