import type { Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { type Database, statementCount } from '../../../src/db/open.ts'
import { statement, withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

type Row = { name: string; amount?: number; content?: Buffer | null }

const insertItem = statement((tables: Kysely<TestTables>, row: Row) =>
  tables.insertInto('items').values(row).returning(['id', 'state', 'amount', 'content']),
)
const richer = statement((tables: Kysely<TestTables>, amount: number, state: string) =>
  tables.selectFrom('items').select('name').where('amount', '>', amount).where('state', '=', state).orderBy('name'),
)
const setAmount = statement((tables: Kysely<TestTables>, amount: number, name: string) =>
  tables.updateTable('items').set({ amount }).where('name', '=', name),
)

describe.each(databases)('statements that are built once, on $name', ({ openEmpty }) => {
  let db: Database
  let remove: () => Promise<void>
  beforeAll(async () => {
    const opened = await openEmpty()
    db = opened.db
    remove = opened.close
    await migrate(db, testMigrations)
  })
  afterAll(() => remove())
  beforeEach(() => transaction(db, (db) => withTables<TestTables>(db).deleteFrom('items').execute()))

  const insert = async (row: Row) => {
    const [stored] = (await transaction(db, (db) => insertItem(db, row))).rows
    return stored
  }

  it('takes other values at each use, in the places where they stood', async () => {
    for (const [name, amount] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const)
      await insert({ name, amount })
    expect((await richer(db, 1, 'open')).rows).toEqual([{ name: 'b' }, { name: 'c' }])
    expect((await richer(db, 2, 'open')).rows).toEqual([{ name: 'c' }])
    expect((await richer(db, 0, 'closed')).rows).toEqual([])
  })

  it('is another statement for a row with other columns: none is lost', async () => {
    expect(await insert({ name: 'a' })).toMatchObject({ amount: 0, content: null })
    expect(await insert({ name: 'b', amount: 7 })).toMatchObject({ amount: 7, content: null })
    expect(await insert({ content: Buffer.of(1, 2), name: 'c' })).toMatchObject({ content: Buffer.of(1, 2) })
    expect(await insert({ name: 'd', content: null })).toMatchObject({ content: null })
  })

  it('tells how many rows it changed', async () => {
    await insert({ name: 'a' })
    expect((await transaction(db, (db) => setAmount(db, 5, 'a'))).changed).toBe(1)
    expect((await transaction(db, (db) => setAmount(db, 5, 'nobody'))).changed).toBe(0)
  })

  it('counts, and belongs to the transaction whose handle it is given', async () => {
    const before = statementCount(db).statements
    await expect(
      transaction(db, async (db) => {
        await insertItem(db, { name: 'undone' })
        throw new Error('on purpose')
      }),
    ).rejects.toThrow('on purpose')
    expect((await richer(db, -1, 'open')).rows).toEqual([])
    expect(statementCount(db).statements).toBe(before + 2)
  })

  it('refuses what neither database stores alike, a missing column among it', async () => {
    await expect(insert({ name: 'a\0b' })).rejects.toThrow('U+0000')
    await expect(insert({ name: 'a', amount: undefined } as unknown as Row)).rejects.toThrow('undefined')
    await expect(richer(db, Number.NaN, 'open')).rejects.toThrow('NaN')
  })

  it('cannot write outside a transaction, nor run after one', async () => {
    await expect(insertItem(db, { name: 'outside' })).rejects.toThrow()
    const late = await transaction(db, async (db) => db)
    await expect(richer(late, 0, 'open')).rejects.toThrow('after the transaction had ended')
    await transaction(db, async () => {
      await expect(richer(db, 0, 'open')).rejects.toThrow('inside a transaction')
    }).catch(() => {})
  })
})
