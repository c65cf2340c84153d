import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Take, takeFrom } from '../../src/core/enrolment/limit.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('limits, administered, on $name', ({ open }) => {
  let world: World
  let people: People
  let profileId: number
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    profileId = (await world.save('web', {})).id
  })
  afterAll(() => close())

  const limit = 'test.orders'
  const take = (key: string, more: Partial<Take> = {}) =>
    transaction(world.it.db, (db) =>
      takeFrom(db, { profileId, limit, key, rate: '2/1h', what: 'orders', ...more }, world.it.clock()),
    )
  const ref = (key: string) => ({ profile: 'web', limit, key })
  const root = () => people.as(people.root).admin

  test('shows what is used, the most first, and when it comes back', async () => {
    await take('shown one')
    await take('shown two')
    await take('shown two')
    const now = world.it.clock().getTime()
    expect(await root().limits({ profile: 'web', key: 'shown' })).toEqual([
      {
        ...{ profile: 'web', limit, key: 'shown two', rate: '2/1h', used: 2, freeAt: new Date(now + 3_600_000) },
        ...{ overridden: false, until: null, note: null },
      },
      expect.objectContaining({ key: 'shown one', used: 1, freeAt: new Date(now + 1_800_000) }),
    ])
    expect(await root().limits({ profile: 'web', limit: 'test.other' })).toEqual([])
    expect(await root().limits({ profile: 'default' })).toEqual([])
    expect(await root().limits({ key: '%' })).toEqual([])
  })

  test('an override begins with nothing used, is shown, and is audited', async () => {
    await take('over')
    await take('over')
    const until = new Date(world.it.clock().getTime() + 60_000)
    const view = await root().overrideLimit({ ...ref('over'), override: { rate: '9/1h', until, note: 'a move' } })
    expect(view).toMatchObject({ ...ref('over'), rate: '9/1h', used: 0, overridden: true, until, note: 'a move' })
    expect(await take('over')).toBeUndefined()
    expect((await audited(world, 'limit.overridden')).at(-1)).toMatchObject({
      subject_kind: 'profile',
      subject_id: profileId,
      actor: { kind: 'user' },
      details: { ...ref('over'), rate: '9/1h', note: 'a move' },
    })
    await root().removeOverride(ref('over'))
    expect((await audited(world, 'limit.override_removed')).at(-1)?.details).toMatchObject(ref('over'))
    await expect(root().removeOverride(ref('over'))).rejects.toMatchObject(failure('notFound'))
  })

  test('a reset fills all limits of a key, lifts a block, and keeps an override with a rate', async () => {
    await take('reset')
    await take('reset', { limit: 'test.blocked' })
    await root().overrideLimit({ ...ref('reset'), limit: 'test.blocked', override: { rate: 'blocked' } })
    await root().overrideLimit({ ...ref('reset'), limit: 'test.rate', override: { rate: '1/1h' } })
    await take('reset', { limit: 'test.rate' })
    await take('other')
    expect(await take('reset', { limit: 'test.blocked' })).toBeDefined()
    expect(await root().resetLimit({ profile: 'web', key: 'reset' })).toBe(3)
    expect(await root().limits({ key: 'reset' })).toEqual([
      expect.objectContaining({ limit: 'test.rate', overridden: true, used: 0, rate: '1/1h' }),
    ])
    expect((await audited(world, 'limit.reset')).at(-1)?.details.limits.sort()).toEqual([
      ...['test.blocked', 'test.orders', 'test.rate'],
    ])
    expect((await root().limits({ key: 'other' }))[0]?.used).toBe(1)
    await expect(root().resetLimit({ profile: 'web', key: 'nobody' })).rejects.toMatchObject(failure('notFound'))
  })

  test('a reset of one limit leaves the others', async () => {
    await take('single')
    await take('single', { limit: 'test.left' })
    expect(await root().resetLimit({ profile: 'web', limit, key: 'single' })).toBe(1)
    expect((await root().limits({ key: 'single' })).map((view) => view.limit)).toEqual(['test.left'])
  })

  test.each([
    ['rate', { rate: '5 a day' }],
    ['end', { rate: '5/1d', until: new Date(0) }],
  ])('an override with a wrong %s is malformed, and not stored', async (_what, override) => {
    await expect(root().overrideLimit({ ...ref('wrong'), override })).rejects.toMatchObject(failure('malformed'))
    expect(await root().limits({ key: 'wrong' })).toEqual([])
  })

  test('needs manage on the profile: others are refused, strangers do not see it', async () => {
    await take('guarded')
    const all = async (admin: ReturnType<typeof root>) => [
      await admin.overrideLimit({ ...ref('guarded'), override: { rate: '5/1d' } }).catch((error) => error.code),
      await admin.removeOverride(ref('guarded')).catch((error) => error.code),
      await admin.resetLimit({ profile: 'web', key: 'guarded' }).catch((error) => error.code),
    ]
    expect(await all(people.as(people.alice).admin)).toEqual(['forbidden', 'forbidden', 'forbidden'])
    expect(await people.as(people.alice).admin.limits({ key: 'guarded' })).toEqual([])
    expect(await all(people.as(people.stranger).admin)).toEqual(['notFound', 'notFound', 'notFound'])
    expect(await people.as(people.stranger).admin.limits()).toEqual([])
    expect((await root().limits({ key: 'guarded' }))[0]).toMatchObject({ used: 1, overridden: false })
    await people.give(people.alice, 'manage', { profileId })
    expect((await people.as(people.alice).admin.limits({ key: 'guarded' })).length).toBe(1)
    expect(await people.as(people.alice).admin.resetLimit({ profile: 'web', key: 'guarded' })).toBe(1)
    expect((await people.operator.admin.limits()).length).toBeGreaterThan(0)
  })
})
