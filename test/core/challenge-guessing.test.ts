import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeDraft } from '../../src/core/challengeAdmin.ts'
import type { RaProfile } from '../../src/core/profile.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { type Device, enrol, grantFor, newDevice } from '../helpers/challenges.ts'
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
    test('ten failures from one address; a right challenge has the same answer until time has passed', async () => {
      const source = '203.0.113.5'
      const challenge = await made({ expiresAt: new Date(world.time.now.getTime() + 24 * HOUR) })
      for (let at = 0; at < 10; at++) await refused(device(`wrong ${at}`, ['l.example.org'], { source }))
      const rows = (await audited(world, 'challenge.refused')).length
      await refused(device(challenge, ['l.example.org'], { source }))
      // Whoever goes on fills no audit trail.
      expect(await audited(world, 'challenge.refused')).toHaveLength(rows)
      expect(await grantFor(world, profile, device(challenge, ['l.example.org']))).toMatchObject({ entitled: false })
      const alerts = await people.as(people.chief).admin.alerts()
      expect(alerts.map(({ kind, detail }) => `${kind} ${detail}`).join()).toContain(
        'challenge_lockout challenge.failuresBySource of 203.0.113.5',
      )
      world.time.pass(HOUR)
      await grantFor(world, profile, device(challenge, ['l.example.org'], { source }))
    })

    test('an administrator lifts it', async () => {
      const source = '203.0.113.6'
      for (let at = 0; at < 10; at++) await refused(device(`wrong ${at}`, ['l.example.org'], { source }))
      const given = device(await made(), ['l.example.org'], { source })
      await refused(given)
      await people.as(people.chief).admin.resetLimit({ profile: 'devices', key: source })
      await grantFor(world, profile, given)
    })

    test('one host does not vary its IPv6 address to get around it', async () => {
      for (let at = 0; at < 10; at++)
        await refused(device('wrong', ['l.example.org'], { source: `2001:db8:1:2::${at + 1}` }))
      const challenge = await made()
      await refused(device(challenge, ['l.example.org'], { source: '2001:db8:1:2:ffff::1' }))
      await grantFor(world, profile, device(challenge, ['l.example.org'], { source: '2001:db8:1:3::1' }))
    })

    test('many addresses at once: a static challenge is refused, ours are not', async () => {
      const own = await world.save('guessed', {})
      const admin = people.as(people.chief).admin
      await admin.setStaticChallenge({ profile: 'guessed', challenge: 'chosen by people' })
      const { challenge } = await admin.createChallenge({ profile: 'guessed' })
      const ask = (given: Device) => grantFor(world, own, given)
      for (let at = 0; at < 300; at++)
        await expect(ask(newDevice('wrong', [], { source: `10.1.${at >> 8}.${at & 255}` }))).rejects.toMatchObject(
          notGood,
        )
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
