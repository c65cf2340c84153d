import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { capabilities, grantCapability, hasCapability, revokeCapability } from '../../src/core/identity/capability.ts'
import { asRequester, changeUser, createUser, findUser, listUsers } from '../../src/core/identity/identity.ts'
import { addRole, addRoleMember, findRole, removeRoleMember, rolesOf } from '../../src/core/identity/role.ts'
import { createSetupLink, setPassword, useSetupLink, verifyPassword } from '../../src/core/login/login.ts'
import { createToken, findToken, listTokens, revokeToken } from '../../src/core/login/token.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

const hour = 3_600_000
const later = (ms: number) => new Date(start.getTime() + ms)

describe.each(databases)('identity on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let count = 0

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
  })
  afterAll(() => database.close())

  const write = <R>(work: (db: Database) => Promise<R>) => transaction(world.db, work)
  const newUser = (flags = {}) => world.user(`user${++count}`, flags)

  describe('users', () => {
    test('names are lower case and unique over the installation', async () => {
      const user = await world.user('Mixed.Case')
      expect(user).toMatchObject({ name: 'mixed.case', superuser: false, admin: false, enabled: true })
      expect(await findUser(world.db, { name: 'MIXED.case' })).toEqual(user)
      const twice = write((db) =>
        createUser(db, world.change(), { name: 'mixed.CASE', organizationId: world.elsewhere.id }),
      )
      await expect(twice).rejects.toMatchObject({ code: 'conflict' })
      expect((await listUsers(world.db, world.here.id)).map(({ name }) => name)).toContain('mixed.case')
      expect((await listUsers(world.db, world.elsewhere.id)).map(({ name }) => name)).not.toContain('mixed.case')
    })

    test.each(['', ' ', 'a\nb', ' a', 'a ', '<b>', 'x'.repeat(100)])('%j is no name', async (name) => {
      const made = write((db) => createUser(db, world.change(), { name, organizationId: world.here.id }))
      await expect(made).rejects.toMatchObject({ code: 'malformed' })
    })

    test('changes are audited', async () => {
      const user = await newUser()
      expect(await write((db) => changeUser(db, world.change(), user.id, { admin: true }))).toMatchObject({
        admin: true,
      })
      const rows = await world.audited('user.changed')
      expect(rows.some((row) => row.subject_id === user.id && JSON.parse(row.details).admin === true)).toBe(true)
      await expect(write((db) => changeUser(db, world.change(), 99_999, { admin: true }))).rejects.toMatchObject({
        code: 'notFound',
      })
      await expect(write((db) => changeUser(db, world.change(), user.id, {}))).rejects.toMatchObject({
        code: 'malformed',
      })
    })
  })

  describe('passwords', () => {
    const password = 'correct horse battery'

    test('the right one, and nothing else', async () => {
      const user = await newUser()
      expect(await verifyPassword(world.db, user.name, password)).toBeUndefined()
      await setPassword(world.db, world.change(), user.id, password)
      expect(await verifyPassword(world.db, user.name.toUpperCase(), password)).toEqual(asRequester(user))
      expect(await verifyPassword(world.db, user.name, `${password}!`)).toBeUndefined()
      expect(await verifyPassword(world.db, user.name, '')).toBeUndefined()
      expect(await verifyPassword(world.db, 'nobody-of-that-name', password)).toBeUndefined()
      await write((db) => changeUser(db, world.change(), user.id, { enabled: false }))
      expect(await verifyPassword(world.db, user.name, password)).toBeUndefined()
    })

    test('is stored as argon2id and nowhere in the audit trail', async () => {
      const user = await newUser()
      await setPassword(world.db, world.change(), user.id, password)
      const tables = withTables<CoreTables>(world.db)
      const row = await tables.selectFrom('users').select('password_hash').where('id', '=', user.id).executeTakeFirst()
      expect(row?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      const events = await tables
        .selectFrom('audit_events')
        .select('details')
        .where('subject_id', '=', user.id)
        .execute()
      expect(events.map(({ details }) => details).join()).not.toMatch(/argon2|horse/)
    })

    test.each(['short', 'elevenchars', 'x'.repeat(201)])('%s is refused', async (short) => {
      const user = await newUser()
      await expect(setPassword(world.db, world.change(), user.id, short)).rejects.toMatchObject({ code: 'malformed' })
    })

    test('an unknown name takes as long as a wrong password', async () => {
      const user = await newUser()
      await setPassword(world.db, world.change(), user.id, password)
      const time = async (name: string) => {
        const taken: number[] = []
        for (let i = 0; i < 7; i++) {
          const begin = performance.now()
          await verifyPassword(world.db, name, 'wrong password here')
          taken.push(performance.now() - begin)
        }
        return Math.min(...taken)
      }
      await time(user.name)
      const ratio = (await time('nobody-of-that-name')) / (await time(user.name))
      expect(ratio).toBeGreaterThan(0.4)
    })
  })

  describe('setup links', () => {
    const password = 'a password of length'

    test('set the password once, within 72 hours', async () => {
      const user = await newUser()
      const { secret, expiresAt } = await write((db) => createSetupLink(db, world.change(), user.id))
      expect([secret.length, expiresAt]).toEqual([43, later(72 * hour)])
      await expect(useSetupLink(world.db, secret, 'short', start)).rejects.toMatchObject({ code: 'malformed' })
      await expect(useSetupLink(world.db, secret, password, later(72 * hour))).rejects.toMatchObject({
        code: 'unauthenticated',
      })
      expect(await useSetupLink(world.db, secret, password, later(71 * hour))).toMatchObject({ id: user.id })
      expect(await verifyPassword(world.db, user.name, password)).toBeDefined()
      await expect(useSetupLink(world.db, secret, password, later(71 * hour))).rejects.toMatchObject({
        code: 'unauthenticated',
      })
    })

    test('ten uses at once: one', async () => {
      const user = await newUser()
      const { secret } = await write((db) => createSetupLink(db, world.change(), user.id))
      const uses = Array.from({ length: 10 }, (_, i) => useSetupLink(world.db, secret, `${password} ${i}`, start))
      const settled = await Promise.allSettled(uses)
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    test('a new one ends the old one, and a disabled user has none', async () => {
      const user = await newUser()
      const old = await write((db) => createSetupLink(db, world.change(), user.id))
      const fresh = await write((db) => createSetupLink(db, world.change(), user.id))
      await expect(useSetupLink(world.db, old.secret, password, start)).rejects.toMatchObject({
        code: 'unauthenticated',
      })
      await write((db) => changeUser(db, world.change(), user.id, { enabled: false }))
      await expect(useSetupLink(world.db, fresh.secret, password, start)).rejects.toMatchObject({
        code: 'unauthenticated',
      })
      await write((db) => changeUser(db, world.change(), user.id, { enabled: true }))
      expect(await useSetupLink(world.db, fresh.secret, password, start)).toMatchObject({ id: user.id })
    })
  })

  describe('tokens', () => {
    test('speak for their user until they end', async () => {
      const user = await newUser()
      const token = await write((db) =>
        createToken(db, world.change(), { userId: user.id, name: 'ci', expiresAt: later(hour) }),
      )
      expect(token.text).toMatch(/^cs_[A-Za-z0-9_-]{43}$/)
      const found = await findToken(world.db, token.text, start)
      expect(found).toEqual({ kind: 'token', ref: token.uuid, name: user.name, people: [user.id] })
      expect(await findToken(world.db, token.text, later(hour))).toBeUndefined()
      expect(await findToken(world.db, `${token.text.slice(0, -1)}-`, start)).toBeUndefined()
      expect(await findToken(world.db, 'cs_', start)).toBeUndefined()
      await write((db) => changeUser(db, world.change(), user.id, { enabled: false }))
      expect(await findToken(world.db, token.text, start)).toBeUndefined()
      await write((db) => changeUser(db, world.change(), user.id, { enabled: true }))
      await write((db) => revokeToken(db, world.change(), token.uuid))
      expect(await findToken(world.db, token.text, start)).toBeUndefined()
      await expect(write((db) => revokeToken(db, world.change(), token.uuid))).rejects.toMatchObject({
        code: 'notFound',
      })
      expect(await listTokens(world.db, user.id)).toMatchObject([
        { name: 'ci', revokedAt: start, expiresAt: later(hour) },
      ])
    })

    test('only their hash is stored', async () => {
      const user = await newUser()
      const { id, text } = await write((db) => createToken(db, world.change(), { userId: user.id, name: 'ci' }))
      const row = await withTables<CoreTables>(world.db)
        .selectFrom('tokens')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      expect(row?.hash).toMatch(/^[0-9a-f]{64}$/)
      expect(JSON.stringify(row)).not.toContain(text.slice(3))
    })
  })

  describe('roles', () => {
    test('have members of their own organization', async () => {
      const [user, stranger] = [await newUser(), await newUser({ elsewhere: true })]
      const role = await world.role('auditors', [user])
      expect(await write((db) => findRole(db, world.here.id, 'auditors'))).toEqual(role)
      expect(await write((db) => findRole(db, world.elsewhere.id, 'auditors'))).toBeUndefined()
      await expect(write((db) => addRole(db, world.change(), world.here.id, 'auditors'))).rejects.toMatchObject({
        code: 'conflict',
      })
      const add = write((db) => addRoleMember(db, world.change(), { role, userId: stranger.id }))
      await expect(add).rejects.toMatchObject({ code: 'notFound' })
      await write((db) => addRoleMember(db, world.change(), { role, userId: user.id }))
      expect(await rolesOf(world.db, user.id)).toEqual(['auditors'])
      await write((db) => removeRoleMember(db, world.change(), { role, userId: user.id }))
      expect(await rolesOf(world.db, user.id)).toEqual([])
    })
  })

  describe('capabilities', () => {
    const may = (user: { id: number }, capability: (typeof capabilities)[number], scope = {}) =>
      hasCapability(world.db, user, capability, { organizationId: world.here.id, ...scope })

    test('superusers everywhere, administrators in their organization, disabled ones nowhere', async () => {
      const [above, admin, other] = [
        await newUser({ superuser: true, elsewhere: true }),
        await newUser({ admin: true }),
        await newUser({ admin: true, elsewhere: true }),
      ]
      for (const capability of capabilities) {
        expect([await may(above, capability), await may(admin, capability), await may(other, capability)]).toEqual([
          true,
          true,
          false,
        ])
      }
      await write((db) => changeUser(db, world.change(), above.id, { enabled: false }))
      expect(await may(above, 'read')).toBe(false)
      expect(await may({ id: 99_999 }, 'read')).toBe(false)
    })

    test('others what they or their roles were granted, where it was granted', async () => {
      const [user, member] = [await newUser(), await newUser()]
      const role = await world.role(`granted${++count}`, [member])
      const here = { organizationId: world.here.id }
      const scoped = { ...here, authorityId: world.authorityId }
      await write((db) =>
        grantCapability(db, world.change(), { capability: 'create_cert', to: { userId: user.id }, ...scoped }),
      )
      await write((db) => grantCapability(db, world.change(), { capability: 'read', to: { roleId: role.id }, ...here }))
      expect(await may(user, 'create_cert', { authorityId: world.authorityId })).toBe(true)
      expect(await may(user, 'create_cert', { authorityId: world.authorityId, profileId: 7 })).toBe(true)
      expect(await may(user, 'create_cert', { authorityId: world.authorityId + 1 })).toBe(false)
      expect(await may(user, 'create_cert')).toBe(false)
      expect(await may(user, 'revoke_cert', { authorityId: world.authorityId })).toBe(false)
      expect(await may(member, 'read', { authorityId: world.authorityId })).toBe(true)
      expect(await may(member, 'read', { organizationId: world.elsewhere.id })).toBe(false)
      expect(await may(user, 'read')).toBe(false)
      await write((db) =>
        revokeCapability(db, world.change(), { capability: 'create_cert', to: { userId: user.id }, ...here }),
      )
      expect(await may(user, 'create_cert', { authorityId: world.authorityId })).toBe(false)
      expect((await world.audited('capability.revoked')).at(-1)).toMatchObject({ subject_id: user.id })
    })
  })
})
