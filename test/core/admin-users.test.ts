import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('users, administered, on $name', ({ open }) => {
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

  test('an administrator makes a user of his organization, who has no password yet', async () => {
    const made = await people.as(people.chief).admin.createUser({ name: 'Bob' })
    expect(made).toMatchObject({
      name: 'bob',
      organization: 'default',
      superuser: false,
      admin: false,
      hasPassword: false,
      roles: [],
    })
    expect(await audited(world, 'user.created')).toContainEqual(
      expect.objectContaining({ actor: expect.objectContaining({ name: 'chief' }) }),
    )
  })
  test('a name that is taken is a conflict, also in another organization', async () => {
    await expect(people.as(people.stranger).admin.createUser({ name: 'alice' })).rejects.toMatchObject(
      failure('conflict'),
    )
  })
  test('a plain user makes nobody', async () => {
    await expect(people.as(people.alice).admin.createUser({ name: 'eve' })).rejects.toMatchObject(failure('forbidden'))
  })
  test('an administrator makes no superuser, and raises nobody to one', async () => {
    const { admin } = people.as(people.chief)
    await expect(admin.createUser({ name: 'eve', superuser: true })).rejects.toMatchObject(failure('forbidden'))
    await expect(admin.changeUser('alice', { superuser: true })).rejects.toMatchObject(failure('forbidden'))
  })
  test('an administrator names no other organization: it is not there for him', async () => {
    const { admin } = people.as(people.chief)
    await expect(admin.createUser({ name: 'eve', organization: 'elsewhere' })).rejects.toMatchObject(
      failure('notFound'),
    )
    await expect(admin.changeUser('stranger', { enabled: false })).rejects.toMatchObject(failure('notFound'))
  })
  test('an administrator changes no superuser of his own organization', async () => {
    const { admin } = people.as(people.chief)
    await expect(admin.changeUser('admin', { enabled: false })).rejects.toMatchObject(failure('forbidden'))
    await expect(admin.createSetupLink('admin')).rejects.toMatchObject(failure('forbidden'))
    await expect(admin.addToRole('admin', 'approvers')).rejects.toMatchObject(failure('forbidden'))
  })
  test('the last superuser who is enabled stays so', async () => {
    const { admin } = people.as(people.root)
    await expect(admin.changeUser('admin', { enabled: false })).rejects.toMatchObject(failure('conflict'))
    await expect(admin.changeUser('admin', { superuser: false })).rejects.toMatchObject(failure('conflict'))
  })
  test('everybody sees himself, an administrator his organization, a superuser all', async () => {
    const names = async (door: { admin: { users(): Promise<{ name: string }[]> } }) =>
      (await door.admin.users()).map(({ name }) => name)
    expect(await names(people.as(people.alice))).toEqual(['alice'])
    expect(await names(people.as(people.stranger))).toEqual(['stranger'])
    expect(await names(people.as(people.chief))).not.toContain('stranger')
    expect(await names(people.as(people.root))).toEqual(expect.arrayContaining(['admin', 'alice', 'chief', 'stranger']))
    expect(await names(people.operator)).toContain('stranger')
  })
  test('who is disabled administers no more, whatever his session says', async () => {
    const door = people.as(people.stranger)
    await people.as(people.root).admin.changeUser('stranger', { enabled: false })
    await expect(door.admin.users()).rejects.toMatchObject(failure('forbidden'))
    await people.as(people.root).admin.changeUser('stranger', { enabled: true })
  })
  test('an ACME account administers nothing', async () => {
    const door = world.core.as({ kind: 'acme-account', ref: 'a', name: 'a', people: [people.root.id] })
    await expect(door.admin.users()).rejects.toMatchObject(failure('forbidden'))
  })
  test('nothing to change is malformed', async () => {
    await expect(people.as(people.chief).admin.changeUser('alice', {})).rejects.toMatchObject(failure('malformed'))
  })

  describe('a setup link', () => {
    test('lets a new user set his password once', async () => {
      await people.as(people.chief).admin.createUser({ name: 'carol' })
      const { secret } = await people.as(people.chief).admin.createSetupLink('carol')
      expect(await world.core.authentication.usePasswordLink(secret, 'carols long password')).toBe('carol')
      await expect(world.core.authentication.usePasswordLink(secret, 'another long password')).rejects.toMatchObject(
        failure('unauthenticated'),
      )
      expect(await world.core.authentication.password('carol', 'carols long password')).toMatchObject({
        kind: 'user',
        name: 'carol',
      })
    })
    test('of somebody who has a password is made by no administrator and not by the local operator', async () => {
      await people.as(people.chief).admin.createUser({ name: 'dave' })
      await people.setPassword(await people.named('dave'))
      await expect(people.as(people.chief).admin.createSetupLink('dave')).rejects.toMatchObject(
        failure('forbidden', /password already/),
      )
      await expect(people.operator.admin.createSetupLink('dave')).rejects.toMatchObject(
        failure('forbidden', /password already/),
      )
      expect((await people.as(people.root).admin.createSetupLink('dave')).secret).toMatch(/^[\w-]{43}$/)
    })
    test('that the local operator makes is told in an alert and in the audit trail', async () => {
      await people.operator.admin.createUser({ name: 'erin' })
      await people.operator.admin.createSetupLink('erin')
      const alerts = await people.as(people.chief).admin.alerts()
      expect(alerts).toContainEqual(
        expect.objectContaining({ kind: 'local_operator', detail: expect.stringContaining('setup link for erin') }),
      )
      expect(await audited(world, 'user.by_local_operator')).toContainEqual(
        expect.objectContaining({ actor: expect.objectContaining({ kind: 'system', ref: 'cli' }) }),
      )
    })
    test('alert is closed by no local operator', async () => {
      const alerts = await people.operator.admin.alerts()
      const alert = alerts.find(({ kind }) => kind === 'local_operator')
      await expect(people.operator.admin.closeAlert(alert?.id ?? 0)).rejects.toMatchObject(failure('forbidden'))
      await people.as(people.chief).admin.closeAlert(alert?.id ?? 0)
    })
    test('of a user who is disabled is a conflict', async () => {
      await people.operator.admin.createUser({ name: 'frank' })
      await people.operator.admin.changeUser('frank', { enabled: false })
      await expect(people.operator.admin.createSetupLink('frank')).rejects.toMatchObject(failure('conflict'))
    })
    test('a superuser whom the local operator makes is told in an alert', async () => {
      await people.operator.admin.createUser({ name: 'rescue', superuser: true })
      const alerts = await people.as(people.root).admin.alerts()
      expect(alerts).toContainEqual(
        expect.objectContaining({ detail: expect.stringContaining('made rescue a superuser') }),
      )
    })
  })

  test('who knows his password replaces it; a wrong one changes nothing', async () => {
    await people.as(people.chief).admin.createUser({ name: 'grace' })
    const { secret } = await people.as(people.chief).admin.createSetupLink('grace')
    const { authentication } = world.core
    await authentication.usePasswordLink(secret, 'the first password')
    await expect(
      authentication.changePassword('grace', 'a wrong password', 'the second password'),
    ).rejects.toMatchObject(failure('unauthenticated'))
    await authentication.changePassword('grace', 'the first password', 'the second password')
    expect(await authentication.password('grace', 'the first password')).toBeUndefined()
    expect(await authentication.password('grace', 'the second password')).toBeDefined()
  })

  test('roles: made when first named, shown, taken back', async () => {
    const { admin } = people.as(people.chief)
    await admin.addToRole('alice', 'approvers')
    expect((await people.as(people.alice).admin.users())[0]?.roles).toEqual(['approvers'])
    await admin.removeFromRole('alice', 'approvers')
    expect((await people.as(people.alice).admin.users())[0]?.roles).toEqual([])
    await expect(admin.removeFromRole('alice', 'nobody')).rejects.toMatchObject(failure('notFound'))
    await expect(people.as(people.alice).admin.addToRole('alice', 'approvers')).rejects.toMatchObject(
      failure('forbidden'),
    )
  })

  test('capabilities: given, shown, taken back', async () => {
    const { admin } = people.as(people.chief)
    await admin.grant({ user: 'alice', capability: 'revoke_cert', authority: 'issuing' })
    expect((await people.as(people.alice).admin.users())[0]?.grants).toEqual([
      { capability: 'revoke_cert', authority: 'issuing', profile: null, role: null },
    ])
    expect(await admin.ungrant({ user: 'alice', capability: 'revoke_cert' })).toBe(1)
    expect((await people.as(people.alice).admin.users())[0]?.grants).toEqual([])
  })
  test('capabilities of a role reach its members', async () => {
    const { admin } = people.as(people.chief)
    await admin.addToRole('alice', 'readers')
    await admin.grant({ role: 'readers', capability: 'read' })
    expect((await people.as(people.alice).admin.users())[0]?.grants).toContainEqual({
      capability: 'read',
      authority: null,
      profile: null,
      role: 'readers',
    })
    await admin.ungrant({ role: 'readers', capability: 'read' })
  })
  test.each([
    ['nobody', { capability: 'read' }, 'malformed'],
    ['a user and a role', { user: 'alice', role: 'readers', capability: 'read' }, 'malformed'],
    ['a role that is not there', { role: 'none', capability: 'read' }, 'notFound'],
    ['an authority that is not there', { user: 'alice', capability: 'read', authority: 'none' }, 'notFound'],
    ['a profile that is not there', { user: 'alice', capability: 'read', profile: 'none' }, 'notFound'],
    ['a built-in profile', { user: 'alice', capability: 'read', profile: '@issuing/server' }, 'notFound'],
    ['somebody elsewhere', { user: 'stranger', capability: 'read' }, 'notFound'],
    ['no capability', { user: 'alice', capability: 'everything' as 'read' }, 'malformed'],
  ] as const)('a grant that names %s is refused', async (_, draft, code) => {
    await expect(people.as(people.chief).admin.grant({ ...draft })).rejects.toMatchObject(failure(code))
  })
  test('a plain user gives himself nothing', async () => {
    await expect(people.as(people.alice).admin.grant({ user: 'alice', capability: 'manage' })).rejects.toMatchObject(
      failure('forbidden'),
    )
  })
  test('an authority of this organization is given to nobody of another, also not by a superuser', async () => {
    await expect(
      people.as(people.root).admin.grant({ user: 'stranger', capability: 'read', authority: 'issuing' }),
    ).rejects.toMatchObject(failure('notFound'))
  })
})
