import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parsePkcs10 } from '../../src/core/csr.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const year = 31_536_000_000

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
