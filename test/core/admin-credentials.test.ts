import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credential } from '../../src/core/enrolment/credential.ts'
import type { CredentialDraft } from '../../src/core/enrolment/credentialAdmin.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('credentials, administered, on $name', ({ open }) => {
  let db: Database
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, close } = await open())
    world = await createWorld(db)
    people = await createPeople(world)
    profile = await world.profile()
  })
  afterAll(() => close())

  const create = (draft: Partial<CredentialDraft> = {}, by = people.as(people.chief)) =>
    by.admin.createCredential({ kind: 'eab', profile: 'default', ...draft })
  async function found(name: string, of = profile): Promise<Credential> {
    const credential = await world.core.as(acmeAccount()).credential(of, 'eab', name)
    if (!credential) throw new Error('no such credential')
    return credential
  }
  describe('making one', () => {
    test('gives 64 octets in base64url, which are stored sealed and shown nowhere again', async () => {
      const { secret, view } = await create({ note: 'for the web team' })
      expect(secret).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{85}$/)
      expect(view).toMatchObject({
        kind: 'eab',
        name: view.uuid,
        profile: 'default',
        identifiers: null,
        singleUse: false,
        note: 'for the web team',
        createdBy: 'chief',
        expiresAt: null,
        usedAt: null,
        usedBy: null,
        revokedAt: null,
      })
      const listed = await people.as(people.chief).admin.credentials({ profile: 'default', kind: 'eab' })
      expect(JSON.stringify(listed)).not.toContain(secret)
      const row = await withTables<CoreTables>(db)
        .selectFrom('credentials')
        .selectAll()
        .where('uuid', '=', view.uuid)
        .executeTakeFirstOrThrow()
      expect(row.sealed.includes(Buffer.from(secret, 'base64url').subarray(0, 8))).toBe(false)
      expect((await audited(world, 'credential.created')).at(-1)).toMatchObject({
        subject_kind: 'credential',
        subject_id: row.id,
        actor: { name: 'chief' },
        details: { kind: 'eab', name: view.uuid, profile: 'default', singleUse: false },
      })
    })

    test('needs manage on the profile', async () => {
      const alice = people.as(people.alice)
      await expect(create({}, alice)).rejects.toMatchObject(failure('forbidden', /manage/))
      await world.save('hers', {})
      const hers = await world.profile('hers')
      await people.give(people.alice, 'manage', { profileId: hers.id })
      expect((await create({ profile: 'hers' }, alice)).view.createdBy).toBe('alice')
      await expect(create({}, alice)).rejects.toMatchObject(failure('forbidden'))
    })

    test('needs a user, since nobody stands behind the data folder', async () => {
      await expect(create({}, people.operator)).rejects.toMatchObject(failure('forbidden', /made by a user/))
      await expect(create({}, world.core.as(acmeAccount()))).rejects.toMatchObject(failure('forbidden'))
    })

    test('a profile of another organization is not found, nor one that is built in', async () => {
      await expect(create({}, people.as(people.stranger))).rejects.toMatchObject(failure('notFound'))
      const builtin = await withTables<CoreTables>(db)
        .selectFrom('ra_profiles')
        .select('name')
        .where('builtin', '=', 1)
        .executeTakeFirstOrThrow()
      await expect(create({ profile: builtin.name }, people.as(people.root))).rejects.toMatchObject(failure('notFound'))
      await expect(create({ profile: 'nothing' })).rejects.toMatchObject(failure('notFound'))
    })

    test('a name is taken once in a profile', async () => {
      await create({ name: 'acme-corp' })
      await expect(create({ name: 'acme-corp' })).rejects.toMatchObject(failure('conflict', /acme-corp/))
      await world.save('second', {})
      expect((await create({ name: 'acme-corp', profile: 'second' })).view.name).toBe('acme-corp')
    })

    test.each(['', ' ', '-dash', 'with space', 'ünicode', '"quoted"', 'a\u0000', 'x'.repeat(100)])(
      'the name %j is malformed',
      async (name) => {
        await expect(create({ name })).rejects.toMatchObject(failure('malformed'))
        expect(await world.core.as(acmeAccount()).credential(profile, 'eab', name)).toBeUndefined()
      },
    )

    test.each([
      { dns: 'a.example.org' },
      { dns: [''] },
      { ip: ['192.0.2.0/33'] },
      { ip: ['a.example.org'] },
      { other: [] },
      'a.example.org',
      null,
    ])('the identifiers %j are malformed', async (identifiers) => {
      await expect(create({ identifiers })).rejects.toMatchObject(failure('malformed', /identifiers/))
    })

    test('an end in the past is malformed', async () => {
      await expect(create({ expiresAt: world.time.now })).rejects.toMatchObject(failure('malformed'))
    })
  })

  describe('revoking one', () => {
    test('needs manage; another organization’s is not found, nor one that is revoked', async () => {
      const { view } = await create()
      await expect(people.as(people.alice).admin.revokeCredential(view.uuid)).rejects.toMatchObject(
        failure('forbidden'),
      )
      const stranger = people.as(people.stranger).admin
      await expect(stranger.revokeCredential(view.uuid)).rejects.toMatchObject(failure('notFound'))
      await people.operator.admin.revokeCredential(view.uuid)
      await expect(people.operator.admin.revokeCredential(view.uuid)).rejects.toMatchObject(failure('notFound'))
      expect((await audited(world, 'credential.revoked')).at(-1)).toMatchObject({ actor: { kind: 'system' } })
    })

    test('ends what was enrolled with it', async () => {
      const { view } = await create()
      const { id } = await found(view.name)
      const door = world.core.as(acmeAccount())
      expect(await door.admitCredential(db, id, [])).toEqual({ bound: false })
      await people.as(people.chief).admin.revokeCredential(view.uuid)
      await expect(door.admitCredential(db, id, [])).rejects.toMatchObject(failure('forbidden', /revoked/))
    })
  })

  test('the list shows those of profiles that one manages', async () => {
    const { view } = await create()
    const sees = async (door = people.operator) =>
      (await door.admin.credentials()).some(({ uuid }) => uuid === view.uuid)
    expect(await sees()).toBe(true)
    expect(await sees(people.as(people.root))).toBe(true)
    expect(await sees(people.as(people.alice))).toBe(false)
    expect(await sees(people.as(people.stranger))).toBe(false)
    expect(await sees(world.core.as(asRequester(people.chief)))).toBe(true)
    await expect(sees(world.core.as(acmeAccount()))).rejects.toMatchObject(failure('forbidden'))
    expect(await world.core.as(system('cli')).admin.credentials({ profile: 'nothing' })).toEqual([])
  })
})
