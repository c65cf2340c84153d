import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { system } from '../../src/core/requester.ts'
import type { Filter } from '../../src/core/search/searchFilter.ts'
import { warnOfMissingIndex } from '../../src/core/search/searchFollow.ts'
import { createSearches } from '../../src/core/search/searchRows.ts'
import type { AllTables } from '../../src/core/search/searchTables.ts'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const role = `plain_${process.pid}`
const postgres = databases.filter(({ name }) => name === 'postgres')

describe.each(postgres)('lists on a PostgreSQL whose user may not make extensions', ({ openEmpty }) => {
  let opened: Awaited<ReturnType<typeof openEmpty>>
  let db: Database
  let world: World

  /** As the superuser. */
  const administer = (statement: string) =>
    transaction(opened.db, async (db) => {
      await sql.raw(statement).execute(withTables(db))
    })

  beforeAll(async () => {
    opened = await openEmpty()
    await administer(`create role ${role}`)
    await administer(`grant all on schema public to ${role}`)
    db = openDatabase(`${opened.url}&options=${encodeURIComponent(`-c role=${role}`)}`)
    await migrate(db)
    world = await createWorld(db)
    for (const name of ['www.example.org', 'mail.example.org', 'www.example.net']) {
      const profile = await world.profile()
      const csr = await newCsr([name])
      const draft = {
        profile,
        protocol: 'acme',
        action: 'issue',
        csr,
        validated: csr.identifiers,
        refusal: 'throw',
      } as const
      await world.core.as(acmeAccount()).sign(draft)
    }
  })
  afterAll(async () => {
    await closeDatabase(db)
    await administer(`drop owned by ${role}`)
    await administer(`drop role ${role}`)
    await opened.close()
  })

  test('are made without the trigrams', async () => {
    const { rows } = await sql<{ found: string | null }>`select to_regclass('search_certificates_text')::text as found,
      (select count(*) from pg_extension where extname = 'pg_trgm') as extensions`.execute(withTables<AllTables>(db))
    expect(rows).toEqual([{ found: null, extensions: 0 }])
  })
  test.each<[string, Filter, number]>([
    ['a part', { field: 'names', condition: 'contains', value: 'EXAMPLE.org' }, 2],
    ['a beginning', { field: 'names', condition: 'startsWith', value: 'www.' }, 2],
    ['an end', { field: 'names', condition: 'endsWith', value: '.net' }, 1],
    ['a whole name', { field: 'names', condition: 'equals', value: 'mail.example.org' }, 1],
    ['what is not there', { field: 'names', condition: 'contains', value: 'exmaple' }, 0],
    ['a pattern', { field: 'names', condition: 'matches', value: '^w+\\.' }, 2],
  ])('find %s', async (_, filter, expected) => {
    const list = createSearches(world.it, system('test'))
    const { rows, total } = await list.searchCertificates({ where: [filter], page: 1, size: 50 })
    expect(total).toBe(expected)
    expect(rows).toHaveLength(expected)
  })
  test('and the log says how to add them', async () => {
    const told: unknown[] = []
    const log = { ...world.it.log, warn: (...words: unknown[]) => told.push(words) }
    await warnOfMissingIndex({ ...world.it, log } as World['it'])
    expect(JSON.stringify(told)).toMatch(/pg_trgm.*docs\/operate\/lists\.md/)
  })
})
