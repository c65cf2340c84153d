import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rests } from '../../src/core/crl/crlRest.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type CrlWorld, crlWorld } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { openWorld, type World } from '../helpers/world.ts'

describe.each(databases)('long CRLs that are asked for in a loop, on $name', ({ open }) => {
  let world: World
  let it: CrlWorld
  let close: () => Promise<void>
  let url: string
  const secret = randomBytes(32)
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    url = opened.url
    world = await openWorld(opened.db, secret)
    it = crlWorld(world)
    const issuer = await it.issuerId()
    const serials = Array.from({ length: 6_000 }, (_, n) => `7${n.toString(16).padStart(31, '0')}`)
    for (let at = 0; at < serials.length; at += 1_000)
      await transaction(opened.db, async (db) => {
        const entry = { authority_certificate_id: issuer, shard: 0, revoked_at: 0, reason: null, invalidity_at: null }
        await withTables<CoreTables>(db)
          .insertInto('imported_revocations')
          .values(serials.slice(at, at + 1_000).map((serial) => ({ ...entry, serial })))
          .execute()
      })
  })
  afterAll(() => close())

  /** After which the next revocation shows, in milliseconds. */
  const restOf = (octets: number) => (octets / 2 / 2 ** 20) * 1000

  test('each is given out until it has rested, and then there is one that knows of all', async () => {
    const first = await it.crl()
    const octets = first.signed.der.length
    expect(octets).toBeGreaterThan(1 << 17)
    const revoked: string[] = []
    for (let n = 0; n < 3; n++) {
      const certificate = await it.issue(`rest${n}.example.test`)
      await it.revoke(certificate)
      revoked.push(certificate.serial)
      expect((await it.crl()).number).toBe(first.number)
    }
    world.time.pass(restOf(octets) - 2)
    expect((await it.crl()).number).toBe(first.number)
    world.time.pass(3)
    const next = await it.crl()
    expect(next.number).toBe((first.number ?? 0n) + 1n)
    expect(next.entries.map(({ serial }) => serial)).toEqual(expect.arrayContaining(revoked))
  })

  test('OCSP does not wait', async () => {
    await it.revoke(await it.issue('first.example.test'))
    const certificate = await it.issue('at-once.example.test')
    const issuer = await ocspWorld(world).issuerOf('issuing')
    world.time.pass(60_000)
    const { number } = await it.crl()
    await it.revoke(certificate)
    expect((await it.crl()).number).toBe(number)
    expect(await statusOf(world, issuer, certificate.serial)).toMatch(/^revoked/)
    world.time.pass(60_000)
    expect(await it.serials()).toContain(certificate.serial)
  })

  test('many who ask at once, while others revoke, have one made', async () => {
    world.time.pass(60_000)
    const certificate = await it.issue('many.example.test')
    await it.revoke(certificate)
    const { number } = await it.crl()
    world.time.pass(60_000)
    const others = await Promise.all([1, 2, 3].map((n) => it.issue(`many${n}.example.test`)))
    const asked = others.map(async (other) => {
      await it.revoke(other)
      return (await it.crl()).number
    })
    const numbers = await Promise.all(asked)
    expect(Math.max(...numbers.map(Number))).toBe(Number(number) + 1)
  })

  test('another node, and one that was restarted, let it rest too', async () => {
    world.time.pass(60_000)
    await it.revoke(await it.issue('before.example.test'))
    const { number } = await it.crl()
    await it.revoke(await it.issue('restart.example.test'))
    const db = openDatabase(url)
    try {
      const other = await openWorld(db, secret)
      other.it.clock = world.it.clock
      expect((await crlWorld(other).crl()).number).toBe(number)
    } finally {
      await closeDatabase(db)
    }
  })
})

describe('how long a CRL rests', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  const made = (octets: number) => ({ thisUpdate: now, parts: [{ length: octets } as Buffer] })
  const later = (ms: number) => new Date(now.getTime() + ms)

  test.each([
    [1 << 17, 0],
    [1 << 20, 500],
    [44 << 20, 22_000],
    [1 << 30, 60_000],
  ])('%i octets: %i ms', (octets, rest) => {
    if (rest > 0) expect(rests(made(octets), later(rest - 1))).toBe(true)
    expect(rests(made(octets), later(rest))).toBe(false)
  })

  test('a clock that was set back makes nobody wait', () => {
    expect(rests(made(1 << 30), later(-1))).toBe(false)
  })
})
