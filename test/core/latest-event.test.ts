import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit } from '../../src/core/audit/audit.ts'
import { lateCommits } from '../../src/core/audit/seal.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('what has come since somebody looked, on $name', ({ open }) => {
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

  const happens = (organizationId: number, times = 1) =>
    transaction(world.it.db, async (db) => {
      const subject = { kind: 'installation', id: null } as const
      for (let n = 0; n < times; n++)
        await audit(db, system('test'), world.it.clock(), { action: 'test.happened', organizationId, subject })
    })

  it('is what concerns his organization, and for a superuser everything', async () => {
    const [chief, root] = [people.as(people.chief).list, people.as(people.root).list]
    const { seen, changed } = await chief.latest()
    expect(changed).toBe(false)
    await happens(people.elsewhere.id)
    expect(await chief.latest(seen)).toMatchObject({ changed: false })
    expect(await root.latest(seen)).toMatchObject({ changed: true })
    await happens(people.chief.organizationId)
    const now = await chief.latest(seen)
    expect(now.changed).toBe(true)
    expect(await chief.latest(now.seen)).toMatchObject({ changed: false })
  })

  it('moves on where only others are at work, so that nothing is read twice', async () => {
    const { list } = people.as(people.chief)
    const { seen } = await list.latest()
    const late = lateCommits(world.it.db)
    await happens(people.elsewhere.id, late + 50)
    expect(await list.latest(seen)).toEqual({ seen: seen + 50, changed: false })
  })
})
