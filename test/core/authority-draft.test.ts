import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const year = 31_536_000_000

/** Makes the last step of certifying fail, as a process that ends before it would leave it. */
const cutOff = {
  sqlite: {
    before: ["create trigger cut_off before delete on authority_drafts begin select raise(abort, 'cut off'); end"],
    after: ['drop trigger cut_off'],
  },
  postgres: {
    before: [
      "create function cut_off() returns trigger language plpgsql as $$ begin raise exception 'cut off'; end $$",
      'create trigger cut_off before delete on authority_drafts for each row execute function cut_off()',
    ],
    after: ['drop trigger cut_off on authority_drafts', 'drop function cut_off()'],
  },
} as const

describe.each(databases)('an authority whose certificate is not signed yet, on $name', ({ open }) => {
  let world: World
  let people: People
  let above: ForeignCa
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    above = await foreignCa(world.time.now, { name: 'Company Root' })
    await admin().createAuthority({ name: 'second', key: 'P-256', subject: 'CN=Second Root', validity: 10 * year })
  })
  afterAll(() => close())

  const admin = () => people.as(people.root).admin
  const ca = { type: 'ca', keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] } as const
  const draft = (name: string) =>
    admin().draftAuthority({ name, key: 'P-256', subject: `CN=${name}`, validity: year, pathLength: 0 })
  const csrOf = async (name: string) => parsePkcs10((await admin().authorityCsr(name)) ?? Buffer.alloc(0))

  async function signedAbove(name: string, change: Parameters<ForeignCa['issue']>[0] = {}): Promise<string> {
    const { publicKey, subject } = await csrOf(name)
    const { der } = await above.issue({ ...ca, publicKey, subject, ...change })
    return pemEncode('CERTIFICATE', der) + above.certificate
  }

  async function order(authority: string) {
    const { id } = (await admin().authorities()).find(({ name }) => name === authority) ?? { id: 0 }
    const rules = { issue: [{ name: 'nobody looks', when: 'true', auto: true }] }
    const profile = await world.save(`of-${authority}`, { authority: id, rules })
    const csr = await newCsr(['draft.test'])
    const door = people.as(people.root)
    return door.sign({ profile, protocol: 'test', action: 'issue', csr, refusal: 'throw' })
  }

  test('has a key, and what is to be signed', async () => {
    expect(await draft('waiting')).toMatchObject({ name: 'waiting', kind: 'local', subject: null, enabled: true })
    expect((await csrOf('waiting')).subject).toEqual(nameOf({ CN: 'waiting' }))
  })

  test('signs nothing: what is ordered from it waits', async () => {
    await draft('silent')
    const { request } = await order('silent')
    expect(request.status).not.toBe('signed')
  })

  test('signs with the certificate that was signed elsewhere', async () => {
    await draft('uploaded')
    const view = await admin().certifyAuthority('uploaded', { pem: await signedAbove('uploaded') })
    expect(view.subject).toBe('CN=uploaded')
    expect(await admin().authorityCsr('uploaded')).toBeUndefined()
    expect((await admin().authority('uploaded')).chain).toHaveLength(2)
    expect((await order('uploaded')).request.status).toBe('signed')
  })

  test('is signed by an authority here, no longer than that one is good', async () => {
    await draft('below')
    const view = await admin().certifyAuthority('below', { parent: 'root' })
    expect(view.notAfter?.getTime()).toBeLessThanOrEqual(world.time.now.getTime() + year)
    expect((await admin().authority('below')).chain).toHaveLength(2)
    expect((await order('below')).request.status).toBe('signed')
  })

  test.each([
    ['another key', async () => (await above.issue({ ...ca, subject: nameOf({ CN: 'refused' }) })).pem, /the key of/],
    ['another subject', () => signedAbove('refused', { subject: nameOf({ CN: 'x' }) }), /is for CN=x/],
    ['no CA', () => signedAbove('refused', { type: 'server' }), /CA/],
    ['no chain', async () => (await signedAbove('refused')).replace(above.certificate, ''), /above the first one/],
    ['no certificate at all', async () => 'nothing', /no certificate/],
  ])('refuses a certificate with %s', async (_, pem, why) => {
    if (!(await admin().authorities()).some(({ name }) => name === 'refused')) await draft('refused')
    await expect(pem().then((pem) => admin().certifyAuthority('refused', { pem }))).rejects.toMatchObject(
      failure('malformed', why),
    )
  })

  test('a second certificate, and a name that is taken, are conflicts', async () => {
    await draft('once')
    await expect(draft('once')).rejects.toMatchObject(failure('conflict', /already/))
    const pem = await signedAbove('once')
    const both = await Promise.allSettled([1, 2].map(() => admin().certifyAuthority('once', { pem })))
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(admin().certifyAuthority('once', { parent: 'root' })).rejects.toMatchObject(failure('conflict', /./))
  })

  const made = (name: string) =>
    withTables<CoreTables>(world.it.db)
      .selectFrom('certificates')
      .select(['id', 'authority_id', 'status'])
      .where('subject', 'like', `%${name}%`)
      .execute()
  async function run(statements: readonly string[]) {
    await transaction(world.it.db, async (db) => {
      for (const one of statements) await sql.raw(one).execute(withTables<CoreTables>(db))
    })
  }

  test('certified under two authorities at once it has one certificate', async () => {
    for (const name of ['twice-a', 'twice-b', 'twice-c']) {
      await draft(name)
      const all = ['root', 'second', 'root', 'second'].map((parent) => admin().certifyAuthority(name, { parent }))
      const done = await Promise.allSettled(all)
      expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const one of done) if (one.status === 'rejected') expect(one.reason).toMatchObject(failure('conflict', /./))
      expect(await made(name)).toHaveLength(1)
    }
  })

  test('certified here and elsewhere at once it has one certificate', async () => {
    await draft('both-ways')
    const pem = await signedAbove('both-ways')
    const done = await Promise.allSettled([
      admin().certifyAuthority('both-ways', { parent: 'root' }),
      admin().certifyAuthority('both-ways', { pem }),
    ])
    expect(done.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const { chain } = await admin().authority('both-ways')
    const byRoot = done[0]?.status === 'fulfilled'
    expect(await made('both-ways')).toHaveLength(byRoot ? 1 : 0)
    expect(chain).toHaveLength(2)
  })

  test('cut off after it was signed, that certificate is taken, and no other is made', async () => {
    await draft('cut-off')
    const { before, after } = cutOff[world.it.db.dialect]
    await run(before)
    await expect(admin().certifyAuthority('cut-off', { parent: 'root' })).rejects.toThrow(/cut off/)
    await run(after)
    expect(await made('cut-off')).toHaveLength(1)
    const other = admin().certifyAuthority('cut-off', { parent: 'second' })
    await expect(other).rejects.toMatchObject(failure('conflict', /another authority/))
    const pem = signedAbove('cut-off').then((pem) => admin().certifyAuthority('cut-off', { pem }))
    await expect(pem).rejects.toMatchObject(failure('conflict', /meanwhile/))
    // Longer than a repeat counts elsewhere: this order is good for ever.
    world.time.now = new Date(world.time.now.getTime() + 30 * 86_400_000)
    expect(await admin().certifyAuthority('cut-off', { parent: 'root' })).toMatchObject({ subject: 'CN=cut-off' })
    expect(await made('cut-off')).toHaveLength(1)
  })

  test('cut off and revoked, it may be certified by another', async () => {
    await draft('given-back')
    const { before, after } = cutOff[world.it.db.dialect]
    await run(before)
    await expect(admin().certifyAuthority('given-back', { parent: 'root' })).rejects.toThrow(/cut off/)
    await run(after)
    const [{ id } = { id: 0 }] = await made('given-back')
    await transaction(world.it.db, (db) =>
      withTables<CoreTables>(db).updateTable('certificates').set({ status: 'revoked' }).where('id', '=', id).execute(),
    )
    await admin().certifyAuthority('given-back', { parent: 'second' })
    expect((await made('given-back')).map(({ status }) => status)).toEqual(['revoked', 'issued'])
    await transaction(world.it.db, (db) =>
      withTables<CoreTables>(db).updateTable('certificates').set({ status: 'issued' }).where('id', '=', id).execute(),
    )
  })

  test('after an order that failed it is ordered again, and that one is never tried again', async () => {
    await draft('failed-once')
    const root = (await admin().authorities()).find(({ name }) => name === 'root')?.id ?? 0
    const { local } = world.it.makers
    const silent: typeof local = (...given) => ({ ...local(...given), sign: () => Promise.reject(new Error('no key')) })
    // Loaded anew at its next version.
    const loaded = async (by: typeof local) => {
      world.it.makers.local = by
      await run(["update authorities set version = version + 1 where name = 'root'"])
    }
    await loaded(silent)
    await expect(admin().certifyAuthority('failed-once', { parent: 'root' })).rejects.toMatchObject(
      failure('unavailable', /could not be issued/),
    )
    await loaded(local)
    const [failed] = await withTables<CoreTables>(world.it.db)
      .selectFrom('sign_requests')
      .select(['id', 'status'])
      .where('origin_ref', 'like', 'authority %')
      .where('authority_id', '=', root)
      .orderBy('id', 'desc')
      .limit(1)
      .execute()
    expect(failed?.status).toBe('failed')
    await admin().certifyAuthority('failed-once', { parent: 'second' })
    const again = people.as(people.root).approvals.retry('sign', failed?.id ?? 0)
    await expect(again).rejects.toMatchObject(failure('conflict', /tried no more/))
    expect(await made('failed-once')).toHaveLength(1)
  })

  test.each([
    ['a common name that is too long', `CN=${'x'.repeat(65)}`, /at most 64/],
    ['a line break', 'CN=two\\0Alines', /control characters/],
    ['nothing', '', /names nobody/],
  ])('with %s in its subject is refused, and so is one that signs at once', async (_, subject, why) => {
    const order = { name: 'badly-named', key: 'P-256', subject, validity: year } as const
    await expect(admin().draftAuthority(order)).rejects.toMatchObject(failure('malformed', why))
    await expect(admin().createAuthority(order)).rejects.toMatchObject(failure('malformed', why))
    await expect(admin().authority('badly-named')).rejects.toMatchObject({ code: 'notFound' })
  })

  test('needs create_ca, on what signs it too', async () => {
    await draft('guarded')
    const { admin: none } = people.as(people.alice)
    const refused = { code: expect.stringMatching(/forbidden|notFound/) }
    const order = { name: 'x', key: 'P-256', subject: 'CN=x', validity: year } as const
    await expect(none.draftAuthority(order)).rejects.toMatchObject(refused)
    await expect(none.certifyAuthority('guarded', { parent: 'root' })).rejects.toMatchObject(refused)
    await expect(admin().certifyAuthority('guarded', { parent: 'silent-too' })).rejects.toMatchObject({
      code: 'notFound',
    })
  })

  test('is as the audit trail tells', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
