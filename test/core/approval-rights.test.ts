import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changeUser, type User } from '../../src/core/identity/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createWorld, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

describe.each(databases)('rights lost between votes, on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>
  let count = 0

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
  })
  afterAll(() => close())

  const person = (): Promise<User> => world.user(`voter${++count}`)
  const disable = (user: User) =>
    transaction(world.db, (db) => changeUser(db, world.change(), user.id, { enabled: false }))
  const step = (users: User[], quorum: number) => ({
    users: users.map(({ name }) => name),
    roles: [],
    owner: false,
    quorum,
    expires: '1d',
  })

  test('an earlier step whose voter lost his rights waits anew, and a later one that has its votes is passed', async () => {
    const [first, other, last] = [await person(), await person(), await person()]
    const asked = await world.ask({ rule: { require: [step([first, other], 1), step([last], 1)] } })
    expect(await world.vote(first, asked)).toEqual({ status: 'requested' })
    await disable(first)
    expect(await world.vote(last, asked)).toEqual({ status: 'requested' })
    const review = await world.as(other).review('sign', asked.id)
    expect(review.step).toBe(0)
    expect(review.mayApprove).toEqual([other.name])
    expect(await world.vote(other, asked)).toEqual({ status: 'signing' })
  })

  test('a vote that does not count does not have the approval remembered either', async () => {
    const [a, b, c] = [await person(), await person(), await person()]
    const asked = await world.ask({ rule: { require: [step([a, b, c], 2)], remember: '90d' } })
    await world.vote(a, asked, { remember: '90d' })
    await disable(a)
    await world.vote(b, asked)
    expect(await world.vote(c, asked)).toEqual({ status: 'signing' })
    const kept = await withTables<CoreTables>(world.db).selectFrom('remembered_approvals').select('id').execute()
    expect(kept).toEqual([])
  })
})
