import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { settleTrouble } from '../../src/core/issuance/trouble.ts'
import { findSession, openSession } from '../../src/core/login/session.ts'
import { createToken, findToken } from '../../src/core/login/token.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { resumeSigning } from '../../src/core/upkeep/resume.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, newCsr, openWorld, type World } from '../helpers/world.ts'

/** Two nodes over one PostgreSQL, in one process: each with a handle, caches and a name of its own. */
let one: World
let other: World
let close: () => Promise<void>

beforeAll(async () => {
  const opened = await databases.find(({ name }) => name === 'postgres')?.open()
  if (!opened) throw new Error('no PostgreSQL')
  const second = openDatabase(opened.url)
  const secret = randomBytes(32)
  // Both make the first start at once.
  ;[one, other] = await Promise.all([openWorld(opened.db, secret), openWorld(second, secret)])
  close = async () => {
    await closeDatabase(second)
    await opened.close()
  }
})
afterAll(() => close())

const tables = (db: Database) => withTables<CoreTables>(db)

async function admin(world: World) {
  const user = await findUser(world.it.db, { name: 'admin' })
  if (!user) throw new Error('no administrator')
  return user
}

async function order({ core }: World, name: string) {
  const door = core.as(acmeAccount())
  const profile = await door.profile('default', 'acme')
  const validated = [{ type: 'dns', value: name }] as const
  const csr = await newCsr([name])
  return door.sign({ profile, protocol: 'acme', action: 'issue', csr, validated, refusal: 'throw' })
}

it('one of them made the installation', async () => {
  expect([one, other].filter(({ setupSecret }) => setupSecret !== '')).toHaveLength(1)
  const authorities = await tables(one.it.db).selectFrom('authorities').select('name').orderBy('id').execute()
  expect(authorities.map(({ name }) => name)).toEqual(['root', 'issuing'])
})

it('what both find wrong at once is one alert', async () => {
  const subject = { kind: 'authority', id: 1 } as const
  const raise = ({ it }: World) =>
    transaction(it.db, (db) =>
      raiseAlert(db, it.clock(), { kind: 'nodes', organizationId: null, subject, detail: 'x' }),
    )
  await Promise.all(Array.from({ length: 8 }, (_, at) => raise(at % 2 === 0 ? one : other)))
  expect(await tables(one.it.db).selectFrom('alerts').select('id').where('kind', '=', 'nodes').execute()).toHaveLength(
    1,
  )
})

it('a token that one revokes, a session that it ends and a user whom it disables are nobody to the other from its next request on', async () => {
  const user = await admin(one)
  const change = { actor: asRequester(user), at: one.time.now }
  const { text, uuid } = await transaction(one.it.db, (db) =>
    createToken(db, change, { userId: user.id, name: 'nodes' }),
  )
  const { secret } = await openSession(one.it, user, { method: 'password', place: {} })
  expect(await findToken(other.it.db, text, other.time.now)).toMatchObject({ ref: uuid })
  expect(await findSession(other.it, secret)).toMatchObject({ name: 'admin' })
  await one.core.as(asRequester(user)).admin.revokeToken(uuid)
  expect(await findToken(other.it.db, text, other.time.now)).toBeUndefined()
  await transaction(one.it.db, (db) =>
    tables(db).updateTable('users').set({ enabled: 0 }).where('id', '=', user.id).execute(),
  )
  expect(await findSession(other.it, secret)).toBeUndefined()
  await transaction(one.it.db, (db) =>
    tables(db).updateTable('users').set({ enabled: 1 }).where('id', '=', user.id).execute(),
  )
})

it('a profile that one changes is what the other’s next order goes by, also where that had it in memory', async () => {
  await one.save('changing', { settings: {} })
  await other.profile('changing')
  await one.save('changing', { settings: { certificate: { names: { dns: ['.example.org'] } } } })
  expect((await other.profile('changing')).settings.certificate.names.dns).toEqual(['.example.org'])
})

it('an order whose node died while it signed is signed by the other when the lease has run out, once', async () => {
  const { request } = await order(one, 'dying.localhost')
  // As it stands when the process ends between its two transactions.
  await transaction(one.it.db, async (db) => {
    await tables(db).deleteFrom('certificates').where('id', '=', request.id).execute()
    await tables(db).updateTable('sign_requests').set({ status: 'signing' }).where('id', '=', request.id).execute()
  })
  expect(await resumeSigning(other.it)).toBe(0)
  other.time.pass(31_000)
  one.time.pass(31_000)
  const resumed = await Promise.all([resumeSigning(one.it), resumeSigning(other.it)])
  expect(Math.max(...resumed)).toBe(1)
  const made = await tables(one.it.db)
    .selectFrom('certificates')
    .select('serial')
    .where('id', '=', request.id)
    .execute()
  expect(made).toHaveLength(1)
  const attempts = await tables(one.it.db)
    .selectFrom('sign_attempts')
    .select('serial')
    .where('sign_request_id', '=', request.id)
    .execute()
  expect(new Set(attempts.map(({ serial }) => serial)).size).toBe(attempts.length)
})

it('an outage of the database ends no order, however often it comes', async () => {
  const { it: installation } = one
  const { request } = await order(one, 'outage.localhost')
  const attempt = { number: 9, serial: '09', shard: 0, leaseUntil: one.time.now.getTime() + 30_000, issuer: 1 }
  await transaction(installation.db, async (db) => {
    await tables(db).deleteFrom('certificates').where('id', '=', request.id).execute()
    const signing = { status: 'signing', attempt: attempt.number }
    await tables(db).updateTable('sign_requests').set(signing).where('id', '=', request.id).execute()
  })
  const left = await settleTrouble(installation, request, attempt, new DatabaseUnavailable('it was gone'))
  expect(left.status).toBe('signing')
  expect((await settleTrouble(installation, request, attempt, new Error('a bug'))).status).toBe('failed')
})
