import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import type { CsvDraft } from '../../src/core/listing/exportRows.ts'
import { system } from '../../src/core/requester.ts'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { failure } from '../helpers/people.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

describe.each(databases)('lists as files on $name', ({ open }) => {
  let made: InventoryWorld
  let chief: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    made = await createInventoryWorld(opened.db)
    chief = made.people.as(made.people.chief)
    for (const name of ['a.auto.test', 'b.auto.test', 'c.waits.test']) await made.order(name)
  })
  afterAll(() => close())

  const read = async (door: Door, draft: CsvDraft) => {
    let text = ''
    for await (const part of await door.list.csv(draft)) text += part
    const [head = '', ...lines] = text.split('\r\n')
    expect(lines.pop()).toBe('')
    const names = head.split(',')
    return lines.map((line) => Object.fromEntries(line.split(',').map((cell, at) => [names[at], cell])))
  }

  it('have a heading and what a search finds, the newest first', async () => {
    const [first, second] = await read(chief, {
      list: 'certificate',
      where: [{ field: 'names', condition: 'contains', value: '.auto.test' }],
    })
    expect(first).toMatchObject({ names: 'b.auto.test', status: 'issued', source: 'managed', protocol: 'acme' })
    expect(second?.names).toBe('a.auto.test')
    expect(Number(first?.daysLeft)).toBeGreaterThan(0)
    const waits = await read(chief, {
      list: 'sign',
      where: [{ field: 'status', condition: 'equals', value: 'requested' }],
    })
    expect(waits).toMatchObject([{ names: 'c.waits.test', status: 'requested', action: 'issue', source: '192.0.2.1' }])
    expect(await read(chief, { list: 'revoke' })).toEqual([])
  })

  it('hold what their reader may see, and nothing of others', async () => {
    const all = await read(made.people.as(made.people.root), { list: 'sign' })
    expect(all.length).toBeGreaterThan(2)
    expect(await read(made.people.as(made.people.stranger), { list: 'sign' })).toEqual([])
    expect(await read(made.world.core.as(acmeAccount('another')), { list: 'sign' })).toEqual([])
    expect(await read(made.world.core.as(acmeAccount()), { list: 'sign' })).toHaveLength(3)
  })

  it('make no formula of a name that somebody chose', async () => {
    const csr = await newCsr(['formula.auto.test'])
    const { identifiers } = csr
    const draft = { profile: await made.world.profile('kept'), protocol: 'acme', action: 'issue', csr } as const
    const evil = { ...acmeAccount('evil'), name: '=HYPERLINK(1)' }
    await made.world.core.as(evil).sign({ ...draft, validated: identifiers, refusal: 'store' })
    const [row] = await read(chief, { list: 'sign' })
    expect(row).toMatchObject({ names: 'formula.auto.test', requester: "'=HYPERLINK(1)" })
  })

  it('refuse before the first line', async () => {
    const refused = [
      [{ field: 'no', condition: 'equals', value: 'x' }],
      [{ field: 'subject', condition: 'matches', value: 'a.*' }],
    ] as const
    for (const where of refused)
      await expect(chief.list.csv({ list: 'sign', where })).rejects.toMatchObject(failure('malformed'))
  })

  it('go over many pages and spans of ids, each row once, and can be left in the middle', async () => {
    const { db } = made.world.it
    // Copies of one order, some of them far away from the others.
    await transaction(db, async (db) => {
      const row = await withTables<never>(db)
      await sql`insert into sign_requests (${columnsIn()}) ${db.dialect === 'postgres' ? sql`overriding system value` : sql``}
        select ${copied(db.dialect)}`.execute(row)
    })
    while (!(await followSearch(db, 1_000)));
    const draft: CsvDraft = { list: 'sign', where: [{ field: 'status', condition: 'equals', value: 'requested' }] }
    const ids = (await read(made.world.core.as(system('test')), draft)).map(({ id }) => Number(id))
    expect(ids.length).toBe(1 + 1_300)
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => b - a))
    const parts = await chief.list.csv(draft)
    let n = 0
    for await (const _ of parts) if (++n === 2) break
    expect(n).toBe(2)
  })

  const fields =
    'id uuid organization_id profile_id authority_id status revision action protocol origin_ref origin_generation requester requester_key source_address csr spki_hash wanted findings renews_id attempt last_error reason answered created_at updated_at expires_at ended_at'.split(
      ' ',
    )
  const columnsIn = () => sql.join(fields.map((name) => sql.ref(name)))
  const copied = (dialect: string) => {
    const cells = fields.map((name) => {
      if (name === 'id') return sql`o.id + 1000 + (n.n * 97)`
      if (name === 'uuid') return sql`'copy ' || n.n`
      if (name === 'origin_ref') return sql`null`
      return sql.ref(`o.${name}`)
    })
    const numbers =
      dialect === 'postgres'
        ? sql`(select generate_series(1, 1300) as n) n`
        : sql`(with recursive n(n) as (select 1 union all select n + 1 from n where n < 1300) select n from n) n`
    return sql`${sql.join(cells)} from (select * from sign_requests where status = 'requested') o cross join ${numbers}`
  }
})
