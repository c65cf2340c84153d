import { CompiledQuery } from 'kysely'
import { expect, test } from 'vitest'
import { inside } from '../../src/db/handle.ts'
import { fillPostgres, postgresOccupancy } from '../../src/db/loadPostgres.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { databases } from '../helpers/databases.ts'

const postgres = databases.find(({ name }) => name === 'postgres') as (typeof databases)[number]

test('a server that connects while its database is filled keeps what it has', async () => {
  const { url, close } = await postgres.openEmpty()
  let server: Database | undefined
  try {
    const filled = fillPostgres({
      url,
      migrations: [],
      replace: true,
      fill: async () => {
        server = openDatabase(url)
        await server[inside].run(CompiledQuery.raw('select 1'))
      },
      prove: async () => {},
    })
    await expect(filled).rejects.toThrow(/a server has connected.*stop every/)
    expect(await postgresOccupancy(url)).toMatchObject({ tables: 0, servers: 1 })
  } finally {
    if (server) await closeDatabase(server)
    await close()
  }
})
