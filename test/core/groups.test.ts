import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('groups on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await people.as(people.chief).admin.createUser({ name: 'bob' })
  })
  afterAll(() => close())

  const groups = () => people.as(people.chief).groups

  it('are made, changed and deleted by administrators, and told in the audit trail', async () => {
    const made = await groups().create({ name: 'web', description: 'who runs the web', email: 'web@example.org' })
    expect(made).toMatchObject({ name: 'web', organization: 'default', email: 'web@example.org', members: [] })
    await groups().addMember({ name: 'web' }, 'alice')
    await groups().addMember({ name: 'web' }, 'alice')
    const changed = await groups().change({ uuid: made.uuid }, { name: 'web team', email: null })
    expect(changed).toMatchObject({
      name: 'web team',
      description: 'who runs the web',
      email: null,
      members: ['alice'],
    })
    expect(await groups().list()).toEqual([changed])
    await groups().removeMember({ uuid: made.uuid }, 'alice')
    await groups().removeMember({ uuid: made.uuid }, 'alice')
    await groups().addMember({ uuid: made.uuid }, 'bob')
    await groups().delete({ name: 'web team' })
    expect(await groups().list()).toEqual([])
    for (const [action, times] of Object.entries({ member_added: 2, member_removed: 1, deleted: 1, changed: 1 }))
      expect(await audited(world, `group.${action}`)).toHaveLength(times)
  })

  it('refuse a name twice, bad names and addresses, and an empty change', async () => {
    const { uuid } = await groups().create({ name: 'one' })
    await groups().create({ name: 'other' })
    await expect(groups().create({ name: 'one' })).rejects.toMatchObject(failure('conflict', /a group one already/))
    await expect(groups().change({ uuid }, { name: 'other' })).rejects.toMatchObject(failure('conflict'))
    await expect(groups().change({ uuid }, {})).rejects.toMatchObject(failure('malformed', /nothing to change/))
    for (const draft of [
      { name: ' x' },
      { name: '' },
      { name: 'x', email: 'none' },
      { name: 'x', description: 'a\u0000b' },
    ])
      await expect(groups().create(draft)).rejects.toMatchObject(failure('malformed'))
  })

  it('have custom attributes, held against what is defined for groups', async () => {
    const { inventory } = people.as(people.chief)
    const attribute = (name: string, data: unknown, contentType = 'string') => ({
      name,
      contentType,
      content: [{ data }],
    })
    const definition = { label: 'Cost', contentType: 'integer', constraints: { range: { from: 1 } } } as const
    await inventory.attributes.add({ ...definition, name: 'cost', resources: ['groups', 'locations', 'groups'] })
    expect(await inventory.attributes.list()).toMatchObject([{ name: 'cost', resources: ['groups', 'locations'] }])
    const { uuid } = await groups().create({ name: 'priced', attributes: [attribute('cost', 7, 'integer')] })
    const read = async () => (await groups().list()).find((group) => group.uuid === uuid)?.attributes
    expect(await read()).toMatchObject([{ name: 'cost', label: 'Cost', content: [{ data: 7 }] }])
    for (const wrong of [[attribute('cost', 0, 'integer')], [attribute('cost', '7')], 'none', [attribute('x', 1)]])
      await expect(groups().change({ uuid }, { attributes: wrong })).rejects.toMatchObject(failure('malformed'))
    await groups().change({ uuid }, { attributes: [attribute('room', 'east')] })
    expect(await read()).toMatchObject([{ name: 'room' }])
    const told = await audited(world, 'group.changed')
    expect(told.at(-1)).toMatchObject({ details: { attributes: ['room'] } })
    expect(JSON.stringify(told)).not.toContain('east')
  })

  it('of one name made at once are one', async () => {
    const calls = await Promise.allSettled([1, 2, 3].map(() => groups().create({ name: 'raced' })))
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const call of calls) if (call.status === 'rejected') expect(call.reason).toMatchObject(failure('conflict'))
  })

  it('are seen by users of their organization, their members by administrators and members', async () => {
    await groups().create({ name: 'seen' })
    await groups().addMember({ name: 'seen' }, 'bob')
    const find = async (name: string) =>
      (await people.as(await people.named(name)).groups.list()).find((group) => group.name === 'seen')
    expect((await find('alice'))?.members).toBeNull()
    expect((await find('bob'))?.members).toEqual(['bob'])
    expect(await find('stranger')).toBeUndefined()
  })

  it('are changed by nobody else, and are as good as not there elsewhere', async () => {
    const { uuid } = await groups().create({ name: 'kept' })
    const alice = people.as(people.alice).groups
    await expect(alice.create({ name: 'mine' })).rejects.toMatchObject(failure('forbidden', /administrator/))
    await expect(alice.addMember({ uuid }, 'alice')).rejects.toMatchObject(failure('forbidden'))
    const stranger = people.as(people.stranger).groups
    for (const ref of [{ uuid }, { name: 'kept' }, { uuid: '00000000-0000-7000-8000-000000000000' }]) {
      const refused = failure('notFound', /^there is no such group$/)
      await expect(stranger.delete(ref)).rejects.toMatchObject(refused)
      await expect(stranger.change(ref, { name: 'theirs' })).rejects.toMatchObject(refused)
      await expect(stranger.addMember(ref, 'stranger')).rejects.toMatchObject(refused)
    }
    await expect(groups().addMember({ uuid }, 'stranger')).rejects.toMatchObject(failure('notFound', /no user/))
    await expect(world.core.as(acmeAccount()).groups.list()).rejects.toMatchObject(failure('forbidden'))
  })

  it('give votes: whoever is put into one by the local operator is told to administrators', async () => {
    const before = (await audited(world, 'user.by_local_operator')).length
    await world.core.as(system('cli')).groups.addMember({ name: 'kept' }, 'bob')
    expect(await audited(world, 'user.by_local_operator')).toHaveLength(before + 1)
  })

  it('are named by rules; one that is not there, or has nobody, is warned of', async () => {
    const profile = await people.as(people.chief).admin.profile('default')
    const rules = (step: unknown) => ({ issue: [{ name: 'by group', require: [step] }] })
    const save = (step: unknown) =>
      people.as(people.chief).admin.saveProfile({ ...profile, name: 'grouped', rules: rules(step) })
    const { warnings } = await save({ groups: ['nobody'], escalate: { after: '1d', groups: ['none'] } })
    expect(warnings).toEqual([
      'issue, rule by group: nobody is in a group nobody',
      'issue, rule by group: nobody is in a group none',
    ])
    expect((await save({ groups: ['kept'] })).warnings).toEqual([])
    const csr = await newCsr(['group.test'])
    const draft = { profile: await world.profile('grouped'), protocol: 'acme', action: 'issue', csr } as const
    const { request } = await world.core.as(acmeAccount()).sign({ ...draft, refusal: 'store' })
    const alice = people.as(people.alice).approvals
    await expect(alice.review('sign', request.id)).rejects.toMatchObject(failure('forbidden'))
    const bob = people.as(await people.named('bob')).approvals
    const { hash, mayApprove } = await bob.review('sign', request.id)
    expect(mayApprove).toEqual(['bob'])
    await groups().removeMember({ name: 'kept' }, 'bob')
    await expect(bob.vote('sign', request.id, { verdict: 'approve', hash })).rejects.toMatchObject(
      failure('forbidden', /not among those/),
    )
    await groups().addMember({ name: 'kept' }, 'bob')
    expect(await bob.vote('sign', request.id, { verdict: 'approve', hash })).toEqual({ status: 'signed' })
  })

  it('are as the audit trail tells', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
