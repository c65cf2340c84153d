import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { mutations } from '../helpers/mutate.ts'

describe.each(databases)('what strangers put in the place of a certificate, on $name', ({ open }) => {
  let kept: InventoryWorld
  let close: () => Promise<void>
  let der: Buffer
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    kept = await createInventoryWorld(opened.db)
    const ca = await foreignCa(kept.world.time.now)
    const identifiers = [{ type: 'dns', value: 'www.example.org' }] as const
    der = (await ca.issue({ identifiers: [...identifiers], subject: nameOf({ CN: 'www.example.org', O: 'Example' }) }))
      .der
  })
  afterAll(() => close())
  const discovery = () => kept.people.as(kept.people.chief).discovery
  let taken = 0
  const take = (...certificates: Buffer[]) => discovery().take({ place: `file:${++taken}`, certificates })

  /** It is shown like any other, or its place says that it cannot be read. */
  async function survives(certificate: Buffer): Promise<void> {
    const { outcome, detail, certificates } = await take(certificate)
    if (outcome === 'unreadable') {
      expect(detail).toMatch(/./)
      return
    }
    const [found] = certificates
    if (!found) throw new Error(`nothing was found, and the outcome is ${outcome}`)
    const { facts, validation } = await kept.of().entry(found.id)
    expect([facts === undefined, validation === undefined]).toEqual([false, false])
    expect(await kept.of().lines([found.id])).toHaveLength(1)
    await kept.of().chain(found.id)
  }

  test('what strangers show hides no CA that somebody has uploaded', async () => {
    const own = await foreignCa(kept.world.time.now, { name: 'Common CA' })
    const { id: caId } = await kept.of().upload({ der: own.fields.der })
    const { id } = await kept.of().upload({ der: (await own.issue()).der })
    for (let serial = 1; serial <= 20; serial++) {
      const more = { serial: `0f${serial.toString(16).padStart(2, '0')}` }
      const other = await foreignCa(kept.world.time.now, { name: 'Common CA', more })
      await take(other.fields.der)
    }
    expect(await kept.of().chain(id)).toMatchObject({ complete: true, issuers: [{ item: caId }] })
  })

  test('a certificate with octets changed anywhere', { timeout: 120_000 }, async () => {
    const changes = fc.array(fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(changes, async (all) => {
        const changed = Buffer.from(der)
        for (const [at, by] of all) changed[at] = (changed[at] ?? 0) ^ by
        await survives(changed)
      }),
      { numRuns: 150 },
    )
  })

  test('a certificate with its parts dropped, doubled, swapped and retagged', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(mutations(der), survives), { numRuns: 150 })
  })

  test('each octet of its names, one after the other, as NUL and as 0xff', { timeout: 120_000 }, async () => {
    const { subjectDer } = readCertificate(der)
    const from = der.indexOf(subjectDer)
    for (let at = 0; at < subjectDer.length; at += 2) {
      for (const octet of [0, 0xff]) {
        const changed = Buffer.from(der)
        changed[from + at] = octet
        await survives(changed)
      }
    }
  })

  test('random octets, and nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect(await take(Buffer.from(bytes))).toMatchObject({ outcome: 'unreadable' })
      }),
      { numRuns: 50 },
    )
  })

  test('lists show all of them, and find them by their source', async () => {
    const { db } = kept.world.it
    await followSearch(db, Number.POSITIVE_INFINITY)
    const { list } = kept.people.as(kept.people.chief)
    const where = [{ field: 'source', condition: 'equals', value: ['discovered'] }] as const
    const { rows, total } = await list.searchCertificates({ where: [...where], page: 1, size: 100 })
    expect(rows.length).toBeGreaterThan(20)
    expect(rows).toHaveLength(Math.min(total, 100))
    expect(new Set(rows.map(({ source }) => source))).toEqual(new Set(['discovered']))
  })
})
