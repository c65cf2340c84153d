import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import type { CmpTables } from '../../protocols/cmp/tables.ts'
import { storeConfirmation, storeEnd } from '../../protocols/cmp/transaction.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { statusOf, useCmpApp } from '../helpers/cmpApp.ts'
import { certConf } from '../helpers/cmpClient.ts'
import { ecKey } from '../helpers/csrs.ts'

const used = useCmpApp()
const hour = 3_600_000

it('a transaction that joined another may confirm for as long as it was told', async () => {
  const { app } = used
  const [key, mac] = [ecKey(), await app.secret()]
  const send = (transactionId: Buffer) => app.ir({ dns: 'joined.example', key }, { mac, transactionId })
  const [one, two] = [randomBytes(16), randomBytes(16)]
  for (const transactionId of [one, two]) expect((await send(transactionId)).status).toBe('waiting')
  await app.vote()
  await send(one)
  app.world.time.pass(23 * hour)
  const { header, certificate = Buffer.alloc(0) } = await send(two)
  app.world.time.pass(2 * hour)
  await app.work()
  const sent = { mac, transactionId: two, recipNonce: header.senderNonce ?? Buffer.alloc(0) }
  expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
    type: 'pkiconf',
  })
  expect(await statusOf(app, certificate)).toBe('issued')
})

it('a transaction that is stored after its certificate was confirmed or rejected changes neither', async () => {
  const { db } = used.app.world.it
  const row = {
    ...{ place: 'p', signer: null, body: 'ir', content: 'c', certificate: null, reason: null, implicit: 0 as const },
    ...{ confirm_until: null, confirmed_at: null, rejected_at: null, created_at: 1 },
  }
  const store = (ref: string, origin: string, more = {}) =>
    transaction(db, (db) =>
      withTables<CmpTables>(db)
        .insertInto('cmp_transactions')
        .values({ ...row, ref, origin, ...more })
        .execute(),
    )
  const at = new Date(10)
  await store('confirmed', 'one', { confirmed_at: 1 })
  await store('late', 'one')
  expect(await transaction(db, (db) => storeEnd(db, { content: 'c', origin: 'one' }, at))).toBe(false)
  await store('rejected', 'two', { rejected_at: 1 })
  await store('later', 'two')
  expect(await transaction(db, (db) => storeConfirmation(db, { content: 'c', origin: 'two' }, at))).toBe(false)
})
