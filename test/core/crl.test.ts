import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { currentCrl } from '../../src/core/crl/crl.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('CRLs, on $name', ({ open }) => {
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
  })
  afterAll(() => close())

  const entry = async (serial: string, ref = {}) => (await it.crl(ref)).entries.find((one) => one.serial === serial)

  describe('what an entry says (RFC 5280 section 5.3)', () => {
    test('the reason, left out where it is unspecified or none', async () => {
      const reasons = [undefined, 'unspecified', 'keyCompromise', 'superseded', 'privilegeWithdrawn'] as const
      for (const reason of reasons) {
        const certificate = await it.issue('reason.example.org')
        await it.revoke(certificate, reason === undefined ? {} : { reason })
        const code = reason === undefined || reason === 'unspecified' ? undefined : reasonCodes[reason]
        expect((await entry(certificate.serial))?.reason).toBe(code)
      }
    })

    test('since when the key may be known by others (section 5.3.2), in whole seconds', async () => {
      const certificate = await it.issue('known.example.org')
      const invalidityDate = new Date(Math.floor(world.time.now.getTime() / 1000) * 1000 - 30 * day)
      await it.revoke(certificate, { reason: 'keyCompromise', invalidityDate })
      expect(await entry(certificate.serial)).toMatchObject({ invalidityDate, reason: reasonCodes.keyCompromise })
    })

    test('not since a time that has not come', async () => {
      const certificate = await it.issue('early.example.org')
      const invalidityDate = new Date(world.time.now.getTime() + 1000)
      await expect(it.revoke(certificate, { reason: 'keyCompromise', invalidityDate })).rejects.toMatchObject(
        failure('malformed'),
      )
      await expect(
        it.revoke(certificate, { reason: 'keyCompromise', invalidityDate: new Date(Number.NaN) }),
      ).rejects.toMatchObject(failure('malformed'))
    })
  })

  describe('rules', () => {
    test('twice: alreadyRevoked, and the entry stays as it was', async () => {
      const certificate = await it.issue('twice.example.org')
      await it.revoke(certificate, { reason: 'superseded' })
      const first = await entry(certificate.serial)
      world.time.pass(5_000)
      await expect(it.revoke(certificate, { reason: 'keyCompromise' })).rejects.toMatchObject(failure('alreadyRevoked'))
      expect(await entry(certificate.serial)).toEqual(first)
    })

    test('a hold becomes a revocation, with the date of the hold', async () => {
      const certificate = await it.issue('held.example.org')
      expect(await it.revoke(certificate, { reason: 'certificateHold' })).toBe('revoked')
      const held = await entry(certificate.serial)
      expect(held?.reason).toBe(reasonCodes.certificateHold)
      await expect(it.revoke(certificate, { reason: 'certificateHold' })).rejects.toMatchObject(
        failure('alreadyRevoked', /hold/),
      )
      world.time.pass(day)
      await it.revoke(certificate, { reason: 'keyCompromise' })
      expect(await entry(certificate.serial)).toEqual({ ...held, reason: reasonCodes.keyCompromise })
    })

    test('a hold is lifted: off the CRL, on record, and it can be held anew', async () => {
      const certificate = await it.issue('lifted.example.org')
      await it.revoke(certificate, { reason: 'certificateHold' })
      expect(await it.serials()).toContain(certificate.serial)
      const lifted = await people.as(people.chief).unhold({ protocol: 'cli', certificate: certificate.id })
      expect(lifted).toMatchObject({ certificate: { status: 'issued' } })
      expect(await it.serials()).not.toContain(certificate.serial)
      const trail = await audited(world, 'certificate.released')
      expect(trail.at(-1)).toMatchObject({ subject_id: certificate.id, status: 'issued' })
      await it.revoke(certificate, { reason: 'certificateHold' })
      expect(await it.serials()).toContain(certificate.serial)
    })

    test('who may not lift a hold', async () => {
      const certificate = await it.issue('kept.example.org')
      await it.revoke(certificate, { reason: 'certificateHold' })
      const lift = (door: Door) => door.unhold({ protocol: 'cli', certificate: certificate.id })
      await expect(lift(people.operator)).rejects.toMatchObject(failure('forbidden', /person/))
      await expect(lift(people.as(people.alice))).rejects.toMatchObject(failure('forbidden', /revoke_cert/))
      await expect(lift(people.as(people.stranger))).rejects.toMatchObject(failure('notFound'))
      expect(await it.serials()).toContain(certificate.serial)
    })

    test('what is not on hold is not lifted, a revocation least of all', async () => {
      const certificate = await it.issue('final.example.org')
      const lift = () => people.as(people.chief).unhold({ protocol: 'cli', certificate: certificate.id })
      await expect(lift()).rejects.toMatchObject(failure('conflict'))
      await it.revoke(certificate)
      await expect(lift()).rejects.toMatchObject(failure('conflict'))
      expect(await it.serials()).toContain(certificate.serial)
    })

    test('revoked while another request waits: that one is closed, and a hold whose revocation waits is not lifted', async () => {
      const rules = { revoke: [{ name: 'ask', require: [{ owner: true }] }] }
      const asking = await world.save('asking', { rules })
      const certificate = await it.issue('waiting.example.org')
      await it.revoke(certificate, { reason: 'certificateHold' })
      expect(await it.revoke(certificate, { reason: 'superseded', profile: asking })).toBe('requested')
      await expect(
        people.as(people.chief).unhold({ protocol: 'cli', certificate: certificate.id }),
      ).rejects.toMatchObject(failure('conflict', /asked for/))
      expect(await it.revoke(certificate, { reason: 'keyCompromise' })).toBe('revoked')
      expect((await entry(certificate.serial))?.reason).toBe(reasonCodes.keyCompromise)
      const open = await withTables<CoreTables>(world.it.db)
        .selectFrom('revoke_requests')
        .select('status')
        .where('certificate_id', '=', certificate.id)
        .where('status', 'in', ['requested', 'revoking'])
        .execute()
      expect(open).toEqual([])
    })

    test('the certificate of an authority stands on the CRL of the one above', async () => {
      const own = await withTables<CoreTables>(world.it.db)
        .selectFrom('authority_certificates')
        .innerJoin('certificates', 'certificates.spki_hash', 'authority_certificates.spki_hash')
        .select(['certificates.id', 'certificates.serial'])
        .where('authority_certificates.id', '=', await it.issuerId())
        .executeTakeFirst()
      const rules = { revoke: [{ name: 'anybody', auto: true }] }
      const profile = await world.save('anybody', { rules })
      const id = own?.id ?? 0
      expect(await it.revoke({ id } as never, { reason: 'certificateHold', profile })).toBe('revoked')
      expect(await it.serials({ authority: 'root' })).toEqual([own?.serial])
      // What it had signed must stay checkable: its own CRL goes on.
      world.time.pass(6 * day)
      expect((await it.crl()).thisUpdate.getTime()).toBe(Math.floor(world.time.now.getTime() / 1000) * 1000)
      await expect(it.issue('under-hold.example.org')).rejects.toThrow()
      await people.as(people.root).unhold({ protocol: 'cli', certificate: id })
      expect(await it.serials({ authority: 'root' })).toEqual([])
      expect((await it.issue('after-hold.example.org')).status).toBe('issued')
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

  test('one that is the same is made once, for however many ask, and a burst of revocations makes few', async () => {
    const certificates = await Promise.all(Array.from({ length: 30 }, (_, n) => it.issue(`burst-${n}.example.org`)))
    await it.crl()
    const before = (await numbers()).at(-1) ?? 0
    await Promise.all(
      certificates.map(async (certificate) => {
        await it.revoke(certificate)
        expect(await it.serials()).toContain(certificate.serial)
      }),
    )
    const after = (await numbers()).at(-1) ?? 0
    expect(after - before).toBeLessThan(30)
    const same = await Promise.all(Array.from({ length: 20 }, () => currentCrl(world.it, { authority: 'issuing' })))
    expect(new Set(same.map(({ number }) => number)).size).toBe(1)
    expect((await numbers()).at(-1)).toBe(Number(same[0]?.number))
  })

  test('certificates name the CRL that lists them, and no delta where there are none', async () => {
    const certificate = readCertificate((await it.issue('named.example.org')).der)
    expect(certificate.crlUrls).toEqual([`http://ca.test/crl/issuing/${await it.issuerId()}/0.crl`])
    expect(certificate.extensions.map(({ oid }) => oid)).not.toContain('2.5.29.46')
    expect((await it.crl()).freshest).toBe(undefined)
    expect((await it.crl()).idp).toBe(undefined)
    await expect(it.crl({ delta: true })).rejects.toMatchObject(failure('notFound'))
    await expect(it.crl({ shard: 1 })).rejects.toMatchObject(failure('notFound'))
  })
})
