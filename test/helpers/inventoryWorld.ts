import type { Door } from '../../src/core/core.ts'
import type { User } from '../../src/core/identity/identity.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { createPeople, type People } from './people.ts'
import { acmeAccount, createWorld, newCsr, type World } from './world.ts'

const rules = {
  issue: [
    { name: 'own', when: 'identifiers.exists(i, i.value.endsWith(".auto.test"))', auto: true },
    { name: 'ask', require: [{ owner: true }] },
  ],
  renew: [{ name: 'all', auto: true }],
  rekey: [{ name: 'people look', require: [{ users: ['chief'] }] }],
}

interface Order {
  action?: 'issue' | 'renew' | 'rekey'
  renews?: number
}

export interface InventoryWorld {
  world: World
  people: People
  /** The inventory of a user; absent: of the administrator. */
  of(user?: User): Door['inventory']
  /** What ends in .auto.test is issued at once, and anything else waits; every renewal is, and no rekey. */
  order(name?: string, more?: Order): Promise<SignRequest>
}

/** A world with a profile `kept`, in which alice may read. */
export async function createInventoryWorld(db: Database): Promise<InventoryWorld> {
  const world = await createWorld(db)
  const people = await createPeople(world)
  await world.save('kept', { rules })
  await people.give(people.alice, 'read')
  let names = 0
  return {
    world,
    people,
    of: (user = people.chief) => people.as(user).inventory,
    async order(name = `n${++names}.auto.test`, { action = 'issue', renews } = {}) {
      const csr = await newCsr([name])
      const draft = { profile: await world.profile('kept'), protocol: 'acme', action, csr, refusal: 'store' } as const
      const { identifiers } = csr
      const more = { identifiers, validated: identifiers, ...(renews === undefined ? {} : { renews }) }
      return (await world.core.as(acmeAccount()).sign({ ...draft, ...more })).request
    },
  }
}

/** A custom attribute with one value. */
export const attribute = (name: string, data: unknown, contentType = 'string') => ({
  name,
  contentType,
  content: [{ data }],
})
