import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeDraft } from '../../src/core/enrolment/challengeAdmin.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Requester } from '../../src/core/requester.ts'
import { enrol, grantFor, newDevice } from '../helpers/challenges.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('administering challenges on $name', ({ open }) => {
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    profile = await world.profile()
  })
  afterAll(() => close())

  const chief = () => people.as(people.chief).admin
  const create = (draft: Partial<ChallengeDraft> = {}, by = people.as(people.chief)) =>
    by.admin.createChallenge({ profile: 'default', ...draft })

  test('gives 32 hexadecimal digits and says who made it for what', async () => {
    const draft = { subject: 'CN=a', identifiers: { dns: ['a.example.org'] }, uses: 3, note: 'lobby' }
    const { challenge, view } = await create(draft)
    expect(challenge).toMatch(/^[0-9A-F]{32}$/)
    const expiresAt = new Date(world.time.now.getTime() + 3_600_000)
    const shown = { ...draft, kind: 'once', used: 0, createdBy: 'chief', expiresAt, usedAt: null, revokedAt: null }
    expect(view).toMatchObject(shown)
    const listed = await chief().challenges({ profile: 'default' })
    expect(listed[0]).toEqual(view)
    const [row] = (await audited(world, 'challenge.created')).slice(-1)
    expect(row).toMatchObject({ actor: { name: 'chief' }, details: { kind: 'once', profile: 'default', uses: 3 } })
  })

  test('needs manage on the profile, for all of it', async () => {
    const alice = people.as(people.alice)
    const { view } = await create()
    const refused = failure('forbidden', /manage/)
    await expect(create({}, alice)).rejects.toMatchObject(refused)
    const chosen = { profile: 'default', challenge: 'a chosen passphrase' }
    await expect(alice.admin.setStaticChallenge(chosen)).rejects.toMatchObject(refused)
    await expect(alice.admin.createWebhookSecret('default')).rejects.toMatchObject(refused)
    await expect(alice.admin.revokeChallenge(view.uuid)).rejects.toMatchObject(failure('notFound'))
    expect(await alice.admin.challenges({ all: true })).toEqual([])
    const hers = await world.save('hers', {})
    await people.give(people.alice, 'manage', { profileId: hers.id })
    expect((await create({ profile: 'hers' }, alice)).view.createdBy).toBe('alice')
    expect(await alice.admin.challenges()).toHaveLength(1)
    await expect(create({}, alice)).rejects.toMatchObject(refused)
  })

  test('a profile of another organization is not there, nor its challenges', async () => {
    const stranger = people.as(people.stranger)
    const { view } = await create()
    await expect(create({}, stranger)).rejects.toMatchObject(failure('notFound'))
    await expect(stranger.admin.revokeChallenge(view.uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(stranger.admin.clearStaticChallenge('default')).rejects.toMatchObject(failure('notFound'))
    expect(await stranger.admin.challenges({ all: true })).toEqual([])
  })

  test('needs a user, since nobody stands behind the data folder; who ends one may be nobody', async () => {
    const { operator } = people
    const refused = failure('forbidden', /made by a user/)
    await expect(create({}, operator)).rejects.toMatchObject(refused)
    const chosen = { profile: 'default', challenge: 'a chosen passphrase' }
    await expect(operator.admin.setStaticChallenge(chosen)).rejects.toMatchObject(refused)
    await operator.admin.revokeChallenge((await create()).view.uuid)
  })

  test.each([
    ['a time that is past', { expiresAt: new Date(0) }],
    ['no use', { uses: 0 }],
    ['half a use', { uses: 1.5 }],
    ['too many uses', { uses: 100_001 }],
    ['a subject that is none', { subject: 'printer' }],
    ['an empty subject', { subject: ' ' }],
    ['names that are none', { identifiers: { dns: 'a.example.org' } }],
    ['a network that is none', { identifiers: { ip: ['10.0.0.0/99'] } }],
    ['a kind of name that is none', { identifiers: { phone: ['1'] } }],
  ])('%s is malformed', async (_, draft) => {
    await expect(create(draft)).rejects.toMatchObject(failure('malformed'))
  })

  test('one that is revoked is revoked once, and what waits with it is withdrawn', async () => {
    const { challenge, view } = await create({ uses: 2 })
    const { request } = await enrol(world, profile, newDevice(challenge, ['waits.example.org']))
    const other = (await enrol(world, profile, newDevice((await create()).challenge, ['stays.example.org']))).request
    await chief().revokeChallenge(view.uuid)
    const status = async (id: number) => (await people.operator.list.request(id)).status
    expect(await status(request.id)).toBe('canceled')
    expect(await status(other.id)).toBe('requested')
    await expect(chief().revokeChallenge(view.uuid)).rejects.toMatchObject(failure('notFound'))
    expect((await audited(world, 'challenge.revoked')).at(-1)).toMatchObject({ details: { withdrawn: 1 } })
    expect((await chief().challenges()).some(({ uuid }) => uuid === view.uuid)).toBe(false)
    const [ended] = (await chief().challenges({ all: true })).filter(({ uuid }) => uuid === view.uuid)
    expect(ended?.revokedAt).toEqual(world.time.now)
  })

  test('lists leave out what is used up and past its time, unless all are asked for', async () => {
    const used = await create({ identifiers: { dns: ['used.example.org'] } })
    await enrol(world, profile, newDevice(used.challenge, ['used.example.org']))
    const late = await create({ expiresAt: new Date(world.time.now.getTime() + 1) })
    world.time.pass(1)
    const good = await create()
    const uuids = async (all: boolean) => (await chief().challenges({ all })).map(({ uuid }) => uuid)
    expect(await uuids(false)).toContain(good.view.uuid)
    for (const { view } of [used, late]) {
      expect(await uuids(false)).not.toContain(view.uuid)
      expect(await uuids(true)).toContain(view.uuid)
    }
  })

  describe('decided outside', () => {
    const given = () => newDevice('of another system', ['w.example.org'], { source: '198.51.100.9' })
    const ask = (answer: () => Promise<{ allow: boolean; identity?: string; reason?: string }>, device = given()) => {
      const { csr, challenge, transactionId, source } = device
      const requester: Requester = { kind: 'key-holder', ref: 'k', name: 'k', people: [], source }
      const asked = {
        subject: csr.subject,
        identifiers: csr.identifiers,
        transactionId,
        spkiHash: csr.publicKey.spkiHash,
      }
      const secrets: string[] = []
      const door = world.core.as(requester)
      const grant = door.challenge(profile, challenge, asked, (secret) => {
        secrets.push(secret.toString('base64url'))
        return answer()
      })
      return { grant, secrets, device }
    }

    test('without a secret nobody is asked, and nothing is issued', async () => {
      const { grant, secrets } = ask(async () => ({ allow: true }))
      await expect(grant).rejects.toMatchObject(failure('unavailable'))
      expect(secrets).toEqual([])
    })

    test('allowed: the identity is shown to people, the names are entitled, and the newest secret signs', async () => {
      await chief().createWebhookSecret('default')
      const { secret, view } = await chief().createWebhookSecret('default')
      expect(view).toMatchObject({ kind: 'webhook', uses: null })
      const { grant, secrets, device } = ask(async () => ({ allow: true, identity: 'phone 17' }))
      expect(await grant).toMatchObject({
        entitled: true,
        requester: { kind: 'challenge', name: 'phone 17 (by webhook)' },
      })
      expect(secrets).toEqual([secret])
      expect((await enrol(world, profile, device, await grant)).request.status).toBe('signed')
    })

    test('refused: the text of any challenge that is not good; the reason is for the audit trail', async () => {
      const { grant } = ask(async () => ({ allow: false, reason: 'not enrolled' }))
      await expect(grant).rejects.toMatchObject(failure('forbidden', /^the challenge is not good for this request/))
      expect((await audited(world, 'challenge.refused')).at(-1)?.details.why).toBe('elsewhere: not enrolled')
    })

    test('no answer: nothing is issued and nothing is counted', async () => {
      const before = (await audited(world, 'challenge.refused')).length
      const { grant } = ask(() => Promise.reject(new Error('time-out')))
      await expect(grant).rejects.toMatchObject(failure('unavailable', /try again later/))
      expect(await audited(world, 'challenge.refused')).toHaveLength(before)
    })

    test('nobody is asked about a challenge of ours, nor for one who is locked out', async () => {
      const { challenge } = await create()
      const own = ask(async () => ({ allow: false }), newDevice(challenge, ['w.example.org']))
      await own.grant
      expect(own.secrets).toEqual([])
      const source = '198.51.100.77'
      const locked = () => newDevice('wrong', ['w.example.org'], { source })
      for (let at = 0; at < 10; at++) await expect(grantFor(world, profile, locked())).rejects.toThrow()
      const late = ask(async () => ({ allow: true }), locked())
      await expect(late.grant).rejects.toMatchObject(failure('forbidden'))
      expect(late.secrets).toEqual([])
    })
  })
})
