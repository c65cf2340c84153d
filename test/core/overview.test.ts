import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import type { Door } from '../../src/core/core.ts'
import { createUser } from '../../src/core/identity/identity.ts'
import { followOrders } from '../../src/core/listing/orderCounts.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const DAY = 86_400_000
const auto = [{ name: 'all', auto: true }]

describe.each(databases)('the overview on $name', ({ open }) => {
  let world: World
  let people: People
  let root: Door
  let chief: Door
  let alice: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    ;[root, chief, alice] = [people.as(people.root), people.as(people.chief), people.as(people.alice)]
    const validity = (days: number) => ({ certificate: { validity: { default: `${days}d`, max: '400d' } } })
    for (const days of [20, 45, 80, 200])
      await world.save(`for-${days}`, { settings: validity(days), rules: { issue: auto } })
    const ask = [{ name: 'both', require: [{ users: ['alice', 'chief'], quorum: 2 }, { users: ['admin'] }] }]
    await world.save('asks', { rules: { issue: ask, revoke: ask } })
    await world.save('denies', { rules: { issue: [{ name: 'no', deny: 'not here' }] } })
  })
  afterAll(() => close())
  beforeEach(async () => {
    // A new day of UTC, some hours old.
    world.time.now = new Date((Math.floor(world.time.now.getTime() / DAY) + 1) * DAY + 9_000_000)
  })

  const order = async (profile: string, door = world.core.as(acmeAccount()), protocol = 'acme') => {
    const draft = { profile: await world.profile(profile), protocol, action: 'issue', refusal: 'store' } as const
    return (await door.sign({ ...draft, csr: await newCsr([`${profile}.test`]) })).request
  }
  const sealed = async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
  }
  const waiting = async (door: Door) => (await door.overview()).waiting
  const vote = async (door: Door, id: number) => {
    const { hash } = await door.approvals.review('sign', id)
    await door.approvals.vote('sign', id, { verdict: 'approve', hash })
  }

  it('has what waits for whoever looks: by his step, not twice, not his own', async () => {
    const { id } = await order('asks')
    expect(await waiting(alice)).toMatchObject({ count: 1, atLeast: false, newest: [{ id, kind: 'sign' }] })
    expect(await waiting(root)).toEqual({ count: 0, atLeast: false, newest: [] })
    await vote(alice, id)
    expect((await waiting(alice)).count).toBe(0)
    expect((await waiting(chief)).count).toBe(1)
    expect((await waiting(people.as(people.stranger))).count).toBe(0)
    await vote(chief, id)
    expect(await waiting(root)).toMatchObject({ count: 1, newest: [{ id, requester: 'ACME account account-1' }] })
    expect((await waiting(chief)).count).toBe(0)
    const own = await order('asks', chief, 'ra')
    expect((await waiting(chief)).count).toBe(0)
    expect((await waiting(alice)).count).toBe(1)
    await chief.approvals.cancel('sign', own.id)
    expect((await waiting(alice)).count).toBe(0)
    expect((await alice.approvals.review('sign', id)).mayApprove).toEqual(['admin'])
    await vote(root, id)
    expect((await waiting(root)).count).toBe(0)
  })

  it('has what waits by a delegation, as long as that holds, and one voice once', async () => {
    const { organizationId } = people.chief
    const change = { actor: system('test'), at: world.time.now }
    const bob = await transaction(world.it.db, (db) => createUser(db, change, { name: 'bob', organizationId }))
    const { id } = await order('asks')
    expect((await waiting(people.as(bob))).count).toBe(0)
    await alice.delegations.create({ to: 'bob', until: new Date(world.time.now.getTime() + DAY), reason: 'away' })
    expect((await waiting(people.as(bob))).count).toBe(1)
    await vote(people.as(bob), id)
    expect((await waiting(people.as(bob))).count).toBe(0)
    expect((await waiting(alice)).count).toBe(0)
    const { mayApprove } = await alice.approvals.review('sign', id)
    expect(mayApprove).toEqual(['chief'])
    const other = await order('asks', world.core.as(acmeAccount('another')))
    expect((await waiting(people.as(bob))).count).toBe(1)
    world.time.pass(DAY)
    expect((await waiting(people.as(bob))).count).toBe(0)
    for (const one of [id, other.id]) await chief.approvals.markFailed('sign', one, 'cleared')
  })

  it('says at most a hundred, and that there are more', async () => {
    for (let n = 0; n < 101; n++) await order('asks', world.core.as(acmeAccount(`many-${n}`)))
    const { count, atLeast, newest } = await waiting(alice)
    expect([count, atLeast, newest.length]).toEqual([100, true, 10])
    await withdrawAll()
  })

  it('counts what ends within 30, 60 and 90 days, each with those before', async () => {
    for (const days of [20, 45, 80, 200]) await order(`for-${days}`)
    const before = await root.overview()
    expect(before.expiring).toEqual({
      30: { count: 1, atLeast: false },
      60: { count: 2, atLeast: false },
      90: expect.objectContaining({ atLeast: false }),
    })
    expect((await people.as(people.stranger).overview()).expiring?.[90].count).toBe(0)
  })

  it('counts orders by day and protocol, each event once, for who may read them', async () => {
    const day = new Date(Math.floor(world.time.now.getTime() / DAY) * DAY)
    await order('for-20')
    await order('for-20', chief, 'ra')
    await order('for-45', chief, 'ra')
    await order('denies', chief, 'ra')
    const { id } = await order('asks', chief, 'ra')
    await chief.approvals.cancel('sign', id)
    await sealed()
    await Promise.all(Array.from({ length: 5 }, () => followOrders(world.it.db, 100)))
    const today = async (door: Door) =>
      (await door.overview()).orders.filter((one) => one.day.getTime() === day.getTime() && one.protocol !== 'system')
    const expected = [
      { day, protocol: 'acme', issued: 1, failed: 0, refused: 0, canceled: 0 },
      { day, protocol: 'ra', issued: 2, failed: 0, refused: 1, canceled: 1 },
    ]
    expect(await today(root)).toEqual(expected)
    expect(await today(chief)).toEqual(expected)
    expect(await today(alice)).toEqual([])
    expect(await today(people.as(people.stranger))).toEqual([])
    const { id: profileId } = await world.profile('for-45')
    await people.give(people.alice, 'read', { profileId })
    expect(await today(alice)).toEqual([{ day, protocol: 'ra', issued: 1, failed: 0, refused: 0, canceled: 0 }])
    world.time.pass(30 * DAY)
    expect(await today(root)).toEqual([])
  })

  it('counts as often as the trail does, whoever counts at once', async () => {
    await sealed()
    await Promise.all(Array.from({ length: 4 }, () => followOrders(world.it.db, 100)))
    const tables = withTables<CoreTables>(world.it.db)
    const counted = await tables
      .selectFrom('order_counts')
      .select((eb) => eb.fn.sum<number>('n').as('n'))
      .where('status', '=', 'signed')
      .executeTakeFirstOrThrow()
    const told = await tables
      .selectFrom('audit_events')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('action', '=', 'sign_request.signed')
      .executeTakeFirstOrThrow()
    expect(Number(counted.n)).toBe(Number(told.n))
    expect(Number(told.n)).toBeGreaterThan(5)
  })

  it('counts no certificate that was uploaded or discovered: nobody ordered it here', async () => {
    const { der } = await (await foreignCa(world.time.now)).issue()
    const { id } = await chief.inventory.upload({ der })
    await order('for-20')
    await sealed()
    while (!(await followOrders(world.it.db, 100)));
    const tables = withTables<CoreTables>(world.it.db)
    const { protocol } = await tables
      .selectFrom('sign_requests')
      .select('protocol')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    const counted = await tables.selectFrom('order_counts').select(['protocol', 'day']).execute()
    expect(counted.map((row) => row.protocol)).not.toContain(protocol)
    const today = Math.floor(world.time.now.getTime() / DAY)
    expect(counted).toContainEqual({ protocol: 'acme', day: today })
  })

  it('has the authorities of the organization with their CRLs and responders, and open alerts for who administers', async () => {
    const { authorities, alerts } = await chief.overview()
    expect(authorities.length).toBeGreaterThanOrEqual(2)
    expect(authorities.map(({ lifetimes }) => lifetimes.length).some((n) => n > 0)).toBe(true)
    expect(authorities.every(({ notAfter, enabled }) => notAfter instanceof Date && enabled)).toBe(true)
    expect((await people.as(people.stranger).overview()).authorities).toEqual([])
    const { organizationId } = people.chief
    const subject = { kind: 'installation', id: null } as const
    await transaction(world.it.db, (db) =>
      raiseAlert(db, world.time.now, { kind: 'order_failed', organizationId, subject, detail: 'look' }),
    )
    expect((await chief.overview()).alerts?.count).toBe((alerts?.count ?? 0) + 1)
    expect((await alice.overview()).alerts).toBeNull()
    expect((await people.as(people.stranger).overview()).alerts).toEqual({ count: 0, atLeast: false })
  })

  it('is for people', async () => {
    await expect(world.core.as(acmeAccount()).overview()).rejects.toMatchObject(failure('forbidden'))
  })

  const withdrawAll = async () => {
    const open = await chief.list.requests({ kind: 'sign', status: 'requested', limit: 500 })
    for (const { id } of open.rows) await chief.approvals.markFailed('sign', id, 'cleared').catch(() => {})
    expect((await waiting(alice)).count).toBe(0)
  }
})
