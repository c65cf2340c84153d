import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld } from '../helpers/world.ts'

it('a door that is written down shows nothing of the installation behind it', async () => {
  const { db, close } = (await databases[0]?.open()) ?? {}
  if (!db || !close) throw new Error('there is no database to test with')
  const world = await createWorld(db)
  const { organizationId } = await world.profile()
  const user = await transaction(db, (db) =>
    createUser(db, { actor: system('test'), at: world.time.now }, { name: 'looks', organizationId, superuser: true }),
  )
  const door = world.core.as(asRequester(user))
  const parts: object[] = [door, world.core, door.approvals, door.admin, door.list, door.limits, door.identities]
  for (const part of parts) {
    expect(JSON.stringify(part)).not.toMatch(/Secret|httpBaseUrl|"it"/)
    expect(inspect(part, { depth: 9, showHidden: true })).not.toMatch(/auditSecret|httpBaseUrl/)
    expect(inspect({ ...part }, { depth: 9 })).not.toMatch(/auditSecret|httpBaseUrl/)
  }
  expect(JSON.stringify(door)).toBe('{}')
  expect((await door.profile('default', 'acme')).name).toBe('default')
  await close()
})
