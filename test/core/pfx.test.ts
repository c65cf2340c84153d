import { createPrivateKey, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { forgetServerKeys } from '../../src/core/key/serverKeyForget.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { system } from '../../src/core/requester.ts'
import { readPkcs12 } from '../../src/pki/import.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const DAY = 86_400_000
const auto = [{ name: 'all', auto: true }]

describe.each(databases)('PKCS #12 of keys that the server made, on $name', ({ open }) => {
  let world: World
  let people: People
  let chief: Door
  let alice: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    chief = people.as(people.chief)
    alice = people.as(people.alice)
    await people.give(people.alice, 'create_cert')
    const certificate = { validity: { default: '300d', max: '300d' } }
    await world.save('web', { settings: { certificate }, rules: { issue: auto, revoke: auto } })
    await world.save('exports', { rules: { issue: auto, export: [{ name: 'ask', require: [{ owner: true }] }] } })
  })
  afterAll(() => close())

  const order = async (host: string, name = 'web') => {
    const profile = await world.profile(name)
    const identifiers = [{ type: 'dns' as const, value: host }]
    const subject = nameOf({ CN: host })
    const { claim, ...made } = await alice.serverKeys.order(profile, { protocol: 'console', subject, identifiers })
    const draft = { profile, protocol: 'console', action: 'issue', refusal: 'store', ...made } as const
    return (await alice.sign(draft, claim)).request
  }

  it('of an order without a request: certificate, chain and key, under a password that is shown once', async () => {
    const { id, status } = await order('www.example.org')
    expect(status).toBe('signed')
    const { pkcs12, password } = await chief.admin.exportPfx({ id })
    expect(password).toMatch(/^[a-km-zA-HJ-NP-Z2-9]{24}$/)
    const { certificates, privateKey } = await readPkcs12(pkcs12, password)
    const certificate = await chief.findCertificate({ id })
    expect(certificates[0]).toEqual(certificate?.der)
    expect(certificates.length).toBe(3)
    expect(privateKey && new X509Certificate(certificates[0] ?? '').checkPrivateKey(privateKey)).toBe(true)
    const pkcs8 = await chief.admin.exportKey({ id })
    expect(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).equals(privateKey as never)).toBe(true)
    const [told] = await audited(world, 'certificate.download_pfx.success')
    expect(told).toMatchObject({ subject_kind: 'certificate', subject_id: id, actor: { name: 'chief' } })
    expect(await audited(world, 'server_key.exported')).toMatchObject([
      { details: { form: 'pfx' } },
      { details: { form: 'pkcs8' } },
    ])
    expect(JSON.stringify(told)).not.toContain(password)
    const again = await chief.admin.exportPfx({ id })
    expect(again.password).not.toBe(password)
  })

  it('under a password that was shown before, and no other', async () => {
    const { id } = await order('shown.example.org')
    const password = chief.admin.newPfxPassword()
    expect(await chief.admin.exportPfx({ id }, password)).toMatchObject({ password })
    for (const weak of ['', 'secret', 'l'.repeat(24), `${password}x`])
      await expect(chief.admin.exportPfx({ id }, weak)).rejects.toMatchObject(failure('malformed'))
  })

  it('is refused without the capability, over rules for exports, of another organization, and where the key is elsewhere', async () => {
    const { id } = await order('refused.example.org')
    await expect(alice.admin.exportPfx({ id })).rejects.toMatchObject(failure('forbidden', /export_private_key/))
    await expect(people.as(people.stranger).admin.exportPfx({ id })).rejects.toMatchObject(failure('notFound'))
    await expect(people.operator.admin.exportPfx({ id })).rejects.toMatchObject(failure('forbidden'))
    const ruled = await order('ruled.example.org', 'exports')
    await expect(chief.admin.exportPfx({ id: ruled.id })).rejects.toMatchObject(
      failure('unsupported', /rules for exports/),
    )
    const profile = await world.profile('web')
    const csr = await newCsr(['own.example.org'])
    const own = await alice.sign({ profile, protocol: 'ra', action: 'issue', csr, refusal: 'store' })
    await expect(chief.admin.exportPfx({ id: own.request.id })).rejects.toMatchObject(
      failure('notFound', /not made here/),
    )
    const told = await audited(world, 'certificate.download_pfx.success')
    expect(told.map(({ subject_id }) => subject_id)).not.toContain(id)
  })

  it('is refused over another certificate of the same key, where the key was made under rules for exports or is not his', async () => {
    const ruled = await order('twice.example.org', 'exports')
    const csr = parsePkcs10((await world.core.as(system('test')).list.record(ruled.id)).request.csr ?? Buffer.alloc(0))
    const again = {
      profile: await world.profile('web'),
      protocol: 'ra',
      action: 'issue',
      refusal: 'store',
      csr,
    } as const
    const { request } = await alice.sign(again)
    expect(request.status).toBe('signed')
    await expect(chief.admin.exportPfx({ id: request.id })).rejects.toMatchObject(
      failure('unsupported', /exports has rules for exports/),
    )
    const { id: web } = await world.profile('web')
    await people.give(people.alice, 'export_private_key', { profileId: web })
    await expect(alice.admin.exportKey({ id: request.id })).rejects.toMatchObject(failure('forbidden'))
  })

  it('a key is stored with its order or not at all, and stays while its certificate is good', async () => {
    const before = await audited(world, 'server_key.made')
    const profile = await world.profile('web')
    const wishes = { protocol: 'console', subject: nameOf({ CN: 'x.org' }), identifiers: [] }
    await alice.serverKeys.order(profile, wishes)
    expect(await audited(world, 'server_key.made')).toHaveLength(before.length)
    await expect(people.as(people.stranger).serverKeys.order(profile, wishes)).rejects.toMatchObject(
      failure('notFound'),
    )
    const { id } = await order('stays.example.org')
    const { notAfter } = (await chief.findCertificate({ id })) ?? { notAfter: new Date(0) }
    const revoked = await order('revoked.example.org')
    await chief.revoke({ protocol: 'console', certificate: revoked.id, grounds: 'user' })
    world.time.pass(91 * DAY)
    await forgetServerKeys(world.it)
    await chief.admin.exportPfx({ id })
    await expect(chief.admin.exportPfx({ id: revoked.id })).rejects.toMatchObject(failure('notFound', /is not kept/))
    world.time.now = new Date(notAfter.getTime() + DAY)
    await forgetServerKeys(world.it)
    await expect(chief.admin.exportPfx({ id })).rejects.toMatchObject(failure('notFound'))
    const { problems } = await people.as(people.root).admin.verifyAudit()
    expect(problems).toEqual([])
  })
})
