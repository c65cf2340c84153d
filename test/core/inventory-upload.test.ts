import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { walkValidations } from '../../src/core/inventory/validationWalk.ts'
import { runDueJobs } from '../../src/core/jobs.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { fingerprint } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000
const all = [{ name: 'all', auto: true }]
const rules = { issue: all, renew: all, revoke: all }

describe.each(databases)('certificates of others, and validation, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await people.give(people.alice, 'read')
    await world.save('watched', { rules, settings: { certificate: { validity: { default: '90d', max: '90d' } } } })
  })
  afterAll(() => close())

  const of = (user = people.chief) => people.as(user).inventory
  async function order(name: string, renews?: number) {
    const csr = await newCsr([name])
    const draft = { profile: await world.profile('watched'), protocol: 'acme', csr, refusal: 'store' } as const
    const action = renews === undefined ? 'issue' : 'renew'
    const more = { action, identifiers: csr.identifiers, ...(renews === undefined ? {} : { renews }) } as const
    return (await world.core.as(acmeAccount()).sign({ ...draft, ...more })).request
  }
  const jobs = async () => {
    const { db, node, clock, log } = world.it
    const handlers = { 'inventory.validate': (ref: string) => walkValidations(world.it, ref) }
    let ran = 0
    for (let more = 1; more > 0; ran += more) more = await runDueJobs({ db, node, clock, log, handlers })
    return ran
  }

  test('is stored with its custom attributes or not at all, whoever signed it', async () => {
    const [ca, ours] = [await foreignCa(world.time.now), await foreignCa(world.time.now, { name: 'Brought CA' })]
    const { admin } = people.as(people.chief)
    await admin.importAuthority({ name: 'brought', pem: ours.withKey, crl: await ours.crl() })
    const attributes = [{ name: 'team', contentType: 'string', content: [{ data: 'shop' }] }]
    const { db } = world.it
    const run = (text: string) =>
      transaction(db, async (db) => {
        await sql.raw(text).execute(withTables<CoreTables>(db))
      })
    const refusal = db.dialect === 'sqlite' ? "select raise(abort, 'full');" : "raise exception 'full';"
    for (const { der } of [await ca.issue(), await ours.issue()]) {
      if (db.dialect === 'sqlite')
        await run(
          `create trigger full_disk before insert on inventory_records when new.attributes <> '[]' begin ${refusal} end`,
        )
      else {
        await run(`create or replace function refuse() returns trigger language plpgsql as $$ begin ${refusal} end $$`)
        await run(
          `create trigger full_disk before insert on inventory_records for each row when (new.attributes <> '[]') execute function refuse()`,
        )
      }
      await expect(of().upload({ der, attributes })).rejects.toThrow('full')
      await run(db.dialect === 'sqlite' ? 'drop trigger full_disk' : 'drop trigger full_disk on inventory_records')
      const { uuid } = await of().upload({ der, attributes })
      expect(await of().entry(uuid)).toMatchObject({ attributes })
    }
  })

  test('one of a CA that nobody here knows is kept, can be told from ours, and vouches for nobody', async () => {
    const ca = await foreignCa(world.time.now, { name: 'Unknown CA' })
    const { der } = await ca.issue({
      subject: nameOf({ CN: 'shop' }),
      identifiers: [{ type: 'dns', value: 'shop.test' }],
    })
    const attributes = [{ name: 'team', contentType: 'string', content: [{ data: 'shop' }] }]
    const { id, uuid } = await of().upload({ der, attributes })
    const entry = await of(people.alice).entry(uuid)
    expect(entry).toMatchObject({
      item: { id, source: 'uploaded', foreign: true, status: 'signed' },
      facts: { commonName: 'shop', issuerCommonName: 'Unknown CA' },
      attributes,
      compliance: { status: 'not_checked' },
    })
    expect(await of().chain(uuid)).toEqual({ complete: false, issuers: [] })
    const { status, checks } = await of().validate(uuid)
    expect(status).toBe('invalid')
    expect(checks).toMatchObject({
      certificate_chain: { status: 'invalid' },
      signature: { status: 'not_checked' },
      ocsp_verification: { status: 'not_checked' },
      crl_verification: { status: 'not_checked' },
    })
    const revoke = people
      .as(people.chief)
      .revoke({ protocol: 'cli', certificate: id, grounds: 'user', profile: await world.profile() })
    await expect(revoke).rejects.toMatchObject(failure('unsupported', /not issued here/))
    // No client proves with it who it is.
    expect(await findCertificate(world.it.db, { fingerprint: fingerprint(der) })).toBeUndefined()
    const renewal = order('shop.test', id)
    await expect(renewal).rejects.toMatchObject(failure('forbidden', /renews nothing/))
    const authorities = await people.as(people.chief).admin.authorities()
    expect(authorities.map(({ name }) => name).filter((name) => name.startsWith('@'))).toEqual([])
  })

  test('is there once in an organization, and another organization knows nothing of it', async () => {
    const { der } = await (await foreignCa(world.time.now)).issue()
    const { uuid } = await of().upload({ der })
    await expect(of().upload({ der })).rejects.toMatchObject(failure('conflict', new RegExp(uuid)))
    const twice = await Promise.allSettled([der, der].map((same) => of(people.stranger).upload({ der: same })))
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(of(people.stranger).entry(uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(of(people.alice).upload({ der })).rejects.toMatchObject(failure('forbidden'))
  })

  test('two CAs may have chosen one serial number', async () => {
    const [a, b] = [await foreignCa(world.time.now, { name: 'A' }), await foreignCa(world.time.now, { name: 'B' })]
    const made = [await of().upload({ der: a.fields.der }), await of().upload({ der: b.fields.der })]
    const entries = await Promise.all(made.map(({ uuid }) => of().entry(uuid)))
    expect(entries.map(({ facts }) => facts?.serial)).toEqual([a.fields.serial, a.fields.serial])
  })

  test('who uploads a certificate of another organization hides it from nobody', async () => {
    const { id } = await order('ours.test')
    const ours = await findCertificate(world.it.db, { id })
    const { uuid } = await of(people.stranger).upload({ der: ours?.der ?? Buffer.alloc(0) })
    expect((await findCertificate(world.it.db, { fingerprint: ours?.fingerprint ?? '' }))?.id).toBe(id)
    expect((await findCertificate(world.it.db, { serial: ours?.serial ?? '' }))?.id).toBe(id)
    expect((await of(people.stranger).entry(uuid)).item.foreign).toBe(true)
    await expect(of().upload({ der: ours?.der ?? Buffer.alloc(0) })).rejects.toMatchObject(failure('conflict'))
  })

  test('one that an authority here has issued before is imported under it', async () => {
    const old = await foreignCa(world.time.now, { name: 'Old CA' })
    await people.as(people.chief).admin.importAuthority({ name: 'old', pem: old.withKey })
    const { id, uuid } = await of().upload({ der: (await old.issue()).der })
    expect((await of().entry(uuid)).item).toMatchObject({ foreign: false, source: 'uploaded' })
    const revoked = await people.as(people.chief).revoke({ protocol: 'cli', certificate: id, grounds: 'user' })
    expect(revoked.status).toBe('revoked')
    await expect(of().remove([uuid])).rejects.toMatchObject(failure('conflict', /never deleted/))
    await expect(of().upload({ der: old.fields.der })).rejects.toMatchObject(
      failure('conflict', /authority old itself/),
    )
  })

  test('a chain ends at an uploaded root when somebody says that it is trusted', async () => {
    const root = await foreignCa(world.time.now, { name: 'Their root' })
    const leaf = await of().upload({ der: (await root.issue()).der })
    const above = await of().upload({ der: root.fields.der })
    const chain = { complete: true, issuers: [{ der: root.fields.der, item: above.id }] }
    expect(await of().chain(leaf.uuid)).toEqual(chain)
    expect(await of().validate(leaf.uuid)).toMatchObject({
      status: 'invalid',
      checks: {
        certificate_chain: { message: 'nobody said that the root is trusted' },
        signature: { status: 'valid' },
      },
    })
    expect(await of().entry(above.uuid)).toMatchObject({ trustedCa: false, facts: { subjectType: 'rootCa' } })
    await of().assign([above.uuid], { trustedCa: true })
    await expect(of().assign([leaf.uuid], { trustedCa: true })).rejects.toMatchObject(failure('malformed'))
    expect(await of().validate(leaf.uuid)).toMatchObject({ status: 'valid' })
    const entry = await of().entry(leaf.uuid)
    expect(entry).toMatchObject({ issuer: above.id, validation: { status: 'valid', at: world.time.now } })
    expect(entry).not.toHaveProperty('trustedCa')
    // Those of another organization are nobody's issuers here.
    const theirs = await of(people.stranger).upload({ der: (await root.issue()).der })
    expect(await of(people.stranger).chain(theirs.uuid)).toEqual({ complete: false, issuers: [] })
  })

  test('is deleted, is gone, and may come again', async () => {
    const { der } = await (await foreignCa(world.time.now)).issue()
    const { uuid } = await of().upload({ der })
    await of().validate(uuid)
    await of().remove([uuid])
    await expect(of().entry(uuid)).rejects.toMatchObject(failure('notFound'))
    expect(await findCertificate(world.it.db, { uuid })).toBeUndefined()
    const again = await of().upload({ der })
    expect(again.uuid).not.toBe(uuid)
    expect((await audited(world, 'certificate.deleted')).at(-1)).toMatchObject({ subject_kind: 'certificate' })
  })

  test.each([
    ['what is no certificate', Buffer.from('hello'), 'malformed'],
    ['what is too large', Buffer.alloc(65_537), 'tooLarge'],
  ] as const)('refused: %s', async (_, der, code) => {
    await expect(of().upload({ der })).rejects.toMatchObject(failure(code))
  })

  test('one of ours is valid until it is revoked', async () => {
    const { id, uuid } = await order('life.test')
    expect(await of(people.alice).validate(uuid)).toMatchObject({
      status: 'valid',
      checks: {
        certificate_chain: { status: 'valid' },
        signature: { status: 'valid' },
        key_usage: { status: 'valid' },
      },
    })
    await people.as(people.chief).revoke({ protocol: 'cli', certificate: id, grounds: 'user', reason: 'superseded' })
    const found = await of().validate(uuid)
    expect(found).toMatchObject({ status: 'revoked', message: 'OCSP says that it is revoked: superseded' })
    expect((await audited(world, 'certificate.validated')).at(-1)).toMatchObject({
      subject_id: id,
      details: { from: 'valid', to: 'revoked' },
    })
  })

  test('a profile is validated again and again, and who nears its end is told of once', async () => {
    const [first, renewed, archived] = [await order('end.test'), await order('old.test'), await order('kept.test')]
    await expect(of(people.alice).setValidation('watched', { enabled: true })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(of().setValidation('watched', { enabled: true, frequency: 0 })).rejects.toMatchObject(
      failure('malformed'),
    )
    await expect(of(people.stranger).validation('watched')).rejects.toMatchObject(failure('notFound'))
    expect(await of().validation('watched')).toEqual({ enabled: false, frequency: 1, expiringThreshold: 30 })
    await of().setValidation('watched', { enabled: true, frequency: 2, expiringThreshold: 20 })
    expect(await jobs()).toBeGreaterThan(0)
    expect((await of().entry(first.uuid)).validation?.status).toBe('valid')
    expect(await jobs()).toBe(0)
    await of().archive([archived.uuid])
    world.time.pass(71 * day)
    await order('old.test', renewed.id)
    await jobs()
    const alerts = async () =>
      withTables<CoreTables>(world.it.db)
        .selectFrom('alerts')
        .select(['subject_id', 'detail'])
        .where('kind', '=', 'certificate.expiring')
        .execute()
    const told = await alerts()
    expect(told.map(({ subject_id }) => subject_id)).toContain(first.id)
    expect(told.map(({ subject_id }) => subject_id)).not.toContain(renewed.id)
    expect(told.map(({ subject_id }) => subject_id)).not.toContain(archived.id)
    expect((await of().entry(renewed.uuid)).validation?.status).toBe('expiring')
    // Closed, it is not raised again.
    world.time.pass(3 * day)
    await jobs()
    expect(await alerts()).toEqual(told)
    world.time.pass(30 * day)
    await jobs()
    expect((await of().entry(first.uuid)).validation?.status).toBe('expired')
    await of().setValidation('watched', { enabled: false })
    world.time.pass(9 * day)
    const before = (await of().entry(first.uuid)).validation?.at
    await jobs()
    expect((await of().entry(first.uuid)).validation?.at).toEqual(before)
  })

  test('the audit trail agrees with all of it', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
