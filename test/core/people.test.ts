import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Door } from '../../src/core/core.ts'
import { createUser } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('people on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let [root, chief, alice, stranger]: Door[] = []
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    ;[root, chief, alice, stranger] = [people.root, people.chief, people.alice, people.stranger].map(people.as)
  })
  afterAll(() => close())
  const it = () => ({ root: root as Door, chief: chief as Door, alice: alice as Door, stranger: stranger as Door })

  describe('roles', () => {
    test('are made, seen, given and deleted with all that hangs on them', async () => {
      const { chief } = it()
      const { uuid } = await chief.identities.createRole({ name: 'auditors' })
      await chief.admin.addToRole('alice', 'auditors')
      await chief.admin.grant({ role: 'auditors', capability: 'read', profile: 'default' })
      await chief.admin.grant({ role: 'auditors', capability: 'approve' })
      expect(await chief.identities.role(uuid)).toEqual({
        uuid,
        name: 'auditors',
        organization: 'default',
        members: ['alice'],
        capabilities: [
          { capability: 'approve', authority: null, profile: null },
          { capability: 'read', authority: null, profile: 'default' },
        ],
      })
      expect((await it().alice.identities.roles()).map(({ name }) => name)).toEqual(['auditors'])
      await expect(chief.identities.createRole({ name: 'auditors' })).rejects.toMatchObject(failure('conflict'))
      await chief.identities.deleteRole(uuid)
      await expect(chief.identities.role(uuid)).rejects.toMatchObject(failure('notFound'))
      expect(await it().alice.identities.me()).toMatchObject({ roles: [], grants: [] })
    })
    test('are deleted once, whatever else is done with them at the same time', async () => {
      const { chief } = it()
      const { uuid, name } = await chief.identities.createRole({ name: 'fleeting' })
      const all = await Promise.allSettled([
        ...[1, 2, 3].map(() => chief.identities.deleteRole(uuid)),
        ...['alice', 'chief'].map((user) => chief.admin.addToRole(user, name)),
        ...(['read', 'approve'] as const).map((capability) => chief.admin.grant({ role: name, capability })),
      ])
      const refusals = all.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
      expect(refusals.filter((code) => code !== 'notFound' && code !== 'conflict')).toEqual([])
      expect(all.slice(0, 3).filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
    })
    test('are made and deleted by administrators of their organization alone', async () => {
      const { chief, alice, stranger, root } = it()
      const { uuid } = await chief.identities.createRole({ name: 'watchers' })
      await chief.admin.addToRole('alice', 'watchers')
      await expect(alice.identities.createRole({ name: 'mine' })).rejects.toMatchObject(failure('forbidden'))
      await expect(alice.identities.deleteRole(uuid)).rejects.toMatchObject(failure('forbidden'))
      await expect(stranger.identities.role(uuid)).rejects.toMatchObject(failure('notFound'))
      await expect(stranger.identities.deleteRole(uuid)).rejects.toMatchObject(failure('notFound'))
      const elsewhere = { name: 'x', organization: 'elsewhere' }
      await expect(chief.identities.createRole(elsewhere)).rejects.toMatchObject(failure('notFound'))
      expect(await root.identities.createRole(elsewhere)).toMatchObject({ organization: 'elsewhere' })
    })
  })

  describe('the last superuser', () => {
    test('is neither disabled, lowered nor removed', async () => {
      const { root } = it()
      await expect(root.admin.changeUser('admin', { enabled: false })).rejects.toMatchObject(failure('conflict'))
      await expect(root.admin.changeUser('admin', { superuser: false })).rejects.toMatchObject(failure('conflict'))
      await expect(root.identities.removeUser('admin')).rejects.toMatchObject(failure('conflict'))
      await expect(people.operator.identities.removeUser('admin')).rejects.toMatchObject(failure('conflict'))
      await expect(it().chief.identities.removeUser('admin')).rejects.toMatchObject(failure('forbidden'))
    })
    test('is left when many lower each other at once', async () => {
      for (let round = 0; round < 3; round++) {
        const names = Array.from({ length: 4 }, (_, i) => `super${round}-${i}`)
        for (const name of names) await it().root.admin.createUser({ name, superuser: true })
        const doors = await Promise.all(names.map(async (name) => people.as(await people.named(name))))
        const all = ['admin', ...names]
        const lowered = all.map((name, i) => {
          const by = doors[i % doors.length]?.admin
          return round === 1 ? by?.changeUser(name, { enabled: false }) : by?.changeUser(name, { superuser: false })
        })
        await Promise.allSettled(lowered)
        const users = await people.operator.admin.users()
        const left = users.filter(({ superuser, enabled }) => superuser && enabled)
        expect(left.length).toBeGreaterThan(0)
        // For the next round.
        await people.operator.admin.changeUser('admin', { superuser: true, enabled: true })
        for (const name of names) await people.operator.admin.changeUser(name, { superuser: false })
      }
    })
  })

  test('one who is removed is so for good, with all that he could', async () => {
    const { chief, stranger } = it()
    await chief.admin.createUser({ name: 'gone' })
    const gone = await people.named('gone')
    await people.setPassword(gone)
    await chief.admin.addToRole('gone', 'watchers')
    await chief.admin.grant({ user: 'gone', capability: 'approve' })
    const { text } = await people.as(gone).admin.createToken({ user: 'gone', name: 'x' })
    const session = await world.core.authentication.login('gone', 'a password of some length', {})
    await expect(stranger.identities.removeUser('gone')).rejects.toMatchObject(failure('notFound'))
    await expect(it().alice.identities.removeUser('gone')).rejects.toMatchObject(failure('forbidden'))
    await expect(chief.identities.removeUser('chief')).rejects.toMatchObject(failure('conflict', /himself/))
    await chief.identities.removeUser('gone')
    const { authentication } = world.core
    expect(await authentication.token(text)).toBeUndefined()
    expect(await authentication.session(session?.secret ?? '')).toBeUndefined()
    expect(await authentication.password('gone', 'a password of some length')).toBeUndefined()
    expect((await chief.admin.users()).map(({ name }) => name)).not.toContain('gone')
    await expect(chief.admin.changeUser('gone', { enabled: true })).rejects.toMatchObject(failure('notFound'))
    await expect(chief.admin.createSetupLink('gone')).rejects.toMatchObject(failure('notFound'))
    await expect(chief.admin.createUser({ name: 'gone' })).rejects.toMatchObject(failure('conflict'))
  })

  describe('organizations', () => {
    test('see nothing of each other, by whatever is asked', async () => {
      const { root, stranger, chief } = it()
      const at = world.time.now
      const theirs = await transaction(world.it.db, (db) =>
        createUser(db, { actor: system('test'), at }, { name: 'neighbour', organizationId: people.elsewhere.id }),
      )
      const here = await world.profile()
      const csr = await newCsr(['org.example.org'])
      const origin = { protocol: 'ra', ref: 'org' }
      const draft = {
        profile: here,
        protocol: 'ra',
        action: 'issue',
        csr,
        identifiers: csr.identifiers,
        refusal: 'store',
        origin,
      } as const
      const { request } = await chief.sign(draft)
      await chief.identities.createRole({ name: 'secretive' })
      await chief.admin.createToken({ user: 'chief', name: 'secret token' })
      await chief.admin.createUser({ name: 'fresh' })
      await people.operator.admin.createSetupLink('fresh')
      const { view: credential } = await chief.admin.createCredential({ kind: 'eab', profile: 'default' })
      for (const door of [stranger, people.as(theirs)]) {
        const { admin, identities, list } = door
        const empty: [string, () => Promise<readonly unknown[]>][] = [
          ['roles', () => identities.roles()],
          ['sessions', () => identities.sessions('chief')],
          ['tokens', () => admin.tokens('chief')],
          ['authorities', () => admin.authorities()],
          ['profiles', () => admin.profiles()],
          ['credentials', () => admin.credentials()],
          ['limits', () => admin.limits()],
          ['challenges', () => admin.challenges()],
          ['remembered approvals', () => admin.rememberedApprovals()],
          ['renewal windows', () => admin.renewalWindows()],
          ['requests', () => list.requests({ kind: 'sign' }).then(({ rows }) => rows)],
          ['revocations', () => list.requests({ kind: 'revoke' }).then(({ rows }) => rows)],
          ['certificates', () => list.certificates({}).then(({ rows }) => rows)],
        ]
        const names = (rows: readonly unknown[]) => rows.map((row) => (row as { name?: string }).name)
        for (const [what, rows] of empty) {
          const shown = await rows()
          if (what === 'roles') expect(names(shown)).not.toContain('secretive')
          else expect([what, shown]).toEqual([what, []])
        }
        expect((await admin.users()).every(({ organization }) => organization === 'elsewhere')).toBe(true)
        expect((await admin.organizations()).map(({ name }) => name)).toEqual(['elsewhere'])
        expect(await door.findSignRequest(origin)).toBeUndefined()
        expect(await door.findCertificate({ id: request.id })).toBeUndefined()
        const refused: [string, () => Promise<unknown>][] = [
          ['profile', () => door.profile('default', 'acme')],
          ['order', () => door.sign(draft)],
          ['review', () => door.approvals.review('sign', request.id)],
          ['cancel', () => door.approvals.cancel('sign', request.id)],
          ['vote', () => door.approvals.vote('sign', request.id, { verdict: 'approve', hash: '' })],
          ['comment', () => door.approvals.comment('sign', request.id, 'hello')],
          ['detail', () => list.request(request.id)],
          ['authority', () => admin.authority('issuing')],
          ['admin profile', () => admin.profile('default')],
          ['credential', () => admin.revokeCredential(credential.uuid)],
          ['bindings', () => identities.bindings('fresh')],
          ['upload', () => door.upload(request.id, [])],
          [
            'revoke',
            () => door.revoke({ protocol: 'ra', certificate: request.id, grounds: 'user', reason: 'superseded' }),
          ],
        ]
        for (const [what, asked] of refused) {
          const answer = await asked().then(
            () => 'done',
            (error: unknown) => (error as { code?: string }).code,
          )
          expect([what, answer]).toEqual([what, 'notFound'])
        }
      }
      const alerts = await stranger.admin.alerts()
      expect(alerts.filter(({ kind }) => kind === 'local_operator')).toEqual([])
      expect(await root.findSignRequest(origin)).toBeDefined()
    })
  })

  test('all of it is as the audit trail tells', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) === 500);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
