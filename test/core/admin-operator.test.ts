import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('the local operator on $name', ({ open }) => {
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

  const profile = (door: Door, rules: unknown, authority = 'issuing') =>
    door.admin.saveProfile({ name: 'web', authority, settings: {}, protocols: {}, rules })

  const auto = { issue: [{ name: 'all', auto: true }] }
  const deeds: [string, (door: Door) => Promise<unknown>, RegExp, string][] = [
    ['makes a profile with rules', (door) => profile(door, auto), /made the profile web/, 'profile'],
    ['changes rules', (door) => profile(door, {}), /changed the rules of the profile web/, 'profile'],
    ['moves a profile', (door) => profile(door, {}, 'root'), /moved the profile web/, 'profile'],
    [
      'names an owner',
      (door) => door.admin.changeAuthority('issuing', { owner: 'alice' }),
      /made alice the owner/,
      'authority',
    ],
    ['gives a role', (door) => door.admin.addToRole('alice', 'security'), /alice into the role security/, 'user'],
    [
      'grants to a user',
      (door) => door.admin.grant({ user: 'alice', capability: 'manage' }),
      /manage to alice/,
      'user',
    ],
    [
      'grants to a role',
      (door) => door.admin.grant({ role: 'security', capability: 'approve' }),
      /the role security/,
      'installation',
    ],
  ] // prettier-ignore
  test.each(deeds)('who %s is told of, in an alert and in the audit trail', async (_, deed, detail, subject) => {
    await deed(people.operator)
    const told = expect.objectContaining({ kind: 'local_operator', detail: expect.stringMatching(detail) })
    expect(await people.as(people.root).admin.alerts()).toContainEqual(told)
    expect(await audited(world, `${subject}.by_local_operator`)).toContainEqual(
      expect.objectContaining({ details: { what: expect.stringMatching(detail) } }),
    )
  })

  test('a person who does the same raises none', async () => {
    const before = await people.as(people.root).admin.alerts()
    for (const [, deed] of deeds) await deed(people.as(people.root))
    expect(await people.as(people.root).admin.alerts()).toHaveLength(before.length)
  })

  test('and settings alone raise none', async () => {
    const before = await people.as(people.root).admin.alerts()
    await people.operator.admin.changeAuthority('issuing', { owner: 'alice', enabled: true })
    await profile(people.operator, {}, 'root')
    expect(await people.as(people.root).admin.alerts()).toHaveLength(before.length)
  })

  test('takes away no revocation that somebody asked for', async () => {
    const rules = { ...auto, revoke: [{ name: 'one', require: [{ users: ['alice'] }] }] }
    const door = world.core.as(acmeAccount())
    const csr = await newCsr(['a.test'])
    const draft = { profile: await world.save('slow', { rules }), protocol: 'acme', action: 'issue', csr } as const
    const { request } = await door.sign({ ...draft, validated: csr.identifiers, refusal: 'throw' })
    const { id } = await door.revoke({ protocol: 'acme', certificate: request.id, grounds: 'account' })
    const { approvals } = world.core.as(system('cli'))
    await expect(approvals.cancel('revoke', id)).rejects.toMatchObject(failure('forbidden', /by a person/))
    await expect(approvals.markFailed('revoke', id, 'x')).rejects.toMatchObject(failure('forbidden', /by a person/))
    await people.as(people.chief).approvals.cancel('revoke', id)
  })
})
