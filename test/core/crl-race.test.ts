import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { currentCrl } from '../../src/core/crl/crl.ts'
import { readRevoked } from '../../src/core/crl/crlRead.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { children, readTlv, seq } from '../../src/pki/der.ts'
import { readSerial } from '../../src/pki/serial.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { openWorld, type World } from '../helpers/world.ts'

describe.each(databases)('two nodes make CRLs of one authority, on $name', ({ open }) => {
  let worlds: [World, World]
  let nodes: [CrlWorld, CrlWorld]
  let people: People
  let second: Database
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    const secret = randomBytes(32)
    second = openDatabase(opened.url)
    worlds = [await openWorld(opened.db, secret), await openWorld(second, secret)]
    worlds[1].time.now = worlds[0].time.now
    nodes = [crlWorld(worlds[0]), crlWorld(worlds[1])]
    people = await createPeople(worlds[0])
    close = opened.close
  })
  afterAll(async () => {
    await closeDatabase(second)
    await close()
  })

  test('a revocation on one shows in the next CRL of the other, and a higher number never knows less', async () => {
    const [one, two] = nodes
    await one.settings({ crlDelta: '1h' })
    // The base of all deltas that follow.
    await one.crl()
    const certificates = await Promise.all(Array.from({ length: 16 }, (_, n) => one.issue(`race-${n}.example.org`)))
    const seen: { number: bigint; delta: boolean; base: bigint; serials: Set<string> }[] = []
    const look = async (world: World, delta: boolean) => {
      const { der, number } = await currentCrl(world.it, { authority: 'issuing', delta })
      const { entries, deltaBase = 0n } = readCrl(der)
      const serials = new Set(entries.map(({ serial }) => serial))
      seen.push({ number, delta, base: deltaBase, serials })
      return serials
    }
    await Promise.all(
      certificates.map(async (certificate, n) => {
        const [here, there] = n % 2 ? [one, worlds[1]] : [two, worlds[0]]
        await here.revoke(certificate)
        const [complete, delta] = await Promise.all([look(there, false), look(there, true)])
        expect(complete).toContain(certificate.serial)
        expect(delta).toContain(certificate.serial)
      }),
    )
    seen.sort((a, b) => Number(a.number - b.number))
    for (const [n, crl] of seen.entries())
      for (const earlier of seen.slice(0, n))
        if (earlier.delta === crl.delta && earlier.base === crl.base && earlier.number < crl.number)
          for (const serial of earlier.serials) expect(crl.serials).toContain(serial)
    // One number is one CRL, whichever node made it.
    for (const crl of seen)
      for (const other of seen)
        if (other.delta === crl.delta && other.number === crl.number) expect(other.serials).toEqual(crl.serials)
  })

  test('both nodes have the next one when it is due, and it has one number', async () => {
    for (const { time } of worlds) time.pass(6 * day)
    const before = (await currentCrl(worlds[0].it, { authority: 'root' })).number
    const both = await Promise.all(worlds.map(({ it }) => currentCrl(it, { authority: 'root' })))
    for (const { number } of both) expect(number).toBeGreaterThanOrEqual(before)
    expect((await currentCrl(worlds[1].it, { authority: 'root' })).number).toBeGreaterThanOrEqual(
      (await currentCrl(worlds[0].it, { authority: 'root' })).number,
    )
  })

  test('what changes while entries are read does not show: two readers of one moment read the same', async () => {
    const [one] = nodes
    const { it } = worlds[0]
    const held = await one.issue('held-before.example.org')
    const lifted = await one.issue('lifted-meanwhile.example.org')
    const graver = await one.issue('graver.example.org')
    const later = await one.issue('later.example.org')
    for (const certificate of [held, lifted, graver]) await one.revoke(certificate, { reason: 'certificateHold' })
    const { revocations } = await withTables<CoreTables>(it.db)
      .selectFrom('authorities')
      .select('revocations')
      .where('name', '=', 'issuing')
      .executeTakeFirstOrThrow()
    const scope = { issuerId: await one.issuerId(), shard: 0, revocations }
    const read = async () => {
      const revoked = await readRevoked(it.db, scope, 0)
      const list = readTlv(seq(...revoked.parts))
      return children(list, revoked.count).map((entry) => ({
        serial: readSerial(children(entry)[0]),
        der: entry.der.toString('hex'),
      }))
    }
    const before = await read()
    await people.as(people.root).unhold({ protocol: 'cli', certificate: lifted.id })
    await one.revoke(graver, { reason: 'keyCompromise' })
    await one.revoke(later)
    const order = (entries: Awaited<ReturnType<typeof read>>) => entries.map(({ der }) => der).sort()
    expect(order(await read())).toEqual(order(before))
    const serials = before.map(({ serial }) => serial)
    for (const certificate of [held, lifted, graver]) expect(serials).toContain(certificate.serial)
    expect(serials).not.toContain(later.serial)
    expect(await one.serials()).toContain(later.serial)
  })

  test('what was revoked before entries were stored is listed all the same', async () => {
    const [one] = nodes
    const certificate = await one.issue('old.example.org')
    await one.revoke(certificate, { reason: 'superseded' })
    const before = (await one.crl()).entries
    await transaction(worlds[0].it.db, async (db) => {
      await withTables<CoreTables>(db).updateTable('certificates').set({ crl_entry: null }).execute()
    })
    for (const { time } of worlds) time.pass(6 * day)
    const sorted = (entries: typeof before) => [...entries].sort((a, b) => (a.serial < b.serial ? -1 : 1))
    expect(sorted((await one.crl()).entries)).toEqual(sorted(before))
  })
})
