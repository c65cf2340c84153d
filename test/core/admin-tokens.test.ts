import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('tokens, administered, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  afterAll(() => close())

  test('a user makes his own, which speaks for him until he ends it', async () => {
    const door = people.as(people.alice)
    const { text, view } = await door.admin.createToken({ user: 'alice', name: 'laptop' })
    expect(await world.core.authentication.token(text)).toMatchObject({ kind: 'token', people: [people.alice.id] })
    await door.admin.revokeToken(view.uuid)
    expect(await world.core.authentication.token(text)).toBeUndefined()
    await expect(door.admin.revokeToken(view.uuid)).rejects.toMatchObject(failure('notFound'))
  })
  test.each(['chief', 'root'] as const)('nobody makes one for another: %s', async (who) => {
    await expect(people.as(people[who]).admin.createToken({ user: 'alice', name: 'x' })).rejects.toMatchObject(
      failure('forbidden'),
    )
  })
  test('the local operator makes none for anybody', async () => {
    await expect(people.operator.admin.createToken({ user: 'alice', name: 'x' })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(world.core.as(system('cli')).admin.createToken({ user: 'admin', name: 'x' })).rejects.toMatchObject(
      failure('forbidden'),
    )
  })
  test('one made with a token lives no longer than that one', async () => {
    const soon = new Date(world.it.clock().getTime() + 3_600_000)
    const { text } = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'short', expiresAt: soon })
    const requester = await world.core.authentication.token(text)
    if (!requester) throw new Error('no requester')
    const { view } = await world.core.as(requester).admin.createToken({ user: 'alice', name: 'from it' })
    expect(view.expiresAt).toEqual(soon)
  })
  test('those that are made with one end with it, and so on; others stay', async () => {
    const soon = new Date(world.it.clock().getTime() + 3_600_000)
    const bearer = async (text: string) => {
      const requester = await world.core.authentication.token(text)
      if (!requester) throw new Error('no requester')
      return world.core.as(requester)
    }
    const first = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'first', expiresAt: soon })
    const beside = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'beside' })
    const door = await bearer(first.text)
    const second = await door.admin.createToken({ user: 'alice', name: 'second' })
    const third = await (await bearer(second.text)).admin.createToken({ user: 'alice', name: 'third' })
    await people.as(people.alice).admin.revokeToken(first.view.uuid)
    for (const { text } of [first, second, third]) expect(await world.core.authentication.token(text)).toBeUndefined()
    expect(await world.core.authentication.token(beside.text)).toBeDefined()
    // Whoever has passed the door with it before makes none any more.
    await expect(door.admin.createToken({ user: 'alice', name: 'late' })).rejects.toMatchObject(failure('forbidden'))
    await expect(people.as(people.alice).admin.revokeToken(third.view.uuid)).rejects.toMatchObject(failure('notFound'))
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    expect(problems).toEqual([])
  })
  test('one that is made with another at the instant of its end ends too, or is not made', async () => {
    const first = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'raced' })
    const requester = await world.core.authentication.token(first.text)
    if (!requester) throw new Error('no requester')
    const [made] = await Promise.allSettled([
      world.core.as(requester).admin.createToken({ user: 'alice', name: 'raced too' }),
      people.as(people.alice).admin.revokeToken(first.view.uuid),
    ])
    const text = made.status === 'fulfilled' ? made.value.text : ''
    expect(await world.core.authentication.token(text)).toBeUndefined()
  })
  test('an end in the past is malformed', async () => {
    await expect(
      people.as(people.alice).admin.createToken({ user: 'alice', name: 'x', expiresAt: new Date(0) }),
    ).rejects.toMatchObject(failure('malformed'))
  })
  test('are seen and ended by their user and by his administrators, not by others', async () => {
    const { view } = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'watched' })
    const sees = async (door: typeof people.operator) =>
      (await door.admin.tokens('alice')).some(({ uuid }) => uuid === view.uuid)
    expect(await sees(people.as(people.alice))).toBe(true)
    expect(await sees(people.as(people.chief))).toBe(true)
    expect(await sees(people.as(people.stranger))).toBe(false)
    await expect(people.as(people.stranger).admin.revokeToken(view.uuid)).rejects.toMatchObject(failure('notFound'))
    await people.as(people.chief).admin.revokeToken(view.uuid)
  })
  test('an administrator does not see those of a superuser', async () => {
    const { view } = await people.as(people.root).admin.createToken({ user: 'admin', name: 'high' })
    expect((await people.as(people.chief).admin.tokens()).map(({ uuid }) => uuid)).not.toContain(view.uuid)
    await expect(people.as(people.chief).admin.revokeToken(view.uuid)).rejects.toMatchObject(failure('notFound'))
  })
  test('the text is in no list', async () => {
    const { text } = await people.as(people.alice).admin.createToken({ user: 'alice', name: 'secret' })
    expect(JSON.stringify(await people.as(people.alice).admin.tokens())).not.toContain(text)
  })
  test('of a user who is disabled speak for nobody', async () => {
    await people.operator.admin.createUser({ name: 'henry' })
    const henry = await people.named('henry')
    const { text } = await world.core.as(asRequester(henry)).admin.createToken({ user: 'henry', name: 'x' })
    await people.as(people.chief).admin.changeUser('henry', { enabled: false })
    expect(await world.core.authentication.token(text)).toBeUndefined()
  })
})
