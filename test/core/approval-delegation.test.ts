import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDelegations } from '../../src/core/approval/delegations.ts'
import { asRequester, changeUser, type User } from '../../src/core/identity/identity.ts'
import { removeRoleMember } from '../../src/core/identity/role.ts'
import type { Installation } from '../../src/core/installation.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { account, createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'
import { failure } from '../helpers/people.ts'

const day = 86_400_000
const later = (days: number) => new Date(start.getTime() + days * day)

describe.each(databases)('delegation of votes on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let count = 0

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
  })
  beforeEach(() => {
    world.clock.now = start
  })
  afterAll(() => database.close())

  const person = (more = {}) => world.user(`person${++count}`, more)
  const people = (many: number) => Promise.all(Array.from({ length: many }, () => person()))
  const door = (who: User | Requester) => {
    const it = { db: world.db, clock: () => world.clock.now } as Installation
    return createDelegations({ it, requester: 'kind' in who ? who : asRequester(who) })
  }
  const delegate = (from: User, to: User, more = {}) => door(from).create({ to: to.name, until: later(10), ...more })
  const ask = (users: User[], quorum = 1, requester = account()) => {
    const step = { users: users.map(({ name }) => name), roles: [], owner: false, quorum, expires: '30d' }
    return world.ask({ rule: { require: [step] }, requester })
  }
  const refused = failure('forbidden', /not among those/)

  test('the delegate votes for who delegated, and the vote says so', async () => {
    const [a, d, other] = (await people(3)) as [User, User, User]
    const asked = await ask([a])
    await expect(world.as(d).review('sign', asked.id)).rejects.toMatchObject(failure('forbidden'))
    const made = await delegate(a, d, { reason: 'on holiday' })
    expect(made).toMatchObject({
      delegator: a.name,
      delegate: d.name,
      profile: null,
      reason: 'on holiday',
      endedAt: null,
    })
    expect((await world.as(d).review('sign', asked.id)).mayApprove).toEqual([a.name, d.name].sort())
    expect(await world.vote(d, asked)).toEqual({ status: 'signing' })
    expect((await world.as(a).review('sign', asked.id)).votes).toMatchObject([{ user: d.name, for: a.name }])
    const [event] = (await world.audited('vote.approve')).slice(-1)
    expect(JSON.parse(event?.details ?? '')).toMatchObject({ user: d.name, for: a.name })
    expect(await door(d).list()).toEqual([made])
    expect(await door(a).list()).toEqual([made])
    expect(await door(other).list()).toEqual([])
  })

  test('also where a role names him, or he is the owner', async () => {
    const [a, d] = (await people(2)) as [User, User]
    const role = await world.role('delegators', [a])
    await delegate(a, d)
    await door(world.owner).create({ to: d.name, until: later(1) })
    const byRole = { users: [], roles: ['delegators'], owner: false, quorum: 1, expires: '2d' }
    const asked = await world.ask({ rule: { require: [byRole] } })
    const lost = await world.ask({ rule: { require: [byRole] } })
    expect(await world.vote(d, asked)).toEqual({ status: 'signing' })
    await transaction(world.db, (db) => removeRoleMember(db, world.change(), { role, userId: a.id }))
    await expect(world.vote(d, lost)).rejects.toMatchObject(refused)
    expect(
      await world.vote(d, await world.ask({ rule: { require: [{ ...byRole, roles: [], owner: true }] } })),
    ).toEqual({
      status: 'signing',
    })
  })

  test('holds from its beginning to its end, and only where it was made for', async () => {
    const [a, d] = (await people(2)) as [User, User]
    const asked = await ask([a])
    await delegate(a, d, { from: later(2), until: later(4), profile: 'web', authority: 'issuing' })
    await expect(world.vote(d, asked)).rejects.toMatchObject(refused)
    world.clock.now = later(4)
    await expect(world.vote(d, asked)).rejects.toMatchObject(refused)
    world.clock.now = later(3)
    // A revocation without a profile is none of the profile's.
    const step = { users: [a.name], roles: [], owner: false, quorum: 1, expires: '2d' }
    const revocation = await world.askRevoke({ rule: { require: [step] } }, 77)
    await expect(world.vote(d, revocation)).rejects.toMatchObject(refused)
    expect(await world.vote(d, asked)).toEqual({ status: 'signing' })
  })

  test('passes on to nobody: a delegate’s delegate gets nothing', async () => {
    const [a, b, c] = (await people(3)) as [User, User, User]
    await delegate(a, b)
    await delegate(b, c)
    await expect(world.vote(c, await ask([a]))).rejects.toMatchObject(refused)
  })

  test('gives nothing to who is behind the request, and nothing of who is', async () => {
    const [a, d] = (await people(2)) as [User, User]
    await delegate(a, d)
    const byDelegate = await ask([a], 1, account([d], 'of the delegate'))
    await expect(world.vote(d, byDelegate)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
    expect((await world.as(a).review('sign', byDelegate.id)).mayApprove).toEqual([a.name])
    const byDelegator = await ask([a], 1, account([a], 'of the delegator'))
    await expect(world.vote(d, byDelegator)).rejects.toMatchObject(refused)
    const asked = await world.as(a).review('sign', byDelegator.id)
    expect(asked.mayApprove).toEqual([])
    const admin = await person({ admin: true })
    await delegate(admin, d)
    const overridden = world.vote(d, byDelegator, { override: true, reason: 'for the administrator' })
    await expect(overridden).rejects.toMatchObject(failure('forbidden', /only an administrator/))
  })

  test('one person counts once however many he stands for', async () => {
    const [a, b, d] = (await people(3)) as [User, User, User]
    await delegate(a, d)
    await delegate(b, d)
    const asked = await ask([a, b], 2)
    expect(await world.vote(d, asked)).toEqual({ status: 'requested' })
    await expect(world.vote(d, asked)).rejects.toMatchObject(failure('conflict'))
    const [vote] = (await world.as(a).review('sign', asked.id)).votes
    const [voted, open] = vote?.for === a.name ? [a, b] : [b, a]
    await expect(world.vote(voted, asked)).rejects.toMatchObject(failure('conflict', /this voice was given/))
    expect(await world.vote(open, asked)).toEqual({ status: 'signing' })
  })

  test('who is named himself votes for himself, and a voice is not given twice', async () => {
    const [a, b] = (await people(2)) as [User, User]
    await delegate(a, b)
    const asked = await ask([a, b], 2)
    expect(await world.vote(b, asked)).toEqual({ status: 'requested' })
    expect((await world.as(a).review('sign', asked.id)).votes[0]?.for).toBeUndefined()
    expect(await world.vote(a, asked)).toEqual({ status: 'signing' })
    const alone = await ask([a], 2)
    expect(await world.vote(b, alone)).toEqual({ status: 'requested' })
    await expect(world.vote(a, alone)).rejects.toMatchObject(failure('conflict'))
  })

  test('delegate and delegator at once: one voice', async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b, d] = (await people(3)) as [User, User, User]
      await delegate(a, d)
      const asked = await ask([a, b], 2)
      const calls =
        round % 2 ? [world.vote(a, asked), world.vote(d, asked)] : [world.vote(d, asked), world.vote(a, asked)]
      const settled = await Promise.allSettled(calls)
      expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      for (const one of settled) if (one.status === 'rejected') expect(one.reason).toMatchObject(failure('conflict'))
      expect(await world.status('sign', asked.id)).toBe('requested')
      expect(await world.vote(b, asked)).toEqual({ status: 'signing' })
    }
  })

  test('a vote counts no more when its delegation was ended or is over, or its delegator is disabled', async () => {
    const ends = [
      async (a: User, uuid: string) => void (await door(a).end(uuid)),
      async () => {
        world.clock.now = later(11)
      },
      async (a: User) =>
        void (await transaction(world.db, (db) => changeUser(db, world.change(), a.id, { enabled: false }))),
    ]
    for (const end of ends) {
      world.clock.now = start
      const [a, b, c, d] = (await people(4)) as [User, User, User, User]
      const { uuid } = await delegate(a, d)
      const asked = await ask([a, b, c], 2)
      await world.vote(d, asked)
      await end(a, uuid)
      expect(await world.vote(b, asked)).toEqual({ status: 'requested' })
      expect(await world.vote(c, asked)).toEqual({ status: 'signing' })
    }
  })

  test('when it was ended, its delegator may vote himself', async () => {
    const [a, b, d] = (await people(3)) as [User, User, User]
    const { uuid } = await delegate(a, d)
    const asked = await ask([a, b], 2)
    await world.vote(d, asked)
    await door(a).end(uuid)
    expect(await world.vote(a, asked)).toEqual({ status: 'requested' })
    expect(await world.vote(b, asked)).toEqual({ status: 'signing' })
  })

  test('is ended by who made it or an administrator, once; and by nobody else', async () => {
    const [a, d, other] = (await people(3)) as [User, User, User]
    const chief = await person({ admin: true })
    const stranger = await person({ admin: true, elsewhere: true })
    const { uuid } = await delegate(a, d)
    await expect(door(d).end(uuid)).rejects.toMatchObject(failure('forbidden', /ended by who made it/))
    for (const one of [other, stranger])
      await expect(door(one).end(uuid)).rejects.toMatchObject(failure('notFound', /^there is no such delegation$/))
    await expect(door(chief).end('00000000-0000-7000-8000-000000000000')).rejects.toMatchObject(failure('notFound'))
    expect((await door(chief).end(uuid)).endedAt).toEqual(start)
    await expect(door(a).end(uuid)).rejects.toMatchObject(failure('conflict', /ended already/))
    expect((await door(chief).list()).some((one) => one.uuid === uuid)).toBe(true)
    expect((await door(stranger).list()).some((one) => one.uuid === uuid)).toBe(false)
    expect((await world.audited('delegation.ended')).at(-1)).toMatchObject({ subject_kind: 'delegation' })
  })

  test('is made only by a person, of his own votes, to another of his organization, for a time', async () => {
    const [a, d] = (await people(2)) as [User, User]
    const stranger = await person({ elsewhere: true })
    for (const nobody of [system('cli'), account([a])])
      await expect(door(nobody).create({ to: d.name, until: later(1) })).rejects.toMatchObject(failure('forbidden'))
    for (const to of [stranger.name, 'nobody'])
      await expect(door(a).create({ to, until: later(1) })).rejects.toMatchObject(
        failure('notFound', /there is no user/),
      )
    const bad = [{ to: a.name }, { until: start }, { from: later(3), until: later(2) }, { until: later(400) }]
    for (const more of [...bad, { reason: 'x'.repeat(501) }, { reason: 'a\u0007' }])
      await expect(delegate(a, d, more)).rejects.toMatchObject(failure('malformed'))
    for (const more of [{ profile: 'none' }, { authority: 'none' }])
      await expect(delegate(a, d, more)).rejects.toMatchObject(failure('notFound'))
    const scope = { capabilities: ['approve'] } as const
    const token = { ...asRequester(a), kind: 'token', scope } as const
    await expect(door(token).create({ to: d.name, until: later(1) })).rejects.toMatchObject(
      failure('forbidden', /scope/),
    )
  })
})
