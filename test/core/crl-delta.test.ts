import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { readTlv } from '../../src/pki/der.ts'
import { decodeCrlDistributionPoints } from '../../src/pki/distribution.ts'
import { OID } from '../../src/pki/oid.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const hour = day / 24

describe.each(databases)('delta CRLs (RFC 5280 section 5.2.4), on $name', ({ open }) => {
  let world: World
  let it: CrlWorld
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    it = crlWorld(world)
    people = await createPeople(world)
    await it.settings({ crlDelta: '1h' })
  })
  afterAll(() => close())

  const complete = () => it.crl()
  const delta = () => it.crl({ delta: true })
  const lift = (id: number) => people.as(people.root).unhold({ protocol: 'cli', certificate: id })
  const reasonIn = async (serial: string) => (await delta()).entries.find((entry) => entry.serial === serial)?.reason

  test('the first delta is made beside the first complete one, which is there before it: one number, one moment', async () => {
    const first = await delta()
    const base = await complete()
    expect([base.number, base.thisUpdate, base.deltaBase]).toEqual([first.number, first.thisUpdate, undefined])
    expect(first.deltaBase).toBe(base.number)
    expect(first.entries).toEqual([])
  })

  test('certificates and complete CRLs name it, deltas do not (sections 4.2.1.15, 5.2.6)', async () => {
    const url = `http://ca.test/crl/issuing/${await it.issuerId()}/0-delta.crl`
    const { extensions } = readCertificate((await it.issue('fresh.example.org')).der)
    const freshest = extensions.find(({ oid }) => oid === OID.freshestCRL)
    expect(freshest?.critical).toBe(false)
    expect(freshest && readTlv(freshest.value) && decodeCrlDistributionPoints(freshest.value)).toEqual([url])
    expect((await complete()).freshest).toEqual([url])
    expect((await delta()).freshest).toBe(undefined)
  })

  test('it says what changed since its base, each certificate once, at once', async () => {
    const base = await complete()
    const one = await it.issue('one.example.org')
    await it.revoke(one, { reason: 'certificateHold' })
    const first = await delta()
    expect(first.deltaBase).toBe(base.number)
    expect(first.number).toBeGreaterThan(base.number ?? 0n)
    expect(first.entries).toMatchObject([{ serial: one.serial, reason: reasonCodes.certificateHold }])
    await it.revoke(one, { reason: 'keyCompromise' })
    const second = await delta()
    expect(second.entries).toMatchObject([{ serial: one.serial, reason: reasonCodes.keyCompromise }])
    expect(second.number).toBeGreaterThan(first.number ?? 0n)
  })

  test('a hold set and lifted after the base is removeFromCRL all the same', async () => {
    const certificate = await it.issue('short-hold.example.org')
    await it.revoke(certificate, { reason: 'certificateHold' })
    await lift(certificate.id)
    expect(await reasonIn(certificate.serial)).toBe(reasonCodes.removeFromCRL)
    expect(await it.serials()).not.toContain(certificate.serial)
    await it.revoke(certificate, { reason: 'superseded' })
    expect(await reasonIn(certificate.serial)).toBe(reasonCodes.superseded)
  })

  test('one made at the same time as a complete one has its number and says the same', async () => {
    const base = await delta()
    await it.revoke(await it.issue('both.example.org'))
    const whole = await complete()
    const since = await delta()
    expect(since.number).toBe(whole.number)
    expect(since.thisUpdate).toEqual(whole.thisUpdate)
    expect(since.deltaBase).toBe(base.deltaBase)
    const listed = since.entries.filter(({ reason }) => reason !== reasonCodes.removeFromCRL)
    for (const { serial } of listed) expect(whole.entries.map((entry) => entry.serial)).toContain(serial)
  })

  test('a hold of before the base, lifted after it, is removeFromCRL', async () => {
    const certificate = await it.issue('long-hold.example.org')
    await it.revoke(certificate, { reason: 'certificateHold' })
    expect(await it.serials()).toContain(certificate.serial)
    // Two scheduled complete ones later the first is no base any more.
    for (let n = 0; n < 2; n++) {
      world.time.pass(4.8 * day)
      await complete()
    }
    const { deltaBase } = await delta()
    expect((await delta()).entries.map(({ serial }) => serial)).not.toContain(certificate.serial)
    await lift(certificate.id)
    expect(await reasonIn(certificate.serial)).toBe(reasonCodes.removeFromCRL)
    expect((await delta()).deltaBase).toBe(deltaBase)
  })

  test('whoever holds a scheduled complete CRL that is still good can use it', async () => {
    const held = await complete()
    world.time.pass(4.8 * day)
    const newer = await complete()
    expect(newer.number).toBeGreaterThan(held.number ?? 0n)
    expect(held.nextUpdate?.getTime()).toBeGreaterThan(world.time.now.getTime())
    expect((await delta()).deltaBase).toBeLessThanOrEqual(held.number ?? 0n)
  })

  test('upkeep makes one every hour, long before the last one ends', async () => {
    await renewCrls(world.it)
    const first = await delta()
    world.time.pass(hour - 60_000)
    await renewCrls(world.it)
    expect((await delta()).number).toBe(first.number)
    world.time.pass(120_000)
    await renewCrls(world.it)
    const second = await delta()
    expect(second.number).toBeGreaterThan(first.number ?? 0n)
    expect(first.nextUpdate?.getTime()).toBeGreaterThan(world.time.now.getTime() + hour / 3)
  })

  test('with shards, delta and complete have the same scope, and none is made to a base of another scope', async () => {
    await it.settings({ crlDelta: '1h', crlShards: 2 })
    for (const shard of [0, 1]) {
      const since = await it.crl({ shard, delta: true })
      const whole = await it.crl({ shard })
      expect(since.idp?.urls).toEqual([`http://ca.test/crl/issuing/${await it.issuerId()}/${shard}.crl`])
      expect(whole.idp).toEqual(since.idp)
      expect(since.deltaBase).toBe(whole.number)
    }
  })

  test('switched off, new certificates name none, and what old ones name goes on', async () => {
    await it.settings({})
    const { extensions } = readCertificate((await it.issue('none.example.org')).der)
    expect(extensions.map(({ oid }) => oid)).not.toContain(OID.freshestCRL)
    const before = await delta()
    world.time.pass(6 * day)
    await renewCrls(world.it)
    expect((await delta()).number).toBeGreaterThan(before.number ?? 0n)
  })
})
