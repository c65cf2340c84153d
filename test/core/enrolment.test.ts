import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createOrganization, createUser, type User } from '../../src/core/identity/identity.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const password = 'eight888'

describe.each(databases)('enrolment by name and password on $name', ({ open }) => {
  let world: World
  let profile: RaProfile
  let close: () => Promise<void>
  let clerk: User
  let stranger: User

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    profile = await world.save('enrolled', { rules: { issue: [{ name: 'all', auto: true }] } })
    const change = { actor: system('test'), at: world.time.now }
    const { organizationId } = profile
    await transaction(opened.db, async (db) => {
      clerk = await createUser(db, change, { name: 'clerk', organizationId })
      await grantCapability(db, change, { capability: 'create_cert', to: { userId: clerk.id }, organizationId })
      const elsewhere = await createOrganization(db, change, 'elsewhere')
      stranger = await createUser(db, change, { name: 'stranger', organizationId: elsewhere.id, admin: true })
    })
  })
  afterAll(() => close())

  const door = (user = clerk, source = '192.0.2.1') => world.core.as({ ...asRequester(user), source })
  const place = (name: string) => ({ profile, name })

  it('lets only users of the organization with a capability', async () => {
    await door().enrolment.require(profile, 'manage', 'create_cert')
    const refused = [
      () => door().enrolment.require(profile, 'manage'),
      () => door(stranger).enrolment.require(profile, 'manage', 'create_cert'),
      () => world.core.as(acmeAccount()).enrolment.require(profile, 'create_cert'),
    ]
    for (const ask of refused) await expect(ask()).rejects.toMatchObject({ code: 'forbidden' })
  })

  it.each(['seven77', 'x'.repeat(201)])('hashes no password of that length: %s', async (given) => {
    await expect(door().enrolment.hash(given)).rejects.toMatchObject({ code: 'malformed' })
  })

  it('knows the right password, however its letters are composed, and none where there is none', async () => {
    const { enrolment } = door()
    const stored = await enrolment.hash('caf\u00e9 noir')
    expect(stored).toMatch(/^\$argon2id\$/)
    expect(await enrolment.matches(place('a'), stored, 'cafe\u0301 noir')).toBe(true)
    expect(await enrolment.matches(place('a'), stored, 'cafe noir')).toBe(false)
    expect(await enrolment.matches(place('a'), undefined, '')).toBe(false)
  })

  it('looks at ten wrong passwords for a name in an hour, also of many at once, and forgives on demand', async () => {
    const { enrolment } = door(clerk, '198.51.100.1')
    const stored = await enrolment.hash(password)
    const tries = await Promise.allSettled(
      Array.from({ length: 14 }, () => enrolment.matches(place('b'), stored, 'wrong one')),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled').length).toBe(10)
    const elsewhere = door(clerk, '203.0.113.9').enrolment
    await expect(elsewhere.matches(place('b'), stored, password)).rejects.toMatchObject({ code: 'rateLimited' })
    expect(await enrolment.matches(place('c'), stored, password)).toBe(true)
    await transaction(world.it.db, (db) => enrolment.forgive(db, place('b')))
    expect(await enrolment.matches(place('b'), stored, password)).toBe(true)
  })

  it('tells what became of each order, of a thousand names too', async () => {
    const { request } = await door().sign({
      profile,
      protocol: 'test',
      action: 'issue',
      origin: { protocol: 'test', ref: 'there' },
      csr: await newCsr(['a.test']),
      refusal: 'throw',
    })
    const refs = Array.from({ length: 1001 }, (_, i) => (i === 777 ? 'there' : `none-${i}`))
    const found = await door().enrolment.outcomes('test', refs)
    expect([...found.keys()]).toEqual(['there'])
    expect(found.get('there')).toMatchObject({
      id: request.id,
      uuid: request.uuid,
      status: 'signed',
      certificate: { status: 'issued' },
    })
    expect(await door().enrolment.outcomes('other', ['there'])).toEqual(new Map())
  })
})
