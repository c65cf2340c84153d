import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import type { SuccessorDraft } from '../../src/core/issuance/successor.ts'
import { generateKey } from '../../src/core/key.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { type Name, nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000
const auto = [{ name: 'all', auto: true }]
const waits = [{ name: 'alice decides', require: [{ users: ['alice'] }] }]
const settings = { certificate: { subject: { CN: '{name}', O: '{csr.O}' } } }
const dns = (...names: string[]): Identifier[] => names.map((value) => ({ type: 'dns', value }))

describe.each(databases)('the certificate after this one, on $name', ({ open }) => {
  let world: World
  let people: People
  let elsewhere: ManualAuthority
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('open', { settings, rules: { issue: auto, renew: auto, rekey: auto, revoke: waits } })
    elsewhere = await manualAuthority(world)
  })
  afterAll(async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    await close()
    expect(problems).toEqual([])
  })

  const chief = () => people.as(people.chief)

  /** A CSR of this key. */
  async function csrOf(key: ReturnType<typeof generateKey>, subject: Name, ...names: string[]): Promise<Csr> {
    return parsePkcs10(await writeCsr({ subject, identifiers: dns(...names) }, signerFor(key)))
  }
  async function ordered(name: string) {
    const key = generateKey('P-256')
    const subject = nameOf({ CN: name, O: 'Example' })
    const csr = await csrOf(key, subject, name)
    const profile = await world.profile('open')
    const { request } = await chief().sign({ profile, protocol: 'ra', action: 'issue', refusal: 'store', csr })
    const certificate = await findCertificate(world.it.db, { id: request.id })
    if (!certificate) throw new Error('not signed')
    return { key, subject, certificate }
  }
  const next = async (draft: SuccessorDraft) => {
    const { request } = await chief().sign({ ...draft, protocol: 'ra', refusal: 'store' })
    return findCertificate(world.it.db, { id: request.id })
  }

  it('is renewed by the stored request: same key, names and subject, and says what it renews', async () => {
    const { certificate } = await ordered('renew.test')
    const { id, spkiHash, identifiers, subject } = certificate
    const renewed = await next(await chief().successor({ id }, 'renew'))
    expect(renewed).toMatchObject({ renews: id, spkiHash, identifiers, subject })
    expect(renewed?.serial).not.toBe(certificate.serial)
  })

  it('is tied to whoever ordered the certificate before it, and to nobody else who may read that', async () => {
    const { certificate } = await ordered('tied.test')
    expect(await chief().successor({ id: certificate.id }, 'renew')).not.toHaveProperty('unproved')
    await people.give(people.alice, 'read')
    await people.give(people.alice, 'create_cert')
    const alice = people.as(people.alice)
    const draft = await alice.successor({ id: certificate.id }, 'renew')
    expect(draft.unproved).toBe(true)
    const sameNames = [{ name: 'kept', when: 'certificate.present && certificate.sameNames', auto: true }]
    const profile = await world.save('kept', { settings, rules: { renew: sameNames } })
    const order = { ...draft, profile, protocol: 'ra', refusal: 'store' } as const
    expect((await alice.sign(order)).request.status).toBe('requested')
    const { unproved: _, ...proved } = order
    expect((await chief().sign(proved)).request.status).toBe('signed')
    const parked = await chief().park(proved)
    expect((await alice.submit(parked.request.id)).request.status).toBe('requested')
    const own = await chief().park(proved)
    expect((await chief().submit(own.request.id)).request.status).toBe('signed')
  })

  it('is renewed by a request with the same key, for the names of that; by another key it is not', async () => {
    const { key, subject, certificate } = await ordered('more.test')
    const given = await csrOf(key, subject, 'more.test', 'and.test')
    const renewed = await next(await chief().successor({ uuid: certificate.uuid }, 'renew', given))
    expect(renewed?.identifiers).toEqual(dns('more.test', 'and.test'))
    const other = await csrOf(generateKey('P-256'), subject, 'more.test')
    const refused = chief().successor({ id: certificate.id }, 'renew', other)
    await expect(refused).rejects.toMatchObject(failure('badCsr', /keep the key/))
  })

  it('is rekeyed by another key for the same subject; not by its own key, another subject, or nothing', async () => {
    const { key, subject, certificate } = await ordered('rekey.test')
    const ref = { id: certificate.id }
    const rekeyed = await next(await chief().successor(ref, 'rekey', await csrOf(generateKey('P-256'), subject)))
    expect(rekeyed).toMatchObject({
      renews: certificate.id,
      identifiers: dns('rekey.test'),
      subject: certificate.subject,
    })
    const same = chief().successor(ref, 'rekey', await csrOf(key, subject, 'rekey.test'))
    await expect(same).rejects.toMatchObject(failure('badCsr', /change the key/))
    const other = chief().successor(ref, 'rekey', await csrOf(generateKey('P-256'), nameOf({ CN: 'other.test' })))
    await expect(other).rejects.toMatchObject(failure('badCsr', /keep the subject.*CN=rekey\.test/))
    await expect(chief().successor(ref, 'rekey')).rejects.toMatchObject(failure('malformed', /another key/))
  })

  it('is none of what is revoked, on hold or about to be, nor of what the requester may not see', async () => {
    const { certificate } = await ordered('gone.test')
    const ref = { id: certificate.id }
    await expect(people.as(people.stranger).successor(ref, 'renew')).rejects.toMatchObject(failure('notFound'))
    await expect(world.core.as(acmeAccount()).successor(ref, 'renew')).rejects.toMatchObject(failure('notFound'))
    await expect(chief().successor({ uuid: 'none' }, 'renew')).rejects.toMatchObject(failure('notFound'))
    const { id } = await chief().revoke({ protocol: 'ra', certificate: certificate.id, grounds: 'user' })
    await expect(chief().successor(ref, 'renew')).rejects.toMatchObject(failure('conflict', /pending/))
    const { approvals } = people.as(people.alice)
    await approvals.vote('revoke', id, { verdict: 'approve', hash: (await approvals.review('revoke', id)).hash })
    await expect(chief().successor(ref, 'renew')).rejects.toMatchObject(failure('conflict', /revoked/))
  })

  describe('signed elsewhere', () => {
    const operator = () => people.operator
    async function pending(host: string, more: { notAfter?: Date } = {}) {
      const csr = await newCsr([host], { subject: { CN: host } })
      const profile = await world.profile(elsewhere.name)
      const order = {
        profile,
        protocol: 'acme',
        action: 'issue',
        csr,
        refusal: 'throw',
        validated: csr.identifiers,
      } as const
      const { request } = await world.core.as(acmeAccount()).sign({ ...order, ...more })
      expect(request.status).toBe('signing')
      return { request, csr, made: { publicKey: csr.publicKey, identifiers: csr.identifiers, subject: csr.subject } }
    }
    const status = async (id: number) => (await operator().list.request(id)).status

    it('another key, other names, a CA, another issuer or a longer time is refused, and it goes on waiting', async () => {
      const { request, made } = await pending('up.test', { notAfter: new Date(world.time.now.getTime() + 20 * day) })
      const { publicKey: otherKey } = await newCsr(['up.test'])
      const end = new Date(world.time.now.getTime() + 10 * day)
      const wrong = [
        [await elsewhere.ca.issue({ ...made, notAfter: end, publicKey: otherKey }), /another key/],
        [await elsewhere.ca.issue({ ...made, notAfter: end, identifiers: dns('other.test') }), /other names/],
        [
          await elsewhere.ca.issue({ ...made, notAfter: new Date(world.time.now.getTime() + 40 * day) }),
          /what was approved/,
        ],
        [await (await manualAuthority(world)).ca.issue({ ...made, notAfter: end }), /not signed by/],
      ] as const
      for (const [{ der }, detail] of wrong) {
        await expect(operator().upload(request.id, [der])).rejects.toMatchObject(failure('malformed', detail))
        expect(await status(request.id)).toBe('signing')
      }
      const right = await elsewhere.ca.issue({ ...made, notAfter: end, subject: nameOf({ CN: 'another' }) })
      expect((await operator().upload(request.id, [right.der])).findings).toMatchObject([{ check: 'uploadedSubject' }])
    })

    it('of two uploads at once one is stored', async () => {
      const { request, made } = await pending('twice.test')
      const chains = await Promise.all([elsewhere.ca.issue(made), elsewhere.ca.issue(made)])
      const done = await Promise.allSettled(chains.map(({ der }) => operator().upload(request.id, [der])))
      expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(done.find((one) => one.status === 'rejected')).toMatchObject({ reason: failure('conflict') })
    })

    it('is withdrawn while it is awaited, with a reason that stays, and uploaded no more', async () => {
      const { request, made } = await pending('cancel.test')
      await expect(operator().approvals.cancel('sign', request.id, 'x'.repeat(1001))).rejects.toMatchObject(
        failure('malformed', /1000/),
      )
      await operator().approvals.cancel('sign', request.id, 'the CA is gone')
      const events = await operator().list.history(request.id)
      expect(events.at(-1)).toMatchObject({
        status: 'canceled',
        details: { from: 'signing', reason: 'the CA is gone' },
      })
      const { der } = await elsewhere.ca.issue(made)
      await expect(operator().upload(request.id, [der])).rejects.toMatchObject(failure('conflict'))
      await expect(operator().approvals.cancel('sign', request.id)).rejects.toMatchObject(failure('conflict'))
    })

    it('a revocation that awaits its authority is withdrawn: the certificate stays issued, and is renewed again', async () => {
      const { id } = await elsewhere.issue('back.test')
      const revocation = await elsewhere.revoke({ id }, 'superseded')
      expect(revocation.status).toBe('revoking')
      await expect(operator().successor({ id }, 'renew')).rejects.toMatchObject(failure('conflict', /pending/))
      await world.core.as(acmeAccount()).approvals.cancel('revoke', revocation.id, 'still needed')
      expect((await findCertificate(world.it.db, { id }))?.status).toBe('issued')
      expect((await operator().list.history(id)).at(-1)).toMatchObject({
        subject: 'revoke_request',
        status: 'canceled',
        details: { from: 'revoking', reason: 'still needed' },
      })
      await expect(operator().successor({ id }, 'renew')).resolves.toMatchObject({ action: 'renew', renews: id })
      await expect(chief().approvals.confirmRevoked(revocation.id)).rejects.toMatchObject(failure('conflict'))
    })
  })
})
