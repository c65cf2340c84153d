import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scep as adapter } from '../../protocols/scep/index.ts'
import { forgetTransactions, oldRows } from '../../protocols/scep/retention.ts'
import type { ScepTables } from '../../protocols/scep/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { queryPlan } from '../helpers/queryPlan.ts'
import { auto, createScepApp, type ScepApp } from '../helpers/scepApp.ts'
import { device, issuerAndSubject, leafOf } from '../helpers/scepClient.ts'

const day = 86_400_000

describe.each(databases)('SCEP transactions that ended long ago, on $name', ({ open }) => {
  let app: ScepApp
  let db: Database
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, close } = await open())
    app = await createScepApp(db)
    const slow = [{ name: 'a person looks', require: [{ users: ['approver'], expires: '365d' }] }]
    await app.save('slow', {}, { rules: { issue: slow } })
    await app.save('quick', {}, { rules: { issue: auto } })
  })
  afterAll(async () => {
    await app.close()
    await close()
  })

  const enrol = (profile: string, cn: string, transactionId = cn) =>
    app.enrol(device('retention'), { subject: { CN: cn }, profile, transactionId })
  const poll = (profile: string, transactionId: string) => {
    const data = issuerAndSubject({ CN: 'x' }, { CN: transactionId })
    return app.send({ type: 'CertPoll', data, by: device('retention'), transactionId, profile })
  }
  const stored = async () =>
    (await withTables<ScepTables>(db).selectFrom('scep_transactions').select('ref').execute()).length
  const forget = async () => {
    for (const chore of adapter.chores?.(app.host) ?? []) await chore.run()
  }

  it('what was issued can be fetched for 90 days, and then is badCertId; what waits stays, however long that takes', async () => {
    const before = await stored()
    const { serial } = leafOf(await enrol('quick', 'issued.example.org'))
    expect((await enrol('slow', 'waits.example.org')).pkiStatus).toBe('PENDING')
    app.world.time.pass(89 * day)
    await forget()
    expect(leafOf(await poll('quick', 'issued.example.org')).serial).toBe(serial)
    app.world.time.pass(2 * day)
    await forget()
    expect(await poll('quick', 'issued.example.org')).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
    expect((await poll('slow', 'waits.example.org')).pkiStatus).toBe('PENDING')
    app.world.time.pass(100 * day)
    await forget()
    expect((await poll('slow', 'waits.example.org')).pkiStatus).toBe('PENDING')
    expect((await enrol('slow', 'waits.example.org', 'a recovery')).pkiStatus, 'joins it').toBe('PENDING')
    expect(await stored()).toBe(before + 2)
    await app.vote()
    expect((await poll('slow', 'waits.example.org')).pkiStatus).toBe('SUCCESS')
  })

  it('a denial is told for 90 days', async () => {
    await enrol('slow', 'denied.example.org')
    await app.vote({ verdict: 'deny', reason: 'sold' })
    app.world.time.pass(89 * day)
    await forget()
    expect(await poll('slow', 'denied.example.org')).toMatchObject({ failInfo: 'badRequest', text: 'sold' })
    app.world.time.pass(2 * day)
    await forget()
    expect(await poll('slow', 'denied.example.org')).toMatchObject({ failInfo: 'badCertId' })
  })

  it('one transactionID for ever: the row is kept for what it is about now', async () => {
    await enrol('quick', 'one.example.org', 'constant')
    app.world.time.pass(91 * day)
    const { serial } = leafOf(await enrol('quick', 'two.example.org', 'constant'))
    await forget()
    expect(leafOf(await poll('quick', 'constant')).serial).toBe(serial)
  })

  it('after it was forgotten the same request is a new one', async () => {
    const { serial } = leafOf(await enrol('quick', 'again.example.org'))
    app.world.time.pass(91 * day)
    await forget()
    const again = await enrol('quick', 'again.example.org')
    expect(leafOf(again).serial).not.toBe(serial)
    expect(leafOf(await poll('quick', 'again.example.org')).serial).toBe(leafOf(again).serial)
  })

  it('some at a time, past those that stay', async () => {
    app.world.time.pass(91 * day)
    await forget()
    await enrol('slow', 'stays.example.org')
    for (const at of [1, 2, 3, 4]) {
      app.world.time.pass(1_000)
      await enrol('quick', `slice${at}.example.org`)
    }
    app.world.time.pass(91 * day)
    const before = await stored()
    const looks: number[] = []
    let look = await forgetTransactions(app.host, undefined, 2)
    const beginning = (await forgetTransactions(app.host, { created_at: Number.MAX_SAFE_INTEGER, ref: '' }, 2)).next
    for (looks.push(look.forgotten); look.next !== beginning; looks.push(look.forgotten))
      look = await forgetTransactions(app.host, look.next, 2)
    expect(Math.max(...looks)).toBe(2)
    expect(await stored()).toBe(before - 4)
    expect((await poll('slow', 'stays.example.org')).pkiStatus).toBe('PENDING')
  })
})

it('is found by an index', async () => {
  const { db, url, close } = (await databases.find(({ name }) => name === 'sqlite')?.open()) ?? {}
  if (!db || !url || !close) throw new Error('no SQLite')
  const query = oldRows(withTables<ScepTables>(db), { created_at: 5, ref: 'a' }, 10, 200)
  expect(queryPlan(url, query.compile())).toEqual([
    expect.stringMatching(/^SEARCH scep_transactions USING .*INDEX scep_transactions_by_created_at_ref/),
  ])
  await close()
})
