import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { useFastpkiApp } from '../helpers/fastpkiApp.ts'

const used = useFastpkiApp()

describe('an authority whose making fails', () => {
  it.each(['fastpki_authorities', 'ra_profiles'])(
    'at %s is none, and is made when it is asked for again',
    async (table) => {
      const { app } = used
      const { db } = app.world.it
      const run = (text: string) => transaction(db, (db) => sql.raw(text).execute(withTables(db)))
      const name = `Half ${table}`
      const body = { name, subject_dn: `CN=${name}`, key_size: 2048 }
      const ask = () => app.call('post', '/cas/', { body, by: app.admin })
      const named = async () =>
        (await app.call('get', '/cas/', { by: app.admin })).json.filter(({ subject_dn }: { subject_dn: string }) =>
          subject_dn.includes(name),
        )
      await run(`create trigger fails before insert on ${table} begin select raise(abort, 'no room'); end`)
      const failed = await ask()
      await run('drop trigger fails')
      expect(failed.status).toBe(500)
      expect(await named()).toEqual([])
      expect((await ask()).status).toBe(201)
      expect(await named()).toMatchObject([{ name, allow_leaf_certs: true }])
    },
  )
})

it('a name that another organization has costs no second certificate of the authority', async () => {
  const { app } = used
  const chief = await app.person('chief', { admin: true, capabilities: ['create_ca', 'manage', 'create_cert', 'read'] })
  const make = (name: string, by: typeof chief, more = {}) =>
    app.call('post', '/cas/', { body: { name, subject_dn: `CN=${name}`, key_size: 2048, ...more }, by })
  const root = await make('mine', chief)
  await make('taken', app.stranger)
  const tables = withTables<CoreTables>(app.world.it.db)
  const issued = async () => (await tables.selectFrom('certificates').select('id').execute()).length
  const before = await issued()
  expect((await make('taken', chief, { parent_ca_id: root.json.id })).status).toBe(201)
  expect(await issued()).toBe(before + 1)
})
