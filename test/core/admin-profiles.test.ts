import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createCore } from '../../src/core/door.ts'
import { Failure } from '../../src/core/failure.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const draft = (name: string) => ({ name, authority: 'issuing', settings: {}, protocols: {}, rules: {} })

describe.each(databases)('profiles and alerts, administered, on $name', ({ open }) => {
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

  test('an administrator makes one; again replaces all of it under the next version', async () => {
    const { admin } = people.as(people.chief)
    const settings = { certificate: { validity: { default: '30d', max: '60d' } } }
    const rules = { issue: [{ name: 'two', require: [{ roles: ['security'], quorum: 2 }], remember: '30d' }] }
    expect(await admin.saveProfile({ ...draft('web'), settings, rules })).toMatchObject({
      name: 'web',
      version: 1,
      organization: 'default',
      settings,
    })
    const second = await admin.saveProfile({ ...draft('web'), enabled: false })
    expect(second).toMatchObject({ version: 2, enabled: false, settings: {} })
    expect(second.rules.issue).toEqual([])
    expect((await audited(world, 'profile.changed')).at(-1)).toMatchObject({
      details: { name: 'web' },
      actor: { name: 'chief' },
    })
  })
  test('are seen by their organization, and none that is built in by anybody', async () => {
    await people
      .as(people.root)
      .admin.createAuthority({ name: 'below', key: 'P-256', subject: 'CN=Below', parent: 'root', validity: 86_400_000 })
    expect((await people.as(people.alice).admin.profiles()).map(({ name }) => name)).toEqual(['default', 'web'])
    expect((await people.operator.admin.profiles()).every(({ name }) => !name.startsWith('@'))).toBe(true)
    await expect(people.operator.admin.profile('@root/ca')).rejects.toMatchObject(failure('notFound'))
    expect(await people.as(people.stranger).admin.profiles()).toEqual([])
    await expect(people.as(people.stranger).admin.profile('default')).rejects.toMatchObject(failure('notFound'))
  })

  test.each([
    ['a name that begins with @', { name: '@root/ca' }, 'malformed', /name/],
    ['an authority that is not there', { authority: 'none' }, 'notFound', /authority/],
    ['settings that are not known', { settings: { certificate: { colour: 'red' } } }, 'malformed', /settings/],
    [
      'a default validity beyond the longest',
      { settings: { certificate: { validity: { default: '91d' } } } },
      'malformed',
      /validity/,
    ],
    ['a rule without an outcome', { rules: { issue: [{ name: 'x' }] } }, 'malformed', /rules\.issue\.0/],
    [
      'a condition that is no CEL',
      { rules: { issue: [{ name: 'x', when: 'protocol ==', auto: true }] } },
      'malformed',
      /./,
    ],
    ['rules of an unknown action', { rules: { destroy: [] } }, 'malformed', /rules/],
  ] as const)('with %s none is saved', async (_, change, code, detail) => {
    await expect(people.as(people.root).admin.saveProfile({ ...draft('bad'), ...change })).rejects.toMatchObject(
      failure(code, detail),
    )
  })
  test('options of protocols are the adapters’ word', async () => {
    const core = createCore(world.it, (protocols) => {
      if ('scep' in protocols) throw new Failure('malformed', 'protocols.scep: there is no such protocol')
    })
    const { admin } = core.as(asRequester(people.root))
    await expect(admin.saveProfile({ ...draft('bad'), protocols: { scep: {} } })).rejects.toMatchObject(
      failure('malformed', /protocols\.scep/),
    )
    expect(await admin.saveProfile({ ...draft('good'), protocols: { acme: {} } })).toMatchObject({
      protocols: { acme: {} },
    })
  })

  test('need manage on the authority to be made, and on the profile to be replaced', async () => {
    const { admin } = people.as(people.alice)
    await expect(admin.saveProfile(draft('alices'))).rejects.toMatchObject(failure('forbidden', /manage/))
    await people.give(people.alice, 'manage', { authorityId: (await loadAuthority(world.it, 'issuing')).id })
    expect(await admin.saveProfile(draft('alices'))).toMatchObject({ version: 1 })
  })
  test('who manages one profile moves it to no other authority, and no other profile', async () => {
    const bob = await people.operator.admin.createUser({ name: 'bob' })
    const user = await people.named(bob.name)
    await people.give(user, 'manage', { profileId: (await world.profile('web')).id })
    const { admin } = people.as(user)
    expect(await admin.saveProfile(draft('web'))).toMatchObject({ authority: 'issuing' })
    await expect(admin.saveProfile({ ...draft('web'), authority: 'root' })).rejects.toMatchObject(failure('forbidden'))
    await expect(admin.saveProfile(draft('default'))).rejects.toMatchObject(failure('forbidden'))
    await expect(admin.saveProfile(draft('bobs'))).rejects.toMatchObject(failure('forbidden'))
  })
  test('of another organization are not replaced under their name', async () => {
    await people
      .as(people.stranger)
      .admin.createAuthority({ name: 'theirs', key: 'P-256', subject: 'CN=Theirs', validity: 86_400_000 })
    await expect(
      people.as(people.stranger).admin.saveProfile({ ...draft('web'), authority: 'theirs' }),
    ).rejects.toMatchObject(failure('conflict'))
    await expect(
      people.as(people.root).admin.saveProfile({ ...draft('web'), authority: 'theirs' }),
    ).rejects.toMatchObject(failure('malformed', /another organization/))
    await expect(
      people.as(people.root).admin.saveProfile({ ...draft('web'), organization: 'elsewhere' }),
    ).rejects.toMatchObject(failure('conflict'))
  })

  describe('alerts', () => {
    const raise = (organizationId: number | null, detail: string) =>
      transaction(world.it.db, (db) =>
        raiseAlert(db, world.it.clock(), {
          kind: 'order_failed',
          organizationId,
          subject: { kind: 'sign_request', id: 7 },
          detail,
        }),
      )
    test('are seen and closed by an administrator of their organization, once', async () => {
      await raise(people.chief.organizationId, 'ours')
      const { admin } = people.as(people.chief)
      const [alert] = (await admin.alerts()).filter(({ detail }) => detail === 'ours')
      expect(alert).toMatchObject({ kind: 'order_failed', subject: 'sign_request 7' })
      await admin.closeAlert(alert?.id ?? 0)
      expect((await admin.alerts()).some(({ detail }) => detail === 'ours')).toBe(false)
      await expect(admin.closeAlert(alert?.id ?? 0)).rejects.toMatchObject(failure('notFound'))
      expect((await audited(world, 'alert.closed')).at(-1)).toMatchObject({ actor: { name: 'chief' } })
    })
    test('of nobody’s organization are for superusers', async () => {
      await raise(null, 'the installation')
      expect((await people.as(people.chief).admin.alerts()).some(({ detail }) => detail === 'the installation')).toBe(
        false,
      )
      const [alert] = (await people.as(people.root).admin.alerts()).filter(
        ({ detail }) => detail === 'the installation',
      )
      await expect(people.as(people.chief).admin.closeAlert(alert?.id ?? 0)).rejects.toMatchObject(failure('notFound'))
      await people.operator.admin.closeAlert(alert?.id ?? 0)
    })
    test('are nothing for a plain user', async () => {
      await expect(people.as(people.alice).admin.alerts()).rejects.toMatchObject(failure('forbidden'))
    })
  })
})
