import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeDraft } from '../../src/core/enrolment/challengeAdmin.ts'
import { endedChallenges, forgetChallenges, oldUses } from '../../src/core/enrolment/challengeRetention.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { enrol, newDevice } from '../helpers/challenges.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { queryPlan } from '../helpers/queryPlan.ts'
import { createWorld, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('challenges that ended long ago, on $name', ({ open }) => {
  let db: Database
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, close } = await open())
    world = await createWorld(db)
    people = await createPeople(world)
    const slow = [{ name: 'people look', require: [{ owner: true, expires: '365d' }] }]
    profile = await world.save('devices', { rules: { issue: slow } })
  })
  afterAll(() => close())

  const admin = () => people.as(people.chief).admin
  const create = (draft: Partial<ChallengeDraft> = {}) => admin().createChallenge({ profile: 'devices', ...draft })
  const forget = (batch?: number) => forgetChallenges(db, world.time.now, batch)
  const listed = async () => (await admin().challenges({ all: true })).map(({ uuid }) => uuid)
  const uses = async () =>
    (await withTables<CoreTables>(db).selectFrom('challenge_uses').select('spki_hash').execute()).length

  test('one that was used, and one that was revoked, are shown for 90 days after their end', async () => {
    const used = await create()
    const revoked = await create({ expiresAt: new Date(world.time.now.getTime() + 300 * day) })
    const good = await create({ expiresAt: new Date(world.time.now.getTime() + 300 * day) })
    const { request } = await enrol(world, profile, newDevice(used.challenge, ['used.example.org']))
    await people.as(people.root).approvals.cancel('sign', request.id, 'not needed')
    await admin().revokeChallenge(revoked.view.uuid)
    world.time.pass(89 * day)
    expect(await forget()).toBe(0)
    expect(await listed()).toEqual(expect.arrayContaining([used.view.uuid, revoked.view.uuid, good.view.uuid]))
    world.time.pass(2 * day)
    expect(await forget()).toBe(2)
    expect(await listed()).toEqual([good.view.uuid])
    expect(await uses()).toBe(0)
  })

  test('one with which something waits stays, so that revoking it withdraws that', async () => {
    const { challenge, view } = await create()
    const { request } = await enrol(world, profile, newDevice(challenge, ['waits.example.org']))
    world.time.pass(200 * day)
    await forget()
    expect(await listed()).toContain(view.uuid)
    await admin().revokeChallenge(view.uuid)
    expect((await people.operator.list.request(request.id)).status).toBe('canceled')
    world.time.pass(91 * day)
    await forget()
    expect(await listed()).not.toContain(view.uuid)
  })

  test('which keys used a static one is known for 90 days; the challenge goes on', async () => {
    const own = await world.save('static', {})
    await admin().setStaticChallenge({ profile: 'static', challenge: 'a chosen passphrase' })
    const one = newDevice('a chosen passphrase', ['static.example.org'])
    await enrol(world, own, one)
    const before = await uses()
    world.time.pass(89 * day)
    await forget()
    expect(await uses()).toBe(before)
    world.time.pass(2 * day)
    await forget()
    expect(await uses()).toBe(before - 1)
    await enrol(world, own, newDevice('a chosen passphrase', ['static2.example.org']))
  })

  test('what is forgotten is as unknown as any other', async () => {
    const { challenge } = await create()
    world.time.pass(91 * day)
    await forget()
    await expect(enrol(world, profile, newDevice(challenge, ['x.example.org']))).rejects.toMatchObject(
      failure('forbidden', /not good/),
    )
  })

  test('some at a time, past those that stay', async () => {
    const waiting = await create()
    await enrol(world, profile, newDevice(waiting.challenge, ['stays.example.org']))
    for (let at = 0; at < 5; at++) await create()
    world.time.pass(91 * day)
    expect(await forget(2)).toBe(5)
    expect(await listed()).toContain(waiting.view.uuid)
  })
})

test('are found by indexes', async () => {
  const { db, url, close } = (await databases.find(({ name }) => name === 'sqlite')?.open()) ?? {}
  if (!db || !url || !close) throw new Error('no SQLite')
  const tables = withTables<CoreTables>(db)
  for (const end of ['expires_at', 'revoked_at'] as const) {
    const query = endedChallenges(tables, end, { place: { at: 5, id: 1 }, cutoff: 10, batch: 200 })
    expect(queryPlan(url, query.compile())).toEqual([
      expect.stringMatching(new RegExp(`^SEARCH challenges USING .*INDEX challenges_by_${end}_id`)),
    ])
  }
  const [first] = queryPlan(url, oldUses(tables, 10, 200).compile())
  expect(first).toMatch(/^SEARCH challenge_uses USING .*INDEX challenge_uses_by_created_at/)
  await close()
})
