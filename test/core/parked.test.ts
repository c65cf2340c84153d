import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Failure } from '../../src/core/failure.ts'
import { asRequester, type User } from '../../src/core/identity/identity.ts'
import type { ParkDraft } from '../../src/core/issuance/park.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = {
  issue: [
    { name: 'never', when: 'identifiers.exists(i, i.value.endsWith(".bank.test"))', deny: 'not the bank' },
    { name: 'own', when: 'identifiers.exists(i, i.value.endsWith(".auto.test"))', auto: true },
    { name: 'vouched', when: 'entitled', auto: true },
    { name: 'one', require: [{ users: ['bob', 'alice'] }] },
  ],
}

const dns = (...names: string[]): Identifier[] => names.map((value) => ({ type: 'dns', value }))
const secret = 'a secret of theirs'

describe.each(databases)('parked orders on $name', ({ open }) => {
  let world: World
  let people: People
  let bob: User
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await people.as(people.chief).admin.createUser({ name: 'bob' })
    bob = await people.named('bob')
    await people.give(people.alice, 'create_cert')
    await world.save('guarded', { rules })
  })
  afterAll(async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    await close()
    expect(problems).toEqual([])
  })

  async function draft(more: Partial<ParkDraft> = {}): Promise<ParkDraft> {
    const profile = await world.profile('guarded')
    return { profile, protocol: 'ra', action: 'issue', refusal: 'store', ...more }
  }
  const alice = () => people.as(people.alice)
  const park = async (more: Partial<ParkDraft> = {}) => (await alice().park(await draft(more))).request
  const register = (name: string, more: ParkDraft['registration'] = {}) =>
    park({ identifiers: dns(name), registration: more })
  const vote = async (user: User, id: number) => {
    const { approvals } = people.as(user)
    const { hash } = await approvals.review('sign', id)
    return approvals.vote('sign', id, { verdict: 'approve', hash })
  }

  it('waits for nobody until it is submitted, and then goes the way of every order', async () => {
    const csr = await newCsr(['a.auto.test'])
    const parked = await park({ csr })
    expect(parked).toMatchObject({ status: 'draft', attempt: 0, revision: 1 })
    expect(
      (
        await people
          .as(bob)
          .list.requests({ kind: 'sign', status: 'draft' })
          .catch(() => ({ rows: [] }))
      ).rows,
    ).toEqual([])
    const { request } = await alice().submit(parked.uuid)
    expect(request).toMatchObject({ id: parked.id, status: 'signed' })
    const certificate = await alice().findCertificate({ uuid: parked.uuid })
    expect(certificate?.identifiers).toEqual(dns('a.auto.test'))
  })

  it('takes its CSR when it is submitted; the rules decide then: wait, or no', async () => {
    const waiting = await park({ identifiers: dns('w.test') })
    await expect(alice().submit(waiting.id)).rejects.toMatchObject(
      failure('malformed', /certificate request is needed/),
    )
    const submitted = await alice().submit(waiting.id, { csr: await newCsr(['w.test']) })
    expect(submitted.request).toMatchObject({ status: 'requested', expiresAt: expect.any(Date) })
    await vote(bob, waiting.id)
    expect((await alice().list.request(waiting.id)).status).toBe('signed')
    const refused = await park({ csr: await newCsr(['x.bank.test']) })
    expect((await alice().submit(refused.id)).request).toMatchObject({ status: 'denied', reason: 'not the bank' })
  })

  it('is refused by policy when it is submitted: stored as denied, or thrown and still parked', async () => {
    const csr = await newCsr(['p.auto.test'])
    const late = { csr, notAfter: new Date(world.time.now.getTime() + 4000 * 86_400_000) }
    const stored = await park(late)
    expect(stored.findings).toMatchObject([{ by: 'policy', check: 'validity' }])
    expect((await alice().submit(stored.id)).request).toMatchObject({
      status: 'denied',
      reason: expect.stringMatching(/90 days/),
    })
    const thrown = await park({ ...late, refusal: 'throw' })
    await expect(alice().submit(thrown.id)).rejects.toMatchObject(failure('malformed', /90 days/))
    expect((await alice().list.request(thrown.id)).status).toBe('draft')
  })

  it('expires when nobody submits it in the time of its profile; a registration without an end stays', async () => {
    await world.save('hasty', { rules, settings: { parkedFor: '2h' } })
    const profile = await world.profile('hasty')
    const left = await park({ profile, csr: await newCsr(['left.auto.test']) })
    const usual = await park({ csr: await newCsr(['usual.auto.test']) })
    const registered = await register('late.auto.test')
    const hours = (request: typeof left) => ((request.expiresAt?.getTime() ?? 0) - world.time.now.getTime()) / 3_600_000
    expect([hours(left), hours(usual), registered.expiresAt]).toEqual([2, 90 * 24, undefined])
    world.time.pass(2 * 3_600_000)
    await expireWaiting(world.it.db, world.time.now)
    expect(await alice().list.request(left.id)).toMatchObject({
      status: 'expired',
      reason: 'the time in which this could be submitted is over',
    })
    await expect(alice().submit(left.id)).rejects.toMatchObject(failure('conflict'))
    expect((await alice().list.request(usual.id)).status).toBe('draft')
    expect((await alice().list.request(registered.id)).status).toBe('draft')
  })

  it('answers the same origin with the same record, whether it is parked, submitted or ordered again', async () => {
    const origin = { protocol: 'ra', ref: 'key 1' }
    const first = await alice().park(await draft({ origin, csr: await newCsr(['o.auto.test']) }))
    const again = await alice().park(await draft({ origin }))
    const ordered = await alice().sign(await draft({ origin, csr: await newCsr(['q.auto.test']) }))
    expect([first.repeat, again.repeat, ordered.repeat]).toEqual([false, true, true])
    expect([again.request.id, ordered.request.id]).toEqual([first.request.id, first.request.id])
  })

  it('of many submissions at once one goes through', async () => {
    const parked = await park({ csr: await newCsr(['race.auto.test']) })
    const settled = await Promise.allSettled(Array.from({ length: 6 }, () => alice().submit(parked.id)))
    const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toHaveLength(5)
    for (const reason of refused) expect(reason).toMatchObject(failure('conflict'))
    expect((await audited(world, 'sign_request.signing')).filter((row) => row.subject_id === parked.id)).toHaveLength(1)
  })

  it('is submitted by nobody without create_cert, seen by nobody elsewhere, and once canceled never', async () => {
    const parked = await park({ csr: await newCsr(['r.auto.test']) })
    await expect(people.as(bob).submit(parked.id)).rejects.toMatchObject(failure('forbidden', /create_cert/))
    await expect(people.as(people.stranger).submit(parked.uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(world.core.as(acmeAccount()).submit(parked.uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(world.core.as(acmeAccount()).submit(parked.uuid, { secret: 'x' })).rejects.toMatchObject(
      failure('notFound'),
    )
    await expect(people.as(bob).park(await draft())).rejects.toMatchObject(failure('forbidden', /create_cert/))
    await alice().approvals.cancel('sign', parked.id, 'not needed')
    await expect(alice().submit(parked.id)).rejects.toMatchObject(failure('conflict', /canceled/))
  })

  it('whoever parked it decides nothing about it, also when another one submits', async () => {
    await people.give(bob, 'create_cert')
    const parked = await park({ csr: await newCsr(['both.test']) })
    const { request } = await people.as(bob).submit(parked.id)
    expect(request.requester).toMatchObject({ ref: asRequester(bob).ref, people: [bob.id, people.alice.id] })
    for (const user of [bob, people.alice])
      await expect(vote(user, parked.id)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
  })

  describe('registration', () => {
    it('fixes names and subject: a CSR with anything else is refused with every difference, and nothing changes', async () => {
      const subject = nameOf({ CN: 'reg.auto.test', O: 'Example' })
      const { id } = await park({
        identifiers: dns('reg.auto.test'),
        requestedSubject: subject,
        registration: { extensions: [] },
      })
      const csr = await newCsr(['other.auto.test'], { subject: { CN: 'reg.auto.test', O: 'Evil' } })
      const refused = await alice()
        .submit(id, { csr })
        .catch((error: unknown) => error)
      expect(refused).toMatchObject(failure('badCsr', /not what was registered/))
      expect((refused as Failure).problems?.map(({ at }) => at)).toEqual(['identifiers', 'identifiers', 'subject'])
      await expect(alice().submit(id, { csr, identifiers: dns('other.auto.test') })).rejects.toMatchObject(
        failure('malformed'),
      )
      expect(await alice().registration(id)).toEqual({ state: 'active', failedAttempts: 0, secret: false })
      const right = await newCsr(['reg.auto.test'], { subject: { CN: 'reg.auto.test', O: 'Example' } })
      expect((await alice().submit(id, { csr: right })).request.status).toBe('signed')
      expect(await alice().registration(id)).toMatchObject({ state: 'closed' })
    })

    it('without a subject lets a CSR repeat a name as its common name, and say nothing else', async () => {
      const { id } = await register('n.auto.test')
      const evil = await newCsr(['n.auto.test'], { subject: { CN: 'n.auto.test', O: 'Evil' } })
      await expect(alice().submit(id, { csr: evil })).rejects.toMatchObject(failure('badCsr', /none is registered/))
      const csr = await newCsr(['n.auto.test'], { subject: { CN: 'n.auto.test' } })
      expect((await alice().submit(id, { csr })).request.status).toBe('signed')
    })

    it('needs an identity, and takes no CSR, no past end and no short secret', async () => {
      const problems: [Partial<ParkDraft>, RegExp][] = [
        [{ registration: {} }, /name at least one/],
        [{ identifiers: dns('a.test'), registration: { secret: 'short' } }, /12 to 255/],
        [{ identifiers: dns('a.test'), registration: { secret: `${'ä'.repeat(20)}` } }, /printable ASCII/],
        [{ identifiers: dns('a.test'), registration: { expiresAt: world.time.now } }, /in the future/],
        [
          { csr: await newCsr(['a.test']), identifiers: dns('a.test'), registration: {} },
          /before its certificate request/,
        ],
        [
          {
            identifiers: dns('a.test'),
            registration: { extensions: [{ oid: '2.5.29.17', critical: false, value: Buffer.alloc(2) }] },
          },
          /subjectAltName/,
        ],
      ]
      for (const [more, detail] of problems)
        await expect(park(more)).rejects.toMatchObject(failure('malformed', detail))
    })

    it('with a secret is submitted by whoever shows it, and by nobody without', async () => {
      const { id, uuid } = await register('s.test', { secret })
      const device = world.core.as({ kind: 'key-holder', ref: 'k1', name: 'a device', people: [] })
      const csr = await newCsr(['s.test'])
      await expect(alice().submit(id, { csr })).rejects.toMatchObject(failure('forbidden', /must be shown/))
      await expect(device.submit(uuid, { csr })).rejects.toMatchObject(failure('notFound'))
      await expect(device.submit(uuid, { csr, secret: 'another secret' })).rejects.toMatchObject(
        failure('forbidden', /wrong/),
      )
      const { request } = await device.submit(uuid, { csr, secret })
      expect(request).toMatchObject({
        status: 'requested',
        requester: { kind: 'key-holder', people: [people.alice.id] },
      })
      expect(await alice().registration(id)).toMatchObject({ state: 'closed', failedAttempts: 1, secret: true })
    })

    it('made by one who may make challenges, its secret counts like one made for these names', async () => {
      const { request } = await people
        .as(people.chief)
        .park(await draft({ identifiers: dns('v.test'), registration: { secret } }))
      const device = world.core.as({ kind: 'key-holder', ref: 'k2', name: 'a device', people: [] })
      const submitted = await device.submit(request.uuid, { csr: await newCsr(['v.test']), secret })
      expect(submitted.request.status).toBe('signed')
    })

    it('is locked after five wrong secrets, however many come at once; the right one is too late then', async () => {
      const { id, uuid } = await register('l.auto.test', { secret })
      const csr = await newCsr(['l.auto.test'])
      const guesses = Array.from({ length: 12 }, (_, i) => alice().submit(uuid, { csr, secret: `wrong secret ${i}` }))
      for (const one of await Promise.allSettled(guesses))
        expect(one).toMatchObject({ status: 'rejected', reason: failure('forbidden') })
      expect(await alice().registration(id)).toMatchObject({ state: 'locked', failedAttempts: 5 })
      await expect(alice().submit(id, { csr, secret })).rejects.toMatchObject(failure('forbidden', /locked/))
      expect((await audited(world, 'registration.wrong_secret')).filter((row) => row.subject_id === id)).toHaveLength(4)
      expect((await audited(world, 'registration.locked')).filter((row) => row.subject_id === id)).toHaveLength(1)
    })

    it('keeps no secret in the database, the audit trail or a detail', async () => {
      const { id } = await register('k.test', { secret })
      const seen = JSON.stringify([await alice().list.request(id), await audited(world, 'sign_request.draft')])
      expect(seen).not.toContain(secret)
    })

    it('ends at its time: submitted no more, and expired by the next sweep', async () => {
      const expiresAt = new Date(world.time.now.getTime() + 60_000)
      const { id } = await register('e.auto.test', { expiresAt })
      const csr = await newCsr(['e.auto.test'])
      world.time.pass(60_000)
      await expect(alice().submit(id, { csr })).rejects.toMatchObject(failure('conflict', /too late/))
      expect(await alice().registration(id)).toMatchObject({ state: 'expired' })
      await expireWaiting(world.it.db, world.time.now)
      expect(await alice().list.request(id)).toMatchObject({
        status: 'expired',
        reason: expect.stringMatching(/submitted/),
      })
      expect(await alice().registration(id)).toEqual({ state: 'expired', expiresAt, failedAttempts: 0, secret: false })
    })
  })
})
