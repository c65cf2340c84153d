import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { auto, type CmpApp, createCmpApp, ordered, statusOf, waits } from '../helpers/cmpApp.ts'
import { certConf } from '../helpers/cmpClient.ts'
import { ecKey } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { expectDecided } from '../helpers/decided.ts'
import { until } from '../helpers/until.ts'

const [HOUR, DAY] = [3_600_000, 86_400_000]

/** What several nodes do at the same moment: each waits in its transaction until a lock is given back. */
describe.each(databases.filter(({ name }) => name === 'postgres'))('CMP at the same moment, on $name', ({ open }) => {
  let app: CmpApp
  let holder: pg.Client
  let looker: pg.Client
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    app = await createCmpApp(opened.db)
    holder = new pg.Client({ connectionString: opened.url })
    looker = new pg.Client({ connectionString: opened.url })
    for (const client of [holder, looker]) await client.connect()
    close = async () => {
      for (const client of [holder, looker]) await client.end()
      await app.close()
      await expectDecided(opened.db)
      await opened.close()
    }
  })
  afterAll(() => close())

  async function waiting(): Promise<number> {
    const { rows } = await looker.query(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows[0].n
  }

  /** Holds a lock until so many wait for it, or all that was begun is done. */
  async function held<T>(lock: string, begin: ((at: number) => Promise<T>)[]): Promise<T[]> {
    await holder.query('begin')
    await holder.query(lock)
    const begun: Promise<T>[] = []
    let ended = 0
    try {
      for (const [at, one] of begin.entries()) {
        begun.push(one(at).finally(() => ended++))
        await until(`${at + 1} at work`, async () => ((await waiting()) + ended > at ? true : undefined), { every: 5 })
      }
    } finally {
      await holder.query('commit')
    }
    return Promise.all(begun)
  }
  const noWrites = 'lock table cmp_transactions in share mode'
  const noConfirmation = 'select ref from cmp_transactions for update'

  it('the same order in several transactions is one order, whichever comes first', async () => {
    const [key, mac] = [ecKey(), await app.secret()]
    const before = await app.count()
    const transactions = [1, 2, 3].map(() => randomBytes(16))
    const ask = (at: number) =>
      app.ir({ dns: 'once.example', key }, { mac, transactionId: transactions[at] ?? randomBytes(16) })
    const begun = transactions.map(() => ask)
    expect((await held(noWrites, begun)).map(({ status }) => status)).toEqual(['waiting', 'waiting', 'waiting'])
    expect(await app.count()).toBe(before + 1)
    await app.vote()
    const given = await Promise.all(transactions.map((_, at) => ask(at)))
    expect(new Set(given.map(({ certificate }) => certificate?.toString('hex'))).size).toBe(1)
  })

  it('who joins an order that ends meanwhile stands in no later one’s way, whatever the clocks say', async () => {
    const [key, mac] = [ecKey(), await app.secret()]
    const ask = () => app.ir({ dns: 'ends.example', key }, { mac, transactionId: randomBytes(16) })
    expect((await ask()).status).toBe('waiting')
    const join = () => {
      app.world.time.pass(HOUR)
      return ask()
    }
    const another = async () => {
      await app.vote({ verdict: 'deny', reason: 'not this one' })
      app.world.time.pass(-HOUR)
      return ask()
    }
    await held(noWrites, [join, another])
    const before = await app.count()
    expect((await ask()).status).toBe('waiting')
    expect(await app.count()).toBe(before)
  })

  it('a secret that is good once is used once by them, and each is answered', async () => {
    const [key, mac] = [ecKey(), await app.secret({ singleUse: true })]
    const ask = () => app.ir({ dns: 'single.example', key }, { mac, transactionId: randomBytes(16) })
    const answers = await held(noWrites, [ask, ask])
    expect(answers.map(({ status }) => status)).toEqual(['waiting', 'waiting'])
  })

  it('where nobody is asked, each gets a certificate, at once or when it asks again', async () => {
    const [key, mac] = [ecKey(), await app.secret({ dns: ['known.example'] })]
    const transactions = [1, 2].map(() => randomBytes(16))
    const ask = (at: number) =>
      app.ir({ dns: 'known.example', key }, { mac, transactionId: transactions[at] ?? randomBytes(16) })
    const [first, second] = await held(noWrites, [ask, ask])
    expect(first?.status).toBe('accepted')
    expect(second?.status).toMatch(/^(accepted|waiting)$/)
    for (const at of [0, 1]) expect((await ask(at)).status).toBe('accepted')
  })

  it.each([
    ['confirmation', auto],
    ['job', auto],
    ['confirmation', waits],
    ['job', waits],
  ])('a confirmation in time and its end: one of them holds, the %s first', async (first, revoke) => {
    await app.save('looked', {}, { rules: { issue: auto, renew: auto, rekey: auto, revoke, export: [] } })
    const { certificate, sent } = await ordered(app, `${first}.example`, { profile: 'looked' })
    app.world.time.pass(DAY - 5_000)
    const confirmation = async () =>
      (await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).type
    // The job's node has a clock that is ahead of the other's.
    const job = async () => {
      app.world.time.pass(10_000)
      await app.work()
      app.world.time.pass(-10_000)
      return undefined
    }
    const order = first === 'job' ? [job, confirmation] : [confirmation, job]
    const answered = (await held<unknown>(noConfirmation, order)).includes('pkiconf')
    app.world.time.pass(10_000)
    await app.work()
    const open = withTables<CoreTables>(app.world.it.db).selectFrom('revoke_requests').where('status', '=', 'requested')
    const asked = (await open.select('id').execute()).length
    expect(answered).toBe(first === 'confirmation')
    expect(await statusOf(app, certificate)).toBe(answered || revoke === waits ? 'issued' : 'revoked')
    expect(asked).toBe(!answered && revoke === waits ? 1 : 0)
  })
})
