import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { earlierRevocations } from '../../migrations/0008-crl-parts.ts'
import { keptCrls } from '../../src/core/crl/crlKept.ts'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases, openSqlite } from '../helpers/databases.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('CRLs after trouble, on $name', ({ open }) => {
  let world: World
  let it: CrlWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    it = crlWorld(world)
  })
  afterAll(() => close())

  test('a clock that was ahead leaves no CRL of the future behind, and takes nothing from the next ones', async () => {
    const revoked = await it.issue('ahead.example.test')
    await it.revoke(revoked)
    await it.crl()
    world.time.pass(60 * day)
    const ahead = await it.crl()
    expect(ahead.thisUpdate).toEqual(wholeSecond(world.time.now))
    world.time.pass(-60 * day)
    const { thisUpdate, entries } = await it.crl()
    expect(thisUpdate).toEqual(wholeSecond(world.time.now))
    expect(entries.map(({ serial }) => serial)).toContain(revoked.serial)
    await it.revoke(await it.issue('later.example.test'))
    expect(await it.serials()).toContain(revoked.serial)
  })

  test('upkeep replaces a CRL of the future', async () => {
    world.time.pass(60 * day)
    await it.crl()
    world.time.pass(-60 * day)
    await renewCrls(world.it)
    const newest = await withTables<CoreTables>(world.it.db)
      .selectFrom('crls')
      .select('this_update')
      .where('authority_certificate_id', '=', await it.issuerId())
      .orderBy('number', 'desc')
      .executeTakeFirstOrThrow()
    expect(newest.this_update).toBe(world.time.now.getTime())
  })

  test('what was revoked before changes were written down stands on the next CRL and delta', async () => {
    await it.crl()
    const revoked = await it.issue('earlier.example.test')
    await it.revoke(revoked)
    // As the migration finds it: no events, and a CRL that was made before the revocation.
    await transaction(world.it.db, async (db) => {
      await withTables<CoreTables>(db).deleteFrom('revocation_events').execute()
      await earlierRevocations(withTables(db))
    })
    await it.settings({ crlDelta: '1d' })
    expect(await it.serials()).toContain(revoked.serial)
    const { deltaBase } = await it.crl({ delta: true })
    const bases = await withTables<CoreTables>(world.it.db)
      .selectFrom('crls')
      .select(['number', 'revocations'])
      .where('number', '=', Number(deltaBase))
      .execute()
    expect(bases.map(({ revocations }) => revocations < 0)).toEqual([false])
    await it.settings({})
  })

  describe('that cannot be made', () => {
    const issuer = () => it.issuerId()
    const alerts = () =>
      withTables<CoreTables>(world.it.db)
        .selectFrom('alerts')
        .select('id')
        .where('kind', '=', 'revocation_answers')
        .execute()
    beforeAll(async () => {
      await it.settings({ crlShards: 2 })
      await renewCrls(world.it)
      const serial = 'no serial number'
      const entry = { serial, shard: 0, revoked_at: 0, reason: null, invalidity_at: null }
      const id = await issuer()
      await transaction(world.it.db, async (db) => {
        await withTables<CoreTables>(db)
          .insertInto('imported_revocations')
          .values({ ...entry, authority_certificate_id: id })
          .execute()
      })
      world.time.pass(5 * day)
    })

    test('the last one is served while it knows all, upkeep tells of it, and the others are made', async () => {
      const { number, nextUpdate } = await it.crl()
      const other = await it.crl({ shard: 1, issuer: await issuer() })
      await renewCrls(world.it)
      expect((await it.crl()).number).toBe(number)
      expect(nextUpdate?.getTime()).toBeGreaterThan(world.time.now.getTime())
      expect(other.thisUpdate).toEqual(wholeSecond(world.time.now))
      expect(await alerts()).toHaveLength(1)
    })

    test('upkeep goes on to the next shard', async () => {
      world.time.pass(6 * 3_600_000)
      await it.settings({ crlShards: 3 })
      await renewCrls(world.it)
      const made = await withTables<CoreTables>(world.it.db)
        .selectFrom('crls')
        .select('shard')
        .distinct()
        .where('authority_certificate_id', '=', await issuer())
        .orderBy('shard')
        .execute()
      expect(made.map(({ shard }) => shard)).toEqual([0, 1, 2])
    })

    test('none is served that does not know of a revocation, or has ended', async () => {
      world.time.pass(3 * day)
      await expect(it.crl()).rejects.toThrow()
    })
  })
})

describe('CRLs in memory', () => {
  test('one that is longer than the room stays while it is the newest', async () => {
    const opened = await openSqlite()
    const crls = keptCrls(opened.db)
    const key = (issuerId: number) => ({ issuerId, shard: 0, delta: false })
    const long = { parts: Array.from({ length: 97 }, () => Buffer.alloc(1 << 20)) }
    const kept = (crl: object) =>
      ({ crl, revocations: 0, version: 0, due: 0 }) as unknown as Parameters<typeof crls.set>[1]
    crls.set(key(1), kept({ parts: [Buffer.alloc(1)] }))
    crls.set(key(2), kept(long))
    expect(crls.get(key(2))?.crl).toBe(long)
    expect(crls.get(key(1))).toBeUndefined()
    await opened.close()
  })
})

function wholeSecond(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000)
}
