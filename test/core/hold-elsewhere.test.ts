import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { readRevokeRequest } from '../../src/core/request/records.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { databases } from '../helpers/databases.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const minute = 60_000

describe.each(databases)('a hold under an authority that signs elsewhere, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let manual: ManualAuthority
  let number = 0
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    manual = await manualAuthority(world)
  })
  afterAll(() => close())

  type Issued = Awaited<ReturnType<ManualAuthority['issue']>>
  const lift = ({ id }: { id: number }, by = people.chief) => people.as(by).unhold({ protocol: 'cli', certificate: id })
  const statusOf = async ({ id }: { id: number }) => (await findCertificate(world.it.db, { id }))?.status
  const requestOf = (id: number | undefined) => readRevokeRequest(world.it.db, id ?? 0)
  const confirm = (id: number | undefined) => people.as(people.chief).approvals.confirmRevoked(id ?? 0)

  /** Its next CRL, made now. */
  async function publish(listed: { serial: string; reason?: number }[], more = {}) {
    number += 1
    const entries = listed.map((one) => ({ revokedAt: world.time.now, reason: reasonCodes.certificateHold, ...one }))
    const crl = await manual.ca.crl({ number, entries, thisUpdate: world.time.now, ...more })
    return people.as(people.chief).admin.uploadCrl(manual.name, crl)
  }

  /** On hold there and here. */
  async function held(name: string): Promise<Issued> {
    const certificate = await manual.issue(name)
    await manual.revoke(certificate, 'certificateHold')
    world.time.pass(minute)
    await publish([certificate])
    world.time.pass(minute)
    return certificate
  }

  test('stands until its CRL lists it no more', async () => {
    const certificate = await held('crl.example.org')
    const { certificate: still, request } = await lift(certificate)
    expect(still.status).toBe('hold')
    expect(request).toMatchObject({ status: 'revoking', code: 'removeFromCRL' })
    expect(await statusOf(certificate)).toBe('hold')
    const early = await publish([certificate])
    expect(early).toMatchObject({ confirmed: [], released: [] })
    expect(early.warnings).toEqual([
      expect.stringMatching(new RegExp(`to be lifted at ${manual.name}: r${request?.id} `)),
    ])
    expect(await statusOf(certificate)).toBe('hold')
    const late = await publish([])
    expect(late).toMatchObject({ confirmed: [request?.id], released: [certificate.serial], revoked: [], warnings: [] })
    expect(await statusOf(certificate)).toBe('issued')
    expect((await requestOf(request?.id)).status).toBe('revoked')
    expect((await audited(world, 'certificate.released')).at(-1)).toMatchObject({ subject_id: certificate.id })
  })

  test('stands, if nobody asked here to lift it, and the upload says so', async () => {
    const certificate = await held('unasked.example.org')
    const { released, warnings } = await publish([])
    expect(released).toEqual([])
    expect(warnings.join()).toContain(certificate.serial)
    expect(await statusOf(certificate)).toBe('hold')
    const { request } = await lift(certificate)
    await publish([])
    expect((await requestOf(request?.id)).status).toBe('revoked')
  })

  test('is lifted by the word of who manages the authority, and of nobody else', async () => {
    const certificate = await held('word.example.org')
    const { request } = await lift(certificate)
    const id = request?.id ?? 0
    await expect(people.operator.approvals.confirmRevoked(id)).rejects.toMatchObject(failure('forbidden'))
    await expect(people.as(people.alice).approvals.confirmRevoked(id)).rejects.toMatchObject(failure('forbidden'))
    await expect(people.as(people.stranger).approvals.confirmRevoked(id)).rejects.toMatchObject(failure('notFound'))
    expect(await statusOf(certificate)).toBe('hold')
    expect(await confirm(id)).toEqual({ status: 'lifted' })
    expect(await statusOf(certificate)).toBe('issued')
    await expect(confirm(id)).rejects.toMatchObject(failure('conflict'))
    // Its CRL has the last word.
    await publish([certificate])
    expect(await statusOf(certificate)).toBe('hold')
  })

  test('trying again does not say that it was lifted', async () => {
    const certificate = await held('retry.example.org')
    const { request } = await lift(certificate)
    await people.as(people.chief).approvals.retry('revoke', request?.id ?? 0)
    expect([await statusOf(certificate), (await requestOf(request?.id)).status]).toEqual(['hold', 'revoking'])
    await confirm(request?.id)
  })

  test('a CRL made before it began does not lift it, nor one of some certificates only', async () => {
    const certificate = await manual.issue('before.example.org')
    const made = world.time.now
    world.time.pass(minute)
    const { id } = await manual.revoke(certificate, 'certificateHold')
    await confirm(id)
    const { request } = await lift(certificate)
    expect(await publish([], { thisUpdate: made })).toMatchObject({ released: [] })
    world.time.pass(minute)
    const partial = { idp: { urls: ['http://ca.test/part.crl'] } }
    expect(await publish([], partial)).toMatchObject({ released: [] })
    expect(await statusOf(certificate)).toBe('hold')
    expect(await publish([])).toMatchObject({ released: [certificate.serial], confirmed: [request?.id] })
  })

  test('asked for twice it is one request; canceled, the hold stands', async () => {
    const certificate = await held('twice.example.org')
    const [first, second] = [await lift(certificate), await lift(certificate, people.root)]
    expect(second.request?.id).toBe(first.request?.id)
    await people.as(people.chief).approvals.cancel('revoke', first.request?.id ?? 0)
    world.time.pass(minute)
    await publish([])
    expect(await statusOf(certificate)).toBe('hold')
    expect((await lift(certificate)).request?.id).not.toBe(first.request?.id)
  })

  test('of many who ask at once all get the same', async () => {
    const certificate = await held('race.example.org')
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => lift(certificate)))
    const ids = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value.request?.id] : []))
    expect(new Set(ids).size).toBe(1)
    for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject(failure('conflict'))
  })

  test('what became revoked there is revoked, and nothing is left to lift', async () => {
    const certificate = await held('worse.example.org')
    const { request } = await lift(certificate)
    const answer = await publish([{ serial: certificate.serial, reason: reasonCodes.keyCompromise }])
    expect(answer).toMatchObject({ released: [], confirmed: [], revoked: [certificate.serial] })
    expect(await statusOf(certificate)).toBe('revoked')
    expect(await requestOf(request?.id)).toMatchObject({
      status: 'canceled',
      reason: expect.stringMatching(/revoked it/),
    })
  })

  test('a request to revoke it takes the place of one to lift its hold, not the other way round', async () => {
    const certificate = await held('graver.example.org')
    const { request } = await lift(certificate)
    const graver = await manual.revoke(certificate, 'keyCompromise')
    expect(graver).toMatchObject({ status: 'revoking', code: 'keyCompromise' })
    expect(graver.id).not.toBe(request?.id)
    expect((await requestOf(request?.id)).status).toBe('canceled')
    await expect(lift(certificate)).rejects.toMatchObject(failure('conflict', /its revocation is asked for/))
    // It is not done by a CRL that lists it no more.
    world.time.pass(minute)
    await publish([])
    expect([await statusOf(certificate), (await requestOf(graver.id)).status]).toEqual(['hold', 'revoking'])
    await publish([{ serial: certificate.serial, reason: reasonCodes.keyCompromise }])
    expect(await statusOf(certificate)).toBe('revoked')
  })

  test('a request to revoke it that the rules deny leaves the one to lift its hold alone', async () => {
    const certificate = await held('denied.example.org')
    const { request } = await lift(certificate)
    const rules = { issue: [], revoke: [{ name: 'no', deny: 'not now', when: 'true' }] }
    await world.save(manual.name, { authority: manual.id, rules })
    expect((await manual.revoke(certificate, 'superseded')).status).toBe('denied')
    expect((await requestOf(request?.id)).status).toBe('revoking')
    await world.save(manual.name, { authority: manual.id })
    await confirm(request?.id)
  })

  test('who may not lift it, and what is not on hold', async () => {
    const certificate = await held('rights.example.org')
    await expect(lift(certificate, people.alice)).rejects.toMatchObject(failure('forbidden', /revoke_cert/))
    await expect(lift(certificate, people.stranger)).rejects.toMatchObject(failure('notFound'))
    const asked = people.operator.unhold({ protocol: 'cli', certificate: certificate.id })
    await expect(asked).rejects.toMatchObject(failure('forbidden', /a person/))
    await expect(lift(await manual.issue('good.example.org'))).rejects.toMatchObject(failure('conflict', /not on hold/))
  })

  test('the audit trail agrees', async () => {
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
  })
})
