import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What lists are searched by (docs/decisions/lists.md); src/core/search/searchTables.ts says what the columns hold. */
export async function search(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'search_queue', { columns: { id: 'id', kind: 'text!', ref: 'int!' } })
  await createTable(db, columns, 'search_facets', {
    columns: { id: 'id', kind: 'text!', key: 'text!', total: 'int!' },
    unique: [['kind', 'key']],
  })
  await createTable(db, columns, 'search_counts', {
    columns: { facet_id: 'int!', bucket: 'int!', n: 'int!' },
    primaryKey: ['facet_id', 'bucket'],
  })
  await createTable(db, columns, 'search_blocks', {
    columns: { kind: 'text!', field: 'text!', bucket: 'int!', least: 'int!', most: 'int!' },
    primaryKey: ['kind', 'field', 'bucket'],
  })
  await createTable(db, columns, 'search_requesters', {
    columns: { id: 'id', key: 'text!', requester_key: 'text!', name: 'text!', people: 'text!' },
    unique: [['key']],
    indexes: [['requester_key']],
  })
  const every = {
    id: 'int!',
    facet_id: 'int!',
    requester_id: 'int!',
    subject: 'text!',
    common_name: 'text!',
    names: 'text!',
    created_at: 'int!',
  } as const
  // Times that go with the ids are found by search_blocks; each index here costs every certificate.
  const keys = [
    ['facet_id', 'id'],
    ['requester_id', 'id'],
  ]
  await createTable(db, columns, 'search_certificates', {
    columns: { ...every, not_before: 'int!', not_after: 'int!', revoked_at: 'int' },
    primaryKey: ['id'],
    // With the facet, so that most conditions are answered by the index alone.
    indexes: [...keys, ['not_after', 'facet_id']],
  })
  await partial(db, 'search_certificates', 'revoked_at', sql`revoked_at is not null`)
  for (const table of ['search_sign_requests', 'search_revoke_requests']) {
    await createTable(db, columns, table, {
      columns: { ...every, ended_at: 'int', expires_at: 'int', duration: 'int' },
      primaryKey: ['id'],
      indexes: keys,
    })
    // As searchFields.ts says it: most orders end at once.
    await partial(db, table, 'duration', sql`duration >= 10000`)
  }
  await texts(db, columns)
  await followers(db, columns)
}

async function partial(db: Kysely<unknown>, table: string, column: string, where: RawBuilder<unknown>): Promise<void> {
  await sql`create index ${sql.ref(`${table}_by_${column}_facet_id`)} on ${sql.table(table)} (${sql.ref(column)}, facet_id)
    where ${where}`.execute(db)
}

const sources = {
  certificate: 'certificates',
  sign: 'sign_requests',
  revoke: 'revoke_requests',
}

/** Trigrams: FTS5 without the text itself on SQLite, an index of pg_trgm on PostgreSQL, where an administrator may have to make it. */
async function texts(db: Kysely<unknown>, { dialect }: Columns): Promise<void> {
  for (const source of Object.values(sources)) {
    const name = `search_${source}`
    if (dialect === 'sqlite') {
      await sql`create virtual table ${sql.table(`${name}_text`)} using fts5(
        text, content='', contentless_delete=1, tokenize='trigram', detail=none)`.execute(db)
      // Merged less often: each merge writes it all again.
      await sql`insert into ${sql.table(`${name}_text`)} (${sql.table(`${name}_text`)}, rank) values ('automerge', 8)`.execute(
        db,
      )
      continue
    }
    // Without the right to make the extension lists are searched without it: slower, and the log says so (searchFollow.ts).
    await sql
      .raw(
        `do $$ begin
           create extension if not exists pg_trgm;
           create index ${name}_text on ${name} using gin ((subject || common_name || names) gin_trgm_ops);
         exception when insufficient_privilege or undefined_file or feature_not_supported or undefined_object then null;
         end $$`,
      )
      .execute(db)
  }
}

/** What a change of a request or certificate that lists show sets. */
const shown = {
  certificate: 'status, revoked_at, revocation_reason, profile_id, authority_id, organization_id',
  sign: 'status, revision, wanted, profile_id, authority_id, expires_at, ended_at',
  revoke: 'status, revision, code, profile_id, authority_id, expires_at, ended_at',
}

/** Whatever changes is put down in the same transaction, and worked up within a second. What is there already comes first. */
async function followers(db: Kysely<unknown>, { dialect }: Columns): Promise<void> {
  for (const [kind, table] of Object.entries(sources)) {
    const put = `insert into search_queue (kind, ref) values ('${kind}', new.id)`
    const changes = { new: 'insert', changed: `update of ${shown[kind as keyof typeof shown]}` }
    if (dialect === 'postgres') {
      await sql
        .raw(`create function search_${table}_put() returns trigger language plpgsql as
          $$ begin ${put}; return null; end $$`)
        .execute(db)
    }
    for (const [name, change] of Object.entries(changes)) {
      // What was signed has its certificate put down in the same transaction, which stands for both.
      const when = kind === 'sign' && name === 'changed' ? `when (new.status <> 'signed' or old.status = 'signed')` : ''
      const body =
        dialect === 'sqlite'
          ? `${when} begin ${put}; end`
          : `for each row ${when} execute function search_${table}_put()`
      await sql.raw(`create trigger search_${table}_${name} after ${change} on ${table} ${body}`).execute(db)
    }
    // An order stands for its certificate too.
    if (kind !== 'certificate')
      await sql.raw(`insert into search_queue (kind, ref) select '${kind}', id from ${table} order by id`).execute(db)
  }
}
