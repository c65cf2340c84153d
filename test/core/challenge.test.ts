import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeDraft } from '../../src/core/enrolment/challengeAdmin.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { askedOf, type Device, enrol, grantFor, keyHolder, newDevice } from '../helpers/challenges.ts'
import { ecKey } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const notGood = failure('forbidden', /^the challenge is not good for this request: ask for another one$/)
const HOUR = 3_600_000

describe.each(databases)('challenges on $name', ({ open }) => {
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    profile = await world.save('devices', {})
  })
  afterAll(() => close())

  const create = (draft: Partial<ChallengeDraft> = {}) =>
    people.as(people.chief).admin.createChallenge({ profile: 'devices', ...draft })
  const made = async (draft: Partial<ChallengeDraft> = {}) => (await create(draft)).challenge
  /** From an address of its own, so that no other test's failures count. */
  let host = 0
  const device = (challenge: string, names: string[], more: Parameters<typeof newDevice>[2] = {}) =>
    newDevice(challenge, names, { source: `198.51.100.${++host}`, ...more })
  const refused = (of: Device) => expect(grantFor(world, profile, of)).rejects.toMatchObject(notGood)
  const whyRefused = async () => (await audited(world, 'challenge.refused')).at(-1)?.details.why
  const view = async (uuid: string) =>
    (await people.as(people.chief).admin.challenges({ all: true })).find((one) => one.uuid === uuid)

  describe('one that is good', () => {
    test('for the names asked: issued at once, and whoever made it is behind it', async () => {
      const { challenge, view: before } = await create({ identifiers: { dns: ['one.example.org'] }, note: 'lobby' })
      const given = device(challenge, ['one.example.org'])
      const grant = await grantFor(world, profile, given)
      expect(grant.entitled).toBe(true)
      expect(grant.requester).toEqual({
        kind: 'challenge',
        ref: `${before.uuid}/${given.csr.publicKey.spkiHash}`,
        name: `challenge ${before.uuid} (lobby)`,
        people: [people.chief.id],
        source: given.source,
      })
      expect((await enrol(world, profile, given, grant)).request.status).toBe('signed')
      expect(await view(before.uuid)).toMatchObject({ used: 1, uses: 1, usedAt: world.time.now })
    })

    test('for any names: waits for people, among whom its maker is not', async () => {
      const root = people.as(people.root)
      const { challenge } = await root.admin.createChallenge({ profile: 'devices' })
      const { request } = await enrol(world, profile, device(challenge, ['any.example.org']))
      expect(request.status).toBe('requested')
      expect(request.requester.people).toEqual([people.root.id])
      const { hash, mayApprove } = await root.approvals.review('sign', request.id)
      expect(mayApprove).not.toContain('admin')
      const vote = root.approvals.vote('sign', request.id, { verdict: 'approve', hash })
      await expect(vote).rejects.toMatchObject(failure('forbidden'))
    })

    test('asking uses nothing up', async () => {
      const given = device(await made(), ['ask.example.org'])
      for (let at = 0; at < 3; at++) await grantFor(world, profile, given)
      expect(
        (await grantFor(world, profile, { ...given, ...device(given.challenge, ['ask.example.org']) })).use.again,
      ).toBe(false)
    })

    test('as often as it has uses', async () => {
      const challenge = await made({ uses: 2, identifiers: { dns: ['*.lab.example.org'] } })
      const devices = ['a', 'b', 'c'].map((name) => device(challenge, [`${name}.lab.example.org`]))
      const [one, two, three] = devices as [Device, Device, Device]
      expect((await enrol(world, profile, one)).request.status).toBe('signed')
      expect((await enrol(world, profile, two)).request.status).toBe('signed')
      await refused(three)
      expect(await whyRefused()).toBe('used up')
    })
  })

  describe('refused with one text', () => {
    test('unknown, and that of another profile', async () => {
      await refused(device('0'.repeat(32), ['x.example.org']))
      expect(await whyRefused()).toBe('unknown')
      await world.save('others', {})
      const elsewhere = await made({ profile: 'others' })
      await refused(device(elsewhere, ['x.example.org']))
      expect(await whyRefused()).toBe('unknown')
    })

    test.each(['', ' ', 'x'.repeat(255), 'x'.repeat(100_000), '\0', 'é', "' or 1=1 --", '%'])('%#', async (given) => {
      await refused({ ...device('x', ['x.example.org']), challenge: given })
      expect(await whyRefused()).toBe('unknown')
    })

    test('past its time, at once', async () => {
      const challenge = await made({ expiresAt: new Date(world.time.now.getTime() + 1000) })
      const given = device(challenge, ['late.example.org'])
      await grantFor(world, profile, given)
      world.time.pass(1000)
      await refused(given)
      expect(await whyRefused()).toBe('past its time')
    })

    test('an hour after it was made, where nothing else was said', async () => {
      const given = device(await made(), ['hour.example.org'])
      world.time.pass(HOUR)
      await refused(given)
    })

    test('revoked', async () => {
      const { challenge, view: one } = await create()
      await people.as(people.chief).admin.revokeChallenge(one.uuid)
      await refused(device(challenge, ['gone.example.org']))
      expect(await whyRefused()).toBe('unknown')
    })

    test.each([
      ['another name', { identifiers: { dns: ['a.example.org'] } }, ['b.example.org'], 'b.example.org'],
      ['one name more', { identifiers: { dns: ['a.example.org'] } }, ['a.example.org', 'b.example.org'], undefined],
      ['another common name', { identifiers: { dns: ['a.example.org'] } }, ['a.example.org'], 'admin'],
      ['another subject', { subject: 'CN=a.example.org' }, [], 'b.example.org'],
      ['one attribute more than the subject', { subject: 'CN=x,O=Example' }, [], 'x'],
      ['a name beside the subject', { subject: 'CN=a.example.org' }, ['b.example.org'], 'a.example.org'],
      ['a subject outside the pattern', { subject: 'CN=printer-*' }, [], 'printer-1.evil'],
      ['a wildcard where none was given', { identifiers: { dns: ['a.example.org'] } }, ['*.example.org'], undefined],
    ])('for other names: %s', async (_, bounds, names, subject) => {
      const challenge = await made(bounds)
      const given = device(challenge, names, subject === undefined ? {} : { subject })
      await refused(given)
      expect(await whyRefused()).toBe('other names')
    })
  })

  test.each([
    ['the common name that it is for', { subject: 'CN=a.example.org' }, ['a.example.org'], 'A.example.org'],
    ['a subject within the pattern', { subject: 'CN=printer-*' }, [], 'printer-17'],
    ['names within patterns', { identifiers: { dns: ['.example.org'] } }, ['b.a.example.org'], 'b.a.example.org'],
    ['both', { subject: 'CN=**', identifiers: { dns: ['a.example.org'] } }, ['a.example.org'], 'whatever it is'],
  ])('bound to %s', async (_, bounds, names, subject) => {
    const grant = await grantFor(world, profile, device(await made(bounds), names, { subject }))
    expect(grant.entitled).toBe(true)
  })

  test('bound to names, with a subject left open that the profile takes over: people look at it', async () => {
    const taking = await world.save('taking', {
      settings: { certificate: { subject: { CN: '{name}', O: '{csr.O}' } } },
    })
    const { challenge } = await create({ profile: 'taking', identifiers: { dns: ['a.example.org'] } })
    const given = device(challenge, ['a.example.org'])
    const asked = { ...askedOf(given), subject: [[{ type: 'O', value: 'Somebody' }]] }
    const door = world.core.as(keyHolder(given))
    expect((await door.challenge(taking, challenge, asked)).entitled).toBe(false)
    expect((await door.challenge(taking, challenge, askedOf(given))).entitled).toBe(true)
  })

  test('what the profile sets by itself is no claim of the device, also where a subject may be chosen', async () => {
    const certificate = { subject: { CN: '{name}', O: 'Ours' }, overrides: ['subject'] }
    const setting = await world.save('setting', { settings: { certificate } })
    const { challenge } = await create({ profile: 'setting', identifiers: { dns: ['a.example.org'] } })
    const given = device(challenge, ['a.example.org'])
    const asked = { ...askedOf(given), subject: [[{ type: 'O', value: 'Somebody' }]] }
    expect((await world.core.as(keyHolder(given)).challenge(setting, challenge, asked)).entitled).toBe(true)
  })

  describe('single use', () => {
    test('of sixteen devices at once one has it', async () => {
      const challenge = await made({ identifiers: { dns: ['**.race.example.org'] } })
      const devices = Array.from({ length: 16 }, (_, at) => device(challenge, [`d${at}.race.example.org`]))
      const grants = await Promise.all(devices.map((one) => grantFor(world, profile, one)))
      const results = await Promise.allSettled(devices.map((one, at) => enrol(world, profile, one, grants[at])))
      const won = results.filter(({ status }) => status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(notGood)
    })

    test('of sixteen orders at once, by one key under one transactionID and with other names each, one has it', async () => {
      const challenge = await made({ identifiers: { dns: ['**.many.example.org'] } })
      const key = ecKey()
      const orders = Array.from({ length: 16 }, (_, at) => device(challenge, [`d${at}.many.example.org`], { key }))
      const asked = orders.map((order) => grantFor(world, profile, { ...order, transactionId: 'constant' }))
      const grants = await Promise.all(asked)
      const results = await Promise.allSettled(orders.map((order, at) => enrol(world, profile, order, grants[at])))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    test('the same transaction sixteen times at once is one request, and none fails', async () => {
      const given = device(await made({ identifiers: { dns: ['same.example.org'] } }), ['same.example.org'])
      const results = await Promise.all(Array.from({ length: 16 }, () => enrol(world, profile, given)))
      expect(new Set(results.map(({ request }) => request.id)).size).toBe(1)
      expect(
        (await audited(world, 'challenge.used')).filter(({ actor }) =>
          actor.ref.endsWith(given.csr.publicKey.spkiHash),
        ),
      ).toHaveLength(1)
    })

    test('item 41: a device repeats itself after use and after the end, and gets what it has', async () => {
      const given = device(await made(), ['again.example.org'])
      const first = await enrol(world, profile, given)
      expect(first.request.status).toBe('requested')
      world.time.pass(2 * HOUR)
      const grant = await grantFor(world, profile, given)
      expect(grant.use.again).toBe(true)
      expect(await enrol(world, profile, given, grant)).toMatchObject({
        repeat: true,
        request: { id: first.request.id },
      })
      // A recovery: the same key in another transaction (RFC 8894 section 5.2).
      expect((await grantFor(world, profile, { ...given, transactionId: 'other' })).use.again).toBe(true)
    })

    test('what was used lets the same key make nothing new', async () => {
      const given = device(await made({ identifiers: { dns: ['new.example.org'] } }), ['new.example.org'])
      expect((await enrol(world, profile, given)).request.status).toBe('signed')
      await expect(enrol(world, profile, { ...given, transactionId: 'another' })).rejects.toMatchObject(notGood)
      const { id } = (await enrol(world, profile, given)).request
      const order = { protocol: 'scep', certificate: id, grounds: 'key', reason: 'keyCompromise' } as const
      await world.core.as(keyHolder(given)).revoke(order)
      await expect(enrol(world, profile, given)).rejects.toMatchObject(notGood)
    })

    test('another key gets nothing out of what was used, nor the same key with other names', async () => {
      const challenge = await made({ identifiers: { dns: ['first.example.org'] } })
      const given = device(challenge, ['first.example.org'])
      await enrol(world, profile, given)
      await refused(device(challenge, ['first.example.org'], { transactionId: given.transactionId }))
      const wider = { ...askedOf(given), identifiers: [{ type: 'dns', value: 'second.example.org' }] as const }
      await expect(world.core.as(keyHolder(given)).challenge(profile, challenge, wider)).rejects.toMatchObject(notGood)
    })

    test('a claim that fails leaves it unused', async () => {
      const { challenge, view: one } = await create({ identifiers: { dns: ['undone.example.org'] } })
      const given = device(challenge, ['undone.example.org'])
      const grant = await grantFor(world, profile, given)
      const door = world.core.as(grant.requester)
      const draft = { profile, protocol: 'scep', action: 'issue', csr: given.csr, refusal: 'store' } as const
      const undone = door.sign(draft, async (db) => {
        await door.redeemChallenge(db, grant)
        throw new Error('something else failed')
      })
      await expect(undone).rejects.toThrow('something else')
      expect(await view(one.uuid)).toMatchObject({ used: 0 })
      expect((await enrol(world, profile, given)).request.status).toBe('signed')
    })

    test('revoked between the question and the claim: refused', async () => {
      const { challenge, view: one } = await create({ identifiers: { dns: ['between.example.org'] } })
      const given = device(challenge, ['between.example.org'])
      const grant = await grantFor(world, profile, given)
      await people.as(people.chief).admin.revokeChallenge(one.uuid)
      await expect(enrol(world, profile, given, grant)).rejects.toMatchObject(notGood)
    })
  })
})
