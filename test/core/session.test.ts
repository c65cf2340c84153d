import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setPassword } from '../../src/core/login/login.ts'
import { pruneLoginFailures } from '../../src/core/login/loginGuard.ts'
import { openSession, pruneSessions } from '../../src/core/login/session.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const password = 'a password of some length'
const minute = 60_000
const place = { source: '192.0.2.7', userAgent: 'Firefox\n/1' }

describe.each(databases)('sessions on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    for (const who of ['alice', 'chief', 'root', 'stranger'] as const) await people.setPassword(people[who])
  })
  afterAll(() => close())

  const alice = 'alice'
  const log = (name = alice, given = password, from: { source?: string } = place) =>
    world.core.authentication.login(name, given, from)
  async function loggedIn(name = alice) {
    const opened = await log(name)
    if (!opened) throw new Error('no session')
    return opened
  }
  const is = async (secret: string) => (await world.core.authentication.session(secret))?.name
  const count = async (table: 'sessions' | 'login_failures') =>
    (await withTables<CoreTables>(world.it.db).selectFrom(table).selectAll().execute()).length

  test('are opened by a name and its password, and speak for the user', async () => {
    const { secret, uuid, endsAt } = await loggedIn()
    expect(secret).toMatch(/^[\w-]{43}$/)
    expect(endsAt.getTime() - world.time.now.getTime()).toBe(12 * 60 * minute)
    expect(await world.core.authentication.session(secret)).toEqual({
      kind: 'user',
      ref: people.alice.uuid,
      name: 'alice',
      people: [people.alice.id],
    })
    const [shown] = await people.as(people.alice).identities.sessions()
    expect(shown).toMatchObject({
      uuid,
      user: 'alice',
      method: 'password',
      source: '192.0.2.7',
      userAgent: 'Firefox /1',
    })
    const row = await withTables<CoreTables>(world.it.db).selectFrom('sessions').selectAll().executeTakeFirst()
    expect(JSON.stringify(row)).not.toContain(secret)
    const [event] = await audited(world, 'session.opened')
    expect(event).toMatchObject({ source_address: '192.0.2.7', details: { method: 'password' } })
    expect(JSON.stringify(event)).not.toContain(secret)
  })
  test('are opened by nothing else', async () => {
    expect(await log(alice, 'another password')).toBeUndefined()
    expect(await log('nobody', password)).toBeUndefined()
    expect(await log('ali\0ce', password)).toBeUndefined()
    for (const secret of ['', 'x', 'A'.repeat(43), 'ü'.repeat(43), `${'A'.repeat(42)}\0`])
      expect(await is(secret)).toBeUndefined()
  })
  test('end by logging out, once', async () => {
    const { secret } = await loggedIn()
    const another = await loggedIn()
    await world.core.authentication.logout(secret)
    await world.core.authentication.logout(secret)
    expect([await is(secret), await is(another.secret)]).toEqual([undefined, 'alice'])
    expect((await audited(world, 'session.ended')).filter(({ details }) => details.why === 'logged out')).toHaveLength(
      1,
    )
  })
  test('end when they rest for half an hour, and after twelve hours in any case', async () => {
    const { secret } = await loggedIn()
    world.time.pass(29 * minute)
    expect(await is(secret)).toBe('alice')
    world.time.pass(29 * minute)
    expect(await is(secret)).toBe('alice')
    world.time.pass(30 * minute)
    expect(await is(secret)).toBeUndefined()
    const busy = await loggedIn()
    for (let passed = 0; passed < 700; passed += 28) {
      world.time.pass(28 * minute)
      await is(busy.secret)
    }
    expect(await is(busy.secret)).toBe('alice')
    world.time.pass(20 * minute)
    expect(await is(busy.secret)).toBeUndefined()
    const before = await count('sessions')
    await transaction(world.it.db, (db) => pruneSessions(db, world.time.now))
    expect([before > 0, await count('sessions')]).toEqual([true, 0])
  })
  test('write when they were seen last once a minute', async () => {
    const { secret } = await loggedIn()
    const seen = async () => (await people.as(people.alice).identities.sessions())[0]?.lastSeenAt
    const begin = world.time.now
    world.time.pass(minute - 1)
    await is(secret)
    expect(await seen()).toEqual(begin)
    world.time.pass(1)
    await is(secret)
    expect(await seen()).toEqual(world.time.now)
  })
  test('all end when the password is set, by whomever', async () => {
    const { secret } = await loggedIn()
    const chiefs = await loggedIn('chief')
    await world.core.authentication.changePassword(alice, password, 'another password')
    expect([await is(secret), await is(chiefs.secret)]).toEqual([undefined, 'chief'])
    const again = await log(alice, 'another password')
    await setPassword(world.it.db, { actor: system('test'), at: world.time.now }, people.alice.id, password)
    expect(await is(again?.secret ?? '')).toBeUndefined()
  })
  test('all end when the user is disabled, and stay so when he is enabled again', async () => {
    const { secret } = await loggedIn()
    await people.as(people.chief).admin.changeUser(alice, { enabled: false })
    expect([await is(secret), await log()]).toEqual([undefined, undefined])
    await people.as(people.chief).admin.changeUser(alice, { enabled: true })
    expect(await is(secret)).toBeUndefined()
  })
  test('are seen and ended by their user and his administrators, and are there for nobody else', async () => {
    const mine = await loggedIn()
    const supers = await loggedIn('admin')
    const [chief, stranger, root] = [people.as(people.chief), people.as(people.stranger), people.as(people.root)]
    const seen = async (door: typeof chief) => (await door.identities.sessions()).map(({ uuid }) => uuid)
    expect(await seen(people.as(people.alice))).toEqual([mine.uuid])
    expect(await seen(stranger)).toEqual([])
    expect(await seen(chief)).toEqual(expect.arrayContaining([mine.uuid]))
    expect(await seen(chief)).not.toContain(supers.uuid)
    expect(await seen(root)).toEqual(expect.arrayContaining([mine.uuid, supers.uuid]))
    await expect(stranger.identities.endSession(mine.uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(chief.identities.endSession(supers.uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(chief.identities.endSession('none')).rejects.toMatchObject(failure('notFound'))
    await expect(stranger.identities.endSessions(alice)).rejects.toMatchObject(failure('notFound'))
    await expect(chief.identities.endSessions('admin')).rejects.toMatchObject(failure('forbidden'))
    await chief.identities.endSession(mine.uuid)
    expect([await is(mine.secret), await is(supers.secret)]).toEqual([undefined, 'admin'])
    await loggedIn()
    expect(await people.as(people.alice).identities.endSessions(alice)).toBe(1)
  })
  test('of one user are fifty at most: the one that rested longest ends', async () => {
    const user = people.chief
    const opened = []
    for (let i = 0; i < 52; i++) {
      world.time.pass(1)
      opened.push(await openSession(world.it, user, { method: 'password', place: {} }))
    }
    expect(await is(opened[1]?.secret ?? '')).toBeUndefined()
    expect(await is(opened[2]?.secret ?? '')).toBe('chief')
  })

  describe('failed logins', () => {
    beforeAll(() => world.time.pass(2 * 60 * minute))

    test('of one name at one address wait, longer each time, right or wrong; another address does not', async () => {
      const source = '198.51.100.1'
      for (let i = 0; i < 10; i++) expect(await log(alice, 'wrong password', { source })).toBeUndefined()
      await expect(log(alice, password, { source })).rejects.toMatchObject({ ...failure('rateLimited'), retryAfter: 1 })
      world.time.pass(1_000)
      expect(await log(alice, 'wrong password', { source })).toBeUndefined()
      await expect(log(alice, password, { source })).rejects.toMatchObject({ retryAfter: 2 })
      await expect(
        world.core.authentication.changePassword(alice, password, 'another password', { source }),
      ).rejects.toMatchObject(failure('rateLimited'))
      expect(await log(alice, password, { source: '198.51.100.2' })).toBeDefined()
      expect(await world.core.authentication.password(alice, password)).toBeDefined()
      expect(await log('chief', password, { source })).toBeDefined()
      world.time.pass(2_000)
      expect(await log(alice, password, { source })).toBeDefined()
      expect(await log(alice, 'wrong password', { source })).toBeUndefined()
      expect(await log(alice, password, { source })).toBeDefined()
    })
    const failed = (key: string, failures: number) =>
      transaction(world.it.db, (db) =>
        withTables<CoreTables>(db)
          .insertInto('login_failures')
          .values({ key, failures, last_at: world.time.now.getTime() })
          .execute(),
      )

    test('wait no longer than a quarter of an hour, and are forgotten after an hour', async () => {
      const source = '198.51.100.3'
      await failed(`account alice ${source}`, 400)
      await expect(log(alice, password, { source })).rejects.toMatchObject({ retryAfter: 900 })
      world.time.pass(60 * minute)
      for (let i = 0; i < 2; i++) expect(await log(alice, 'wrong password', { source })).toBeUndefined()
    })
    test('with many names from one network wait too, a minute at most, and one good account does not pay for them', async () => {
      await failed('network 2001:db8::/64', 28)
      const guess = (i: number) => log(`user${i}`, 'wrong password', { source: `2001:db8::${i}` })
      expect(await guess(1)).toBeUndefined()
      expect(await log('stranger', password, { source: '2001:db8::1' })).toBeDefined()
      expect(await guess(2)).toBeUndefined()
      await expect(guess(3)).rejects.toMatchObject(failure('rateLimited', /this address/))
      expect(await log(alice, password, { source: '2001:db8:1::1' })).toBeDefined()
      await failed('network 198.51.100.9', 400)
      await expect(log(alice, password, { source: '198.51.100.9' })).rejects.toMatchObject({ retryAfter: 60 })
    })
    test('at once are looked at one after the other', async () => {
      const source = '198.51.100.4'
      const guesses = Array.from({ length: 14 }, (_, i) => log(alice, `wrong password ${i}`, { source }))
      const settled = await Promise.allSettled(guesses)
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    })
    test('names that nobody can have make no rows of their own', async () => {
      const before = await count('login_failures')
      for (const name of ['a b', '\0', 'ü', '', 'x'.repeat(5000)])
        await log(name, 'wrong password', { source: '198.51.100.5' })
      expect((await count('login_failures')) - before).toBeLessThanOrEqual(3)
    })
    test('a hundred on one account are told to its administrators', async () => {
      await failed('account stranger', 98)
      for (let i = 0; i < 2; i++) await log('stranger', 'wrong', { source: `203.0.113.${i}` })
      const alerts = await people.as(people.stranger).admin.alerts()
      expect(alerts).toContainEqual(expect.objectContaining({ kind: 'login_guessing' }))
      expect((await people.as(people.chief).admin.alerts()).map(({ kind }) => kind)).not.toContain('login_guessing')
    })
    test('guesses at setup links wait as well, and cost no hash', async () => {
      const use = (i: number) =>
        world.core.authentication.usePasswordLink(`guess${i}`, password, { source: '198.51.100.6' })
      for (let i = 0; i < 30; i++) await expect(use(i)).rejects.toMatchObject(failure('unauthenticated'))
      await expect(use(30)).rejects.toMatchObject(failure('rateLimited'))
    })
    test('are forgotten by upkeep', async () => {
      world.time.pass(61 * minute)
      await transaction(world.it.db, (db) => pruneLoginFailures(db, world.time.now))
      expect(await count('login_failures')).toBe(0)
    })
  })
})
