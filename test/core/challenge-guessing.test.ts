import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeDraft } from '../../src/core/enrolment/challengeAdmin.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { askedOf, type Device, enrol, grantFor, keyHolder, newDevice } from '../helpers/challenges.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const notGood = failure('forbidden', /^the challenge is not good for this request: ask for another one$/)
const HOUR = 3_600_000

describe.each(databases)('guessing and keeping challenges on $name', ({ name: dialect, open }) => {
  let db: Database
  let url: string
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, url, close } = await open())
    world = await createWorld(db)
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
  describe('lock-out', () => {
    let own: RaProfile
    let phrase: string
    beforeAll(async () => {
      own = await world.save('guessed', {})
      phrase = `chosen by people ${randomUUID()}`
      await people.as(people.chief).admin.setStaticChallenge({ profile: 'guessed', challenge: phrase })
    })
    const guess = (of: Device) => expect(grantFor(world, own, of)).rejects.toMatchObject(notGood)
    const from = (source: string, challenge = phrase) => device(challenge, ['l.example.org'], { source })

    test('ten guesses from one address; a right static challenge has the same answer until time has passed', async () => {
      const source = '203.0.113.5'
      for (let at = 0; at < 10; at++) await guess(from(source, `wrong ${at}`))
      const rows = (await audited(world, 'challenge.refused')).length
      await guess(from(source))
      await guess(from(source, 'one more'))
      // Whoever goes on fills no audit trail.
      expect(await audited(world, 'challenge.refused')).toHaveLength(rows)
      expect(await grantFor(world, own, from('203.0.113.15'))).toMatchObject({ entitled: false })
      const alerts = await people.as(people.chief).admin.alerts()
      expect(alerts.map(({ kind, detail }) => `${kind} ${detail}`).join()).toContain(
        'challenge_lockout challenge.failuresBySource of 203.0.113.5',
      )
      world.time.pass(HOUR)
      await grantFor(world, own, from(source))
    })

    test('two hundred guesses at once from one address: the right one behind the tenth has the same answer', async () => {
      const source = '203.0.113.77'
      const guesses = Array.from({ length: 200 }, (_, at) => from(source, at === 150 ? phrase : `at once ${at}`))
      await Promise.all(guesses.map(guess))
    })

    test('a challenge that we made passes from there all the same: it is not to be guessed', async () => {
      const source = '203.0.113.7'
      for (let at = 0; at < 11; at++) await guess(from(source, `wrong ${at}`))
      const { challenge } = await people.as(people.chief).admin.createChallenge({ profile: 'guessed' })
      await grantFor(world, own, from(source, challenge))
      await guess(from(source))
    })

    test('the same wrong challenge again and again is one guess, and one row in the audit trail', async () => {
      const source = '203.0.113.8'
      const before = (await audited(world, 'challenge.refused')).length
      for (let at = 0; at < 30; at++) await guess(from(source, 'an old passphrase'))
      expect(await audited(world, 'challenge.refused')).toHaveLength(before + 1)
      await grantFor(world, own, from(source))
    })

    test('devices behind one address that all lose the race for a one-time challenge keep nobody out', async () => {
      const source = '203.0.113.9'
      const { challenge } = await people.as(people.chief).admin.createChallenge({ profile: 'guessed' })
      await enrol(world, own, from(source, challenge))
      const before = (await audited(world, 'challenge.refused')).length
      for (let at = 0; at < 30; at++) await guess(from(source, challenge))
      expect((await audited(world, 'challenge.refused')).length - before, 'bounded for each challenge').toBe(20)
      await grantFor(world, own, from(source))
    })

    test('an administrator lifts it', async () => {
      const source = '203.0.113.6'
      for (let at = 0; at < 10; at++) await guess(from(source, `wrong ${at}`))
      await guess(from(source))
      await people.as(people.chief).admin.resetLimit({ profile: 'guessed', key: source })
      await grantFor(world, own, from(source))
    })

    test('one host does not vary its IPv6 address to get around it', async () => {
      for (let at = 0; at < 10; at++) await guess(from(`2001:db8:1:2::${at + 1}`, `wrong ${at}`))
      await guess(from('2001:db8:1:2:ffff::1'))
      await grantFor(world, own, from('2001:db8:1:3::1'))
    })

    test('where much was guessed a system outside is not asked, nor too often about one challenge', async () => {
      const outside = await world.save('outside', {})
      await people.as(people.chief).admin.createWebhookSecret('outside')
      let questions = 0
      const ask = (of: Device) =>
        world.core.as(keyHolder(of)).challenge(outside, of.challenge, askedOf(of), async () => {
          questions++
          return { allow: false, reason: 'unknown there' }
        })
      const refused = (of: Device) => expect(ask(of)).rejects.toMatchObject(notGood)
      for (let at = 0; at < 15; at++) await refused(from('203.0.113.20', 'the same blob'))
      expect(questions).toBe(10)
      questions = 0
      for (let at = 0; at < 15; at++) await refused(from('203.0.113.21', `blob ${at}`))
      expect(questions).toBe(10)
    })

    test('many addresses at once: a static challenge is refused, ours are not', async () => {
      const wide = await world.save('wide', {})
      const admin = people.as(people.chief).admin
      await admin.setStaticChallenge({ profile: 'wide', challenge: 'chosen by people' })
      const { challenge } = await admin.createChallenge({ profile: 'wide' })
      const ask = (given: Device) => grantFor(world, wide, given)
      const wrong = async (at: number, given: string) =>
        expect(ask(newDevice(given, [], { source: `10.1.${at >> 8}.${at & 255}` }))).rejects.toMatchObject(notGood)
      const rate = { profile: 'wide', limit: 'challenge.failures', key: 'all', override: { rate: '30/1h' } }
      await admin.overrideLimit(rate)
      // A fleet that has the challenge of yesterday guesses nothing.
      await Promise.all(Array.from({ length: 40 }, (_, at) => wrong(at, 'the one before')))
      await ask(device('chosen by people', ['s.example.org']))
      await Promise.all(Array.from({ length: 30 }, (_, at) => wrong(at, `wrong ${at}`)))
      await expect(ask(device('chosen by people', ['s.example.org']))).rejects.toMatchObject(notGood)
      await ask(device(challenge, ['s.example.org']))
    })
  })

  describe('a static one', () => {
    const admin = () => people.as(people.chief).admin
    test('lets many ask, and people decide', async () => {
      const own = await world.save('static', {})
      await admin().setStaticChallenge({ profile: 'static', challenge: 'a chosen passphrase' })
      for (const name of ['s1.example.org', 's2.example.org']) {
        const given = device('a chosen passphrase', [name])
        const grant = await grantFor(world, own, given)
        expect(grant).toMatchObject({ entitled: false, requester: { people: [people.chief.id] } })
        expect((await enrol(world, own, given, grant)).request.status).toBe('requested')
      }
    })

    test('is replaced, cleared, and set again', async () => {
      const own = await world.save('static', {})
      const good = (challenge: string) => grantFor(world, own, device(challenge, ['s.example.org']))
      await admin().setStaticChallenge({ profile: 'static', challenge: 'the second passphrase' })
      await expect(good('a chosen passphrase')).rejects.toMatchObject(notGood)
      await good('the second passphrase')
      await admin().clearStaticChallenge('static')
      await expect(good('the second passphrase')).rejects.toMatchObject(notGood)
      await expect(admin().clearStaticChallenge('static')).rejects.toMatchObject(failure('notFound', /no static/))
      await admin().setStaticChallenge({ profile: 'static', challenge: 'the second passphrase' })
      await good('the second passphrase')
    })

    test('is remembered for the key that people approved, not for the next that knows it', async () => {
      const own = await world.save('static', {})
      const [one, two] = ['n.example.org', 'n.example.org'].map((name) => device('the second passphrase', [name]))
      const grants = [await grantFor(world, own, one as Device), await grantFor(world, own, two as Device)]
      expect(grants[0]?.requester.ref).not.toBe(grants[1]?.requester.ref)
    })

    test.each([
      ['too short', 'elevenchars'],
      ['too long', 'x'.repeat(256)],
      ['with a control character', 'a chosen\npassphrase'],
      ['with a space at its end', 'a chosen passphrase '],
    ])('%s is refused', async (_, challenge) => {
      await expect(admin().setStaticChallenge({ profile: 'static', challenge })).rejects.toMatchObject(
        failure('malformed'),
      )
    })
  })

  describe('nothing shows it', () => {
    test('neither lists, records, the audit trail nor the database', async () => {
      const passphrase = `static ${randomUUID()}`
      await world.save('quiet', {})
      await people.as(people.chief).admin.setStaticChallenge({ profile: 'quiet', challenge: passphrase })
      const one = await made()
      const quiet = await world.profile('quiet')
      const { request } = await enrol(world, profile, device(one, ['quiet.example.org']))
      await enrol(world, quiet, device(passphrase, ['quiet.example.org']))
      await refused(device('guessed-by-somebody', ['quiet.example.org']))
      const { csr } = await people.operator.list.request(request.id)
      expect(csr?.includes(one)).toBe(false)
      const lists = JSON.stringify(await people.as(people.root).admin.challenges({ all: true }))
      for (const secret of [one, passphrase, 'guessed-by-somebody']) {
        expect(lists).not.toContain(secret)
        expect(await storedAnywhere(secret)).toEqual([])
      }
      expect(await storedAnywhere('quiet.example.org')).not.toEqual([])
    })

    async function storedAnywhere(text: string): Promise<string[]> {
      if (dialect === 'sqlite') {
        await sql`pragma wal_checkpoint(truncate)`.execute(withTables<CoreTables>(db)).catch(() => {})
        const folder = dirname(url)
        return readdirSync(folder).filter((file) => readFileSync(join(folder, file)).includes(text))
      }
      const tables = withTables<CoreTables>(db)
      const { rows } = await sql<{ name: string }>`
        select table_name as name from information_schema.tables where table_schema = 'public'`.execute(tables)
      const hex = `%${Buffer.from(text).toString('hex')}%`
      const holding: string[] = []
      for (const { name } of rows) {
        const found = await sql<{ count: number }>`
          select count(*) as count from ${sql.table(name)} t
          where t::text like ${`%${text}%`} or t::text like ${hex}`.execute(tables)
        if (Number(found.rows[0]?.count) > 0) holding.push(name)
      }
      return holding
    }
  })
})
