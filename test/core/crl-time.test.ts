import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('CRLs in the course of time, on $name', ({ open }) => {
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

  describe('in time', () => {
    test('upkeep makes the next one while a third of its time is left, and not before', async () => {
      const before = await it.crl()
      world.time.pass(4.5 * day)
      await renewCrls(world.it)
      expect((await numbers()).at(-1)).toBe(Number(before.number))
      world.time.pass(0.3 * day)
      await renewCrls(world.it)
      const after = await it.crl()
      expect(after.number).toBeGreaterThan(before.number ?? 0n)
      expect(after.nextUpdate?.getTime()).toBeGreaterThan(before.nextUpdate?.getTime() ?? 0)
      expect(before.nextUpdate?.getTime()).toBeGreaterThan(world.time.now.getTime() + 2 * day)
    })

    test('the number goes on behind that of an imported authority, and 20 octets are enough', async () => {
      const offset = 2n ** 158n
      await transaction(world.it.db, async (db) => {
        await withTables<CoreTables>(db)
          .updateTable('authorities')
          .set({ crl_number_offset: String(offset) })
          .where('name', '=', 'root')
          .execute()
      })
      const before = (await it.crl({ authority: 'root' })).number ?? 0n
      world.time.pass(6 * day)
      const { number = 0n } = await it.crl({ authority: 'root' })
      expect(number).toBeGreaterThan(offset)
      expect(number).toBeGreaterThan(before)
    })

    test('what was revoked before an authority came here is listed', async () => {
      const issuer = await it.issuerId('root')
      const revokedAt = new Date('2020-01-02T03:04:05Z')
      await transaction(world.it.db, async (db) => {
        const tables = withTables<CoreTables>(db)
        await tables
          .insertInto('imported_revocations')
          .values([
            {
              authority_certificate_id: issuer,
              serial: '05',
              shard: 0,
              revoked_at: revokedAt.getTime(),
              reason: 'keyCompromise',
              invalidity_at: null,
            },
            {
              authority_certificate_id: issuer,
              serial: 'ff'.repeat(20),
              shard: 0,
              revoked_at: revokedAt.getTime(),
              reason: null,
              invalidity_at: null,
            },
          ])
          .execute()
        await tables
          .updateTable('authorities')
          .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
          .where('name', '=', 'root')
          .execute()
      })
      expect((await it.crl({ authority: 'root' })).entries).toEqual([
        { serial: '05', revokedAt, reason: reasonCodes.keyCompromise },
        { serial: 'ff'.repeat(20), revokedAt },
      ])
    })
  })

  describe('after the end of a certificate (RFC 5280 section 3.3)', () => {
    test('it stays until one regularly scheduled complete CRL after its end, and an extra one does not count', async () => {
      await it.crl()
      const end = new Date(Math.ceil(world.time.now.getTime() / 1000) * 1000 + day)
      const certificate = await it.issue('short.example.org', { notAfter: end })
      await it.revoke(certificate)
      expect(await it.serials()).toContain(certificate.serial)
      world.time.pass(2 * day)
      // Between times, for another revocation.
      await it.revoke(await it.issue('other.example.org'))
      expect(await it.serials()).toContain(certificate.serial)
      // The scheduled one still lists it.
      world.time.pass(3 * day)
      expect(await it.serials()).toContain(certificate.serial)
      await it.revoke(await it.issue('third.example.org'))
      expect(await it.serials()).not.toContain(certificate.serial)
    })

    test('one that is revoked after its end is recorded, and listed until the next scheduled one at most', async () => {
      const end = new Date(Math.ceil(world.time.now.getTime() / 1000) * 1000 + day)
      const certificate = await it.issue('late.example.org', { notAfter: end })
      world.time.pass(20 * day)
      await it.crl()
      expect(await it.revoke(certificate)).toBe('revoked')
      expect(await it.serials()).not.toContain(certificate.serial)
    })

    test('many revocations between times do not put off the scheduled one', async () => {
      const end = new Date(Math.ceil(world.time.now.getTime() / 1000) * 1000 + day)
      const certificate = await it.issue('often.example.org', { notAfter: end })
      await it.revoke(certificate)
      for (let days = 0; days < 12; days++) {
        await it.revoke(await it.issue(`often-${days}.example.org`))
        await it.crl()
        world.time.pass(day)
      }
      expect(await it.serials()).not.toContain(certificate.serial)
    })
  })

  async function numbers(): Promise<number[]> {
    const rows = await withTables<CoreTables>(world.it.db)
      .selectFrom('crls')
      .select('number')
      .where('authority_certificate_id', '=', await it.issuerId())
      .orderBy('number')
      .execute()
    return rows.map(({ number }) => number)
  }
})
