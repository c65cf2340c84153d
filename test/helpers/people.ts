import { expect } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import type { Failure } from '../../src/core/failure.ts'
import { type Capability, grantCapability } from '../../src/core/identity/capability.ts'
import {
  asRequester,
  createOrganization,
  createUser,
  findOrganization,
  findUser,
  type User,
} from '../../src/core/identity/identity.ts'
import { createSetupLink, useSetupLink } from '../../src/core/login/login.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { World } from './world.ts'

export interface People {
  /** The superuser of the first start. */
  root: User
  /** Administrator of the organization `default`. */
  chief: User
  /** Of the organization `default`, without any right. */
  alice: User
  /** Administrator of another organization. */
  stranger: User
  elsewhere: { id: number; name: string }
  operator: Door
  /** One whom a test made. */
  named(name: string): Promise<User>
  as(user: User): Door
  give(user: User, capability: Capability, scope?: { authorityId?: number; profileId?: number }): Promise<void>
  setPassword(user: User): Promise<void>
}

/** People of two organizations in a world, each with his door. */
export async function createPeople({ it, core }: World): Promise<People> {
  const change = () => ({ actor: system('test'), at: it.clock() })
  const here = await findOrganization(it.db, 'default')
  const root = await findUser(it.db, { name: 'admin' })
  if (!here || !root) throw new Error('no first start')
  const elsewhere = await transaction(it.db, (db) => createOrganization(db, change(), 'elsewhere'))
  const user = (name: string, organizationId: number, admin = false) =>
    transaction(it.db, (db) => createUser(db, change(), { name, organizationId, admin }))
  return {
    root,
    chief: await user('chief', here.id, true),
    alice: await user('alice', here.id),
    stranger: await user('stranger', elsewhere.id, true),
    elsewhere,
    operator: core.as(system('cli')),
    async named(name) {
      const user = await findUser(it.db, { name })
      if (!user) throw new Error(`no user ${name}`)
      return user
    },
    as: (user) => core.as(asRequester(user)),
    async give({ id: userId, organizationId }, capability, scope = {}) {
      await transaction(it.db, (db) =>
        grantCapability(db, change(), { capability, to: { userId }, organizationId, ...scope }),
      )
    },
    async setPassword({ id }) {
      const { secret } = await transaction(it.db, (db) => createSetupLink(db, change(), id))
      await useSetupLink(it.db, secret, 'a password of some length', it.clock())
    },
  }
}

/** For `rejects.toMatchObject`. */
export function failure(code: Failure['code'], detail?: RegExp) {
  return { name: 'Failure', code, ...(detail ? { detail: expect.stringMatching(detail) } : {}) }
}

/** What the audit trail says with this action, oldest first. */
export async function audited({ it }: World, action: string) {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('audit_events')
    .selectAll()
    .where('action', '=', action)
    .orderBy('id')
    .execute()
  return rows.map((row) => ({ ...row, actor: JSON.parse(row.actor), details: JSON.parse(row.details) }))
}
