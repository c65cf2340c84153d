import pg from 'pg'
import { dropPostgresIndexes, dropSqliteIndexes } from './fillIndexes.ts'
import { FIRST, openToFill } from './listsFill.ts'

const LARGE = ['audit_events', 'audit_seals']

const columns = 'id, at, organization_id, action, subject_kind, subject_id, status, actor, source_address, details'

const happened = `(select * from audit_events where action = 'certificate.request_csr.submitted' order by id desc limit 1)`

/** `n` counts from 1; the row before the comma is an event that happened. */
function events(count: number, numbers: string, random: string): string[] {
  return [
    `insert into audit_events (${columns})
      select ${10 * FIRST} + n, at - (${count} - n) * 30000, organization_id,
        case when n % 200 = 0 then 'certificate.revoked' when n % 3 = 0 then 'sign_request.requested' when n % 3 = 1 then 'sign_request.signed' else action end, subject_kind, ${FIRST} + n, status,
        replace(actor, '"name":"', '"name":"client ' || (n % 1000) || ' '), '192.0.2.' || (n % 250), details
      from (${numbers}) numbers, ${happened} made`,
    `insert into audit_seals (position, event_id, hash)
      select head + n, ${10 * FIRST} + n, ${random} from (${numbers}) numbers, (select max(position) as head from audit_seals) sealed`,
    `insert into alerts (organization_id, kind, subject_kind, subject_id, detail, created_at)
      select organization_id, case n % 3 when 0 then 'order_failed' when 1 then 'certificate.expiring' else 'policy_refusal' end,
        'certificate', ${FIRST} + n, 'alert number ' || n || ' of the bench', at
      from (${numbers}) numbers, ${happened} made
      where n <= 1000`,
  ]
}

/** An audit trail of so many events, and a thousand open alerts. The chain is no proof of it: only its rows are there. */
export async function fillAudit(url: string, count: number): Promise<void> {
  if (url.startsWith('postgres')) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('set session_replication_role = replica')
    const indexes = await dropPostgresIndexes(client, LARGE)
    const numbers = `select n from generate_series(1::bigint, ${count}) n`
    for (const statement of events(count, numbers, 'md5(n::text) || md5(n::text)'))
      await client.query(
        statement
          .replace(') select', ') overriding system value select')
          .replace(/\)\n\s+select/, ') overriding system value select'),
      )
    for (const index of indexes) await client.query(index)
    for (const table of [...LARGE, 'alerts']) await client.query(`vacuum analyze ${table}`)
    await client.end()
    return
  }
  const raw = openToFill(url)
  const indexes = dropSqliteIndexes(raw, LARGE)
  const numbers = `with recursive counted(n) as (select 1 union all select n + 1 from counted where n < ${count}) select n from counted`
  for (const statement of events(count, numbers, `lower(hex(randomblob(32)))`)) raw.exec(statement)
  for (const index of indexes) raw.exec(index)
  raw.close()
}
