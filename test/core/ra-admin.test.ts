import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decisionId, decisionUuid } from '../../src/core/approval/decisionRecords.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { OptionSet } from '../../src/core/profile/optionSets.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const NONE = '01890000-0000-7000-8000-000000000000'

describe.each(databases)('profiles, options, plans and decisions for programs, on $name', ({ open }) => {
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

  const profile = async (name: string, protocols: Record<string, unknown> = {}) =>
    people.as(people.chief).raProfiles.create({ name, authority: 'issuing', settings: {}, protocols, rules: {} })

  test('two changes of a profile at once both count, each on what the other left', async () => {
    const { uuid } = await profile('both', { acme: {} })
    const { raProfiles } = people.as(people.chief)
    const add = (name: string) => () =>
      raProfiles.change(uuid, ({ protocols }) => ({ protocols: { ...protocols, [name]: {} } }))
    await Promise.all(['est', 'scep', 'ra'].map((name) => add(name)()))
    const { protocols, version } = await raProfiles.find(uuid)
    expect(Object.keys(protocols).sort()).toEqual(['acme', 'est', 'ra', 'scep'])
    expect(version).toBe(4)
    expect((await raProfiles.change(uuid, () => ({ enabled: true }))).version).toBe(4)
  })

  test('a removed profile is nobody’s any more, its name is free, and the audit trail knows', async () => {
    const { uuid } = await profile('short')
    const { raProfiles, admin } = people.as(people.chief)
    await expect(people.as(people.alice).raProfiles.remove(uuid)).rejects.toMatchObject(failure('forbidden'))
    await expect(people.as(people.stranger).raProfiles.remove(uuid)).rejects.toMatchObject(failure('notFound'))
    await raProfiles.remove(uuid)
    await expect(raProfiles.find(uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(raProfiles.remove(uuid)).rejects.toMatchObject(failure('notFound'))
    expect((await admin.profiles()).some(({ name }) => name.includes('short') || name.startsWith('@'))).toBe(false)
    await expect(world.core.as(acmeAccount()).profile('short', 'acme')).rejects.toMatchObject(failure('notFound'))
    expect((await profile('short')).uuid).not.toBe(uuid)
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    expect(problems).toEqual([])
  })

  test('options of a set go into profiles as a merge patch, and out of them with it', async () => {
    const { uuid, id } = await profile('patched', {
      acme: { externalAccountRequired: true, website: 'https://a.test/' },
    })
    const { optionSets, raProfiles } = people.as(people.chief)
    const options = { website: null, orderLifetime: '1h' }
    const set: OptionSet = await optionSets.create({ protocol: 'acme', name: 'one', enabled: true, options })
    await optionSets.activate('acme', uuid, set.uuid)
    const acme = async () => (await raProfiles.find(uuid)).protocols.acme
    expect(await acme()).toEqual({ externalAccountRequired: true, orderLifetime: '1h' })
    await optionSets.change('acme', set.uuid, { enabled: false })
    expect(await acme()).toBeUndefined()
    await optionSets.change('acme', set.uuid, { options: { orderLifetime: '2h' } })
    expect(await acme()).toBeUndefined()
    await optionSets.change('acme', set.uuid, { enabled: true })
    expect(await acme()).toEqual({ externalAccountRequired: true, orderLifetime: '2h' })
    await expect(optionSets.remove('acme', set.uuid)).rejects.toMatchObject(failure('conflict', /patched/))
    await optionSets.remove('acme', set.uuid, true)
    expect(await acme()).toBeUndefined()
    expect(await optionSets.of('acme', { id })).toBeUndefined()
    await optionSets.activate('acme', uuid)
    expect(await acme()).toEqual({ externalAccountRequired: true, orderLifetime: '2h' })
    await expect(optionSets.find('scep', set.uuid)).rejects.toMatchObject(failure('notFound'))
  })

  test('who manages one profile alone changes no set that others use', async () => {
    const { id } = await profile('alices')
    await people.give(people.alice, 'manage', { profileId: id })
    const alice = people.as(people.alice)
    const set = await people.as(people.chief).optionSets.create({ protocol: 'acme', name: 'shared', options: {} })
    for (const run of [
      () => alice.optionSets.create({ protocol: 'acme', name: 'mine', options: {} }),
      () => alice.optionSets.change('acme', set.uuid, { enabled: true }),
      () => alice.optionSets.remove('acme', set.uuid),
      () => alice.approvalPlans.create({ name: 'mine', steps: [] }),
    ])
      await expect(run()).rejects.toMatchObject(failure('forbidden'))
    expect((await alice.optionSets.list('acme')).map(({ name }) => name)).toContain('shared')
  })

  test('an approval plan asks by its rule, under the name by which it is found again', async () => {
    const { uuid } = await profile('planned', { acme: {} })
    const { approvalPlans, raProfiles } = people.as(people.chief)
    const plan = await approvalPlans.create({
      name: 'alice looks',
      hours: 5,
      steps: [{ who: { kind: 'user', uuid: people.alice.uuid }, quorum: 1 }],
    })
    await approvalPlans.associate(plan.uuid, uuid)
    await expect(approvalPlans.associate(plan.uuid, uuid)).rejects.toMatchObject(failure('conflict'))
    await raProfiles.change(uuid, () => ({ enabled: true }))
    const door = world.core.as(acmeAccount())
    const { request } = await door.sign({
      profile: await world.profile('planned'),
      protocol: 'acme',
      csr: await newCsr(['p.test']),
      identifiers: [{ type: 'dns', value: 'p.test' }],
      action: 'issue',
      refusal: 'throw',
    })
    const [row, ...more] = await people.as(people.alice).decisions.about(request.uuid)
    expect(more).toEqual([])
    expect(row).toMatchObject({
      status: 'waiting',
      rule: 'approval plan alice looks',
      plan: { uuid: plan.uuid, version: 1 },
      object: request.uuid,
      profile: { name: 'planned' },
    })
    const detail = await people.as(people.alice).decisions.find(row?.uuid ?? '')
    expect(detail).toMatchObject({
      able: [{ name: 'alice' }],
      viewer: { behind: false, expected: true },
      steps: [{ quorum: 1, hours: 5, users: [{ uuid: people.alice.uuid }] }],
    })
    const page = { page: 1, limit: 10 }
    expect(await people.as(people.alice).decisions.list({ ...page, mine: 'open' })).toMatchObject({ total: 1 })
    expect(await people.as(people.chief).decisions.list({ ...page, mine: 'open' })).toMatchObject({ total: 0 })
    expect(await people.as(people.chief).decisions.list(page)).toMatchObject({ total: 1, rows: [{ uuid: row?.uuid }] })
    expect(await people.as(people.stranger).decisions.list(page)).toEqual({ total: 0, rows: [] })
    await expect(people.as(people.stranger).decisions.find(row?.uuid ?? '')).rejects.toMatchObject(failure('notFound'))
    await expect(people.as(people.alice).decisions.find(NONE)).rejects.toMatchObject(failure('notFound'))
    await expect(approvalPlans.remove(plan.uuid)).rejects.toMatchObject(failure('conflict', /refer to/))
    await approvalPlans.dissociate(plan.uuid, uuid)
    await expect(approvalPlans.dissociate(plan.uuid, uuid)).rejects.toMatchObject(failure('notFound'))
  })

  test.each([
    ['no steps', { steps: [] }],
    ['a quorum of 21', { steps: [{ quorum: 21 }] }],
    ['a million hours', { steps: [{ quorum: 1 }], hours: 1_000_000 }],
  ])('an approval plan of %s is refused', async (_, { steps, ...rest }) => {
    const who = { kind: 'user', uuid: people.alice.uuid } as const
    const draft = { name: 'refused', ...rest, steps: steps.map((step) => ({ who, ...step })) }
    await expect(people.as(people.chief).approvalPlans.create(draft)).rejects.toMatchObject(failure('malformed'))
  })

  test('a plan names nobody of another organization', async () => {
    const steps = [{ who: { kind: 'user', uuid: people.stranger.uuid } as const, quorum: 1 }]
    const { approvalPlans } = people.as(people.chief)
    await expect(approvalPlans.create({ name: 'foreign', steps })).rejects.toMatchObject(failure('notFound'))
  })
})

test('the name of a decision is its own, and no other text is one', () => {
  for (const id of [1, 4711, 2 ** 40]) expect(decisionId(decisionUuid(id))).toBe(id)
  expect(decisionUuid(1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  const name = decisionUuid(1)
  for (const text of [name.toUpperCase(), `${name} `, name.replace('1-8', '2-8'), NONE, '', 'zz'])
    expect(decisionId(text)).toBeUndefined()
})
