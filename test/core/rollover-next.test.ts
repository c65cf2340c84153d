import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { runRollovers } from '../../src/core/authority/rolloverActivate.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { system } from '../../src/core/requester.ts'
import { withdraw } from '../../src/core/revocation/withdraw.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { databases } from '../helpers/databases.ts'
import { failure, type People } from '../helpers/people.ts'
import { type RolloverWorld, rolloverWorld } from '../helpers/rolloverWorld.ts'
import type { World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('the next key of an authority before it takes over, or never, on $name', ({ open }) => {
  let at: RolloverWorld
  let world: World
  let other: World
  let people: People
  let to: RolloverWorld['to']
  beforeAll(async () => {
    at = await rolloverWorld(await open())
    ;({ world, other, people, to } = at)
  })
  afterAll(() => at?.close())
  const admin = () => at.admin()
  const door: RolloverWorld['door'] = (node) => at.door(node)
  const tables = () => at.tables()
  const order: RolloverWorld['order'] = (...given) => at.order(...given)
  const issue: RolloverWorld['issue'] = (...given) => at.issue(...given)
  const status: RolloverWorld['status'] = (...given) => at.status(...given)
  const requireTrue: RolloverWorld['requireTrue'] = (certificate) => at.requireTrue(certificate)
  const fields = ({ der }: { der: Buffer }) => readCertificate(der)

  test('an order under the next key, before it takes over: signed by that one, also when people are asked first', async () => {
    const before = await to.newRoot('r8')
    await admin().prepareRollover('r8', {})
    const { next } = await door().authorityChain('r8')
    if (!next) throw new Error('there is no next one')
    const early = await issue(other, 'r8', { issuer: next.id })
    expect(verifyIssuedBy(fields(early), next.certificate)).toBe(true)
    await requireTrue(early)
    expect((await issue(world, 'r8')).authorityCertificateId).toBe(before.id)
    expect(await status(other, next, early.serial)).toBe('good')
    const crl = readCrl((await door(other).crl({ authority: 'r8', issuer: next.id })).der)
    expect(verifyCrl(crl, next.certificate.publicKey)).toBe(true)
    await world.save('r8-review', {
      authority: (await loadAuthority(world.it, 'r8')).id,
      rules: { issue: [{ name: 'somebody looks', require: [{ users: ['chief'] }] }] },
    })
    const waiting = await order(world, 'r8-review', { issuer: next.id })
    expect(waiting.status).toBe('requested')
    const { approvals } = people.as(people.chief)
    const { hash } = await approvals.review('sign', waiting.id)
    await approvals.vote('sign', waiting.id, { verdict: 'approve', hash })
    const approved = await findCertificate(world.it.db, { id: waiting.id })
    expect(approved?.authorityCertificateId).toBe(next.id)
    await expect(order(world, 'r8', { issuer: before.id + 1_000 })).rejects.toMatchObject(failure('conflict'))
  })

  test('a cancellation: the authority goes on, what waits for the next key fails with the reason, and another can be prepared', async () => {
    const before = await to.newRoot('r9')
    await admin().prepareRollover('r9', {})
    const { next } = await door().authorityChain('r9')
    if (!next) throw new Error('there is no next one')
    const early = await issue(world, 'r9', { issuer: next.id })
    await world.save('r9-review', {
      authority: (await loadAuthority(world.it, 'r9')).id,
      rules: { issue: [{ name: 'somebody looks', require: [{ users: ['chief'] }] }] },
    })
    const waiting = await order(world, 'r9-review', { issuer: next.id })
    const view = await admin().cancelRollover('r9')
    expect(view).toMatchObject({ status: 'canceled', issued: 1 })
    expect(view.notes.join()).toContain(next.certificate.serial)
    expect((await door().authorityChain('r9')).next).toBeUndefined()
    const { approvals } = people.as(people.chief)
    const { hash } = await approvals.review('sign', waiting.id)
    await approvals.vote('sign', waiting.id, { verdict: 'approve', hash })
    const row = await tables().selectFrom('sign_requests').selectAll().where('id', '=', waiting.id).executeTakeFirst()
    expect(row).toMatchObject({ status: 'failed' })
    expect(row?.reason).toMatch(/withdrawn/)
    expect((await issue(other, 'r9')).authorityCertificateId).toBe(before.id)
    expect(await status(other, next, early.serial)).toBe('good')
    expect((await admin().prepareRollover('r9', {})).status).toBe('prepared')
  })

  test('a next certificate that was revoked by its parent never takes over', async () => {
    const { organizationId } = await world.profile()
    await to.newRoot('p1')
    const draft = { name: 'c1', key: 'P-256', subject: 'CN=C One', parent: 'p1', validity: 900 * day } as const
    await createAuthority(world.it, system('test'), { ...draft, organizationId, ownerId: null })
    const view = await admin().prepareRollover('c1', {})
    const certificate = await findCertificate(world.it.db, { serial: view.next?.serial ?? '' })
    if (!certificate) throw new Error('its certificate is no record')
    await transaction(world.it.db, (db) =>
      withdraw(db, { certificate, requester: system('test'), now: world.it.clock() }, 'superseded'),
    )
    expect((await door(other).authorityChain('c1')).next).toBeUndefined()
    await expect(admin().activateRollover('c1')).rejects.toMatchObject(failure('conflict', /revoked/))
    const start = world.time.now
    world.time.pass(31 * day)
    await runRollovers(other.it)
    expect((await admin().alerts()).map(({ detail }) => detail).join()).toMatch(/rollover of c1 is due and cannot be/)
    await admin().cancelRollover('c1')
    expect((await admin().alerts()).map(({ detail }) => detail).join()).not.toMatch(/rollover of c1/)
    world.time.now = start
  })

  test('needs create_ca on the authority, and on the parent where that is here', async () => {
    const { admin } = people.as(people.alice)
    await expect(admin.prepareRollover('r8', {})).rejects.toMatchObject(failure('forbidden', /create_ca/))
    await expect(people.as(people.stranger).admin.rollover('r8')).rejects.toMatchObject(failure('notFound'))
    await people.give(people.alice, 'create_ca', { authorityId: (await loadAuthority(world.it, 'c1')).id })
    await expect(admin.prepareRollover('c1', {})).rejects.toMatchObject(failure('forbidden', /create_ca/))
    await people.give(people.alice, 'create_ca', { authorityId: (await loadAuthority(world.it, 'p1')).id })
    expect((await admin.prepareRollover('c1', {})).status).toBe('prepared')
    await expect(admin.activateRollover('r8')).rejects.toMatchObject(failure('forbidden', /create_ca/))
    await expect(people.as(people.root).admin.rollover('root')).rejects.toMatchObject(
      failure('notFound', /prepared yet/),
    )
  })
})
