import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('the last CRL of an imported authority on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let made = 0
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  afterAll(() => close())

  const admin = () => people.as(people.chief).admin
  const second = (time: number) => new Date(Math.floor(time / 1000) * 1000)
  const revokedAt = () => second(world.time.now.getTime() - 30 * day)

  /** A CA that is not imported yet, and a name for it. */
  async function another(): Promise<{ ca: ForeignCa; name: string }> {
    made += 1
    return { ca: await foreignCa(world.time.now, { name: `CA ${made}` }), name: `taken-${made}` }
  }

  async function imported(draft: { crl?: Buffer; crlNumber?: bigint } = {}) {
    const { ca, name } = await another()
    const view = await admin().importAuthority({ name, pem: ca.withKey, ...draft })
    return { ca, name, view }
  }

  async function ours(name: string) {
    return readCrl((await people.operator.crl({ authority: name })).der)
  }

  async function kept(name: string) {
    return withTables<CoreTables>(world.it.db)
      .selectFrom('imported_revocations')
      .innerJoin('authority_certificates', 'authority_certificates.id', 'authority_certificate_id')
      .innerJoin('authorities', 'authorities.id', 'authority_certificates.authority_id')
      .select(['serial', 'revoked_at', 'reason', 'invalidity_at'])
      .where('authorities.name', '=', name)
      .orderBy('serial')
      .execute()
  }

  test('entries with their reasons and times, serials of 1 to 20 octets, are kept', async () => {
    const { ca, name } = await another()
    const serials = ['01', '7f', 'ff', 'ab'.repeat(16), 'ff'.repeat(20)]
    const entries = serials.map((serial, n) => ({
      serial,
      revokedAt: revokedAt(),
      ...(n === 0 ? {} : { reason: n === 1 ? reasonCodes.certificateHold : reasonCodes.superseded }),
      ...(n === 2 ? { invalidityDate: second(world.time.now.getTime() - 60 * day) } : {}),
    }))
    const crl = await ca.crl({ number: 4711, entries })
    const { warnings } = await admin().importAuthority({ name, pem: ca.withKey, crl })
    expect(warnings).toEqual([])
    const at = revokedAt().getTime()
    expect(await kept(name)).toEqual(
      [
        { serial: '01', revoked_at: at, reason: null, invalidity_at: null },
        { serial: '7f', revoked_at: at, reason: 'certificateHold', invalidity_at: null },
        {
          serial: 'ff',
          revoked_at: at,
          reason: 'superseded',
          invalidity_at: entries[2]?.invalidityDate?.getTime() ?? 0,
        },
        { serial: 'ab'.repeat(16), revoked_at: at, reason: 'superseded', invalidity_at: null },
        { serial: 'ff'.repeat(20), revoked_at: at, reason: 'superseded', invalidity_at: null },
      ].sort((a, b) => (a.serial < b.serial ? -1 : 1)),
    )
    expect((await audited(world, 'authority.crl_imported')).at(-1)?.details).toMatchObject({
      name,
      number: '4711',
      entries: 5,
    })
  })

  test('the next CRL has a higher number, also behind one of 20 octets', async () => {
    const number = 2n ** 158n + 5n
    const { ca, name } = await another()
    await admin().importAuthority({
      name,
      pem: ca.withKey,
      crl: await ca.crl({ number, entries: [{ serial: '0a', revokedAt: revokedAt() }] }),
    })
    const { number: next = 0n } = await ours(name)
    expect(next).toBeGreaterThan(number)
    expect((await ours(name)).entries.map(({ serial }) => serial)).toEqual(['0a'])
  })

  test('a number that leaves no room for ours is refused', async () => {
    const { ca, name } = await another()
    const crl = await ca.crl({ number: 2n ** 159n - 1n })
    await expect(admin().importAuthority({ name, pem: ca.withKey, crl })).rejects.toMatchObject(
      failure('malformed', /others can follow/),
    )
  })

  test('without it, its number and revocations are missed; with --crl-number only the latter', async () => {
    const { view } = await imported()
    expect(view.warnings).toEqual([expect.stringMatching(/import-crl/), expect.stringMatching(/--crl-number/)])
    const known = await imported({ crlNumber: 99n })
    expect(known.view.warnings).toEqual([expect.stringMatching(/revoked before/)])
    expect((await ours(known.name)).number).toBe(100n)
  })

  test('PEM is taken as DER is', async () => {
    const { ca, name } = await another()
    const crl = Buffer.from(pemEncode('X509 CRL', await ca.crl({ number: 7 })))
    await admin().importAuthority({ name, pem: ca.withKey, crl })
    expect((await ours(name)).number).toBe(8n)
  })

  test('one that ended is taken, with a question', async () => {
    const { ca, name } = await another()
    const crl = await ca.crl({
      number: 7,
      thisUpdate: new Date(world.time.now.getTime() - 9 * day),
      nextUpdate: new Date(world.time.now.getTime() - day),
    })
    const { warnings } = await admin().importAuthority({ name, pem: ca.withKey, crl })
    expect(warnings).toEqual([expect.stringMatching(/ended on .* last one/)])
  })

  test.each([
    [
      'of another CA',
      async (ca: ForeignCa) =>
        (await foreignCa(world.time.now, { name: 'Other' })).crl({ issuer: ca.fields.issuerDer }),
      /another key|signature/,
    ],
    [
      'that names another issuer',
      async () => (await foreignCa(world.time.now, { name: 'Other' })).crl(),
      /one of CN=Other/,
    ],
    [
      'with a changed octet',
      async (ca: ForeignCa) => {
        const der = await ca.crl({ entries: [{ serial: '0a0b0c', revokedAt: revokedAt() }] })
        der.write('0d', der.indexOf(Buffer.from('0a0b0c', 'hex')), 'hex')
        return der
      },
      /signature/,
    ],
    ['that is a delta', (ca: ForeignCa) => ca.crl({ number: 5, deltaBase: 4 }), /delta/],
    ['that is indirect', (ca: ForeignCa) => ca.crl({ idp: { indirect: true } }), /indirect/],
    ['of some reasons', (ca: ForeignCa) => ca.crl({ idp: { onlySomeReasons: [1] } }), /some reasons/],
    [
      'of tomorrow',
      (ca: ForeignCa) => ca.crl({ thisUpdate: new Date(world.time.now.getTime() + day) }),
      /not come yet/,
    ],
    ['that is none', async () => Buffer.from('hello'), /is no CRL/],
    ['that is a certificate', async (ca: ForeignCa) => ca.fields.der, /./],
    ['cut short', async (ca: ForeignCa) => (await ca.crl()).subarray(0, -3), /./],
  ])('a CRL %s is refused, and nothing is made', async (_, write, detail) => {
    const { ca, name } = await another()
    const crl = await write(ca)
    await expect(admin().importAuthority({ name, pem: ca.withKey, crl })).rejects.toMatchObject(
      failure('malformed', detail),
    )
    await expect(admin().authority(name)).rejects.toMatchObject(failure('notFound'))
  })

  test('a CA that may not sign CRLs has none', async () => {
    const ca = await foreignCa(world.time.now, { more: { keyUsage: ['keyCertSign'] } })
    await expect(
      admin().importAuthority({ name: 'no-crl', pem: ca.withKey, crl: await ca.crl() }),
    ).rejects.toMatchObject(failure('malformed', /keyUsage/))
  })

  test('a number below that of the CRL is refused', async () => {
    const { ca, name } = await another()
    const crl = await ca.crl({ number: 12 })
    await expect(admin().importAuthority({ name, pem: ca.withKey, crl, crlNumber: 11n })).rejects.toMatchObject(
      failure('malformed', /number 12/),
    )
  })

  test('it can come later, and a later one takes its place', async () => {
    const { ca, name } = await imported()
    const entry = (serial: string) => ({ serial, revokedAt: revokedAt(), reason: reasonCodes.keyCompromise })
    const first = await ca.crl({ number: 20, entries: [entry('0a'), entry('0b')] })
    expect(await admin().importCrl(name, { crl: first })).toEqual({ number: '20', entries: 2, warnings: [] })
    expect((await admin().importCrl(name, { crl: await ca.crl({ number: 21, entries: [entry('0b')] }) })).entries).toBe(
      1,
    )
    expect((await kept(name)).map(({ serial }) => serial)).toEqual(['0b'])
    await expect(admin().importCrl(name, { crl: first })).rejects.toMatchObject(
      failure('conflict', /21 was imported already/),
    )
    expect((await kept(name)).map(({ serial }) => serial)).toEqual(['0b'])
  })

  test('one of some certificates takes nothing back', async () => {
    const { ca, name } = await imported()
    const entries = (serial: string) => [{ serial, revokedAt: revokedAt() }]
    await admin().importCrl(name, { crl: await ca.crl({ number: 3, entries: entries('0a') }) })
    const partial = await ca.crl({ number: 3, entries: entries('0c'), idp: { urls: ['http://old.test/1.crl'] } })
    expect((await admin().importCrl(name, { crl: partial })).warnings).toEqual([
      expect.stringMatching(/some of its certificates/),
    ])
    expect((await kept(name)).map(({ serial }) => serial)).toEqual(['0a', '0c'])
  })

  test('after a CRL of ours only one with a higher number is taken', async () => {
    const { ca, name } = await imported({ crlNumber: 40n })
    expect((await ours(name)).number).toBe(41n)
    for (const number of [40, 41])
      await expect(admin().importCrl(name, { crl: await ca.crl({ number }) })).rejects.toMatchObject(
        failure('conflict', /published number 41/),
      )
    const entries = [{ serial: '0a', revokedAt: revokedAt() }]
    await admin().importCrl(name, { crl: await ca.crl({ number: 50, entries }) })
    const next = await ours(name)
    expect(next.number).toBe(51n)
    expect(next.entries.map(({ serial }) => serial)).toEqual(['0a'])
  })

  test('a certificate that was issued here and that a later one lists is revoked here', async () => {
    const { ca, name } = await imported({ crlNumber: 60n })
    const { id: authority } = await loadAuthority(world.it, name)
    const profile = await world.save(name, { authority })
    const csr = await newCsr(['listed.example.org'])
    const names = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
    const door = world.core.as(acmeAccount())
    const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...names })
    const { serial = '' } = (await door.findCertificate({ id: request.id })) ?? {}
    const entries = [{ serial, revokedAt: revokedAt(), reason: reasonCodes.keyCompromise }]
    await admin().importCrl(name, { crl: await ca.crl({ number: 61, entries }) })
    expect(await door.findCertificate({ id: request.id })).toMatchObject({
      status: 'revoked',
      revokedAt: revokedAt(),
      revocationReason: 'keyCompromise',
    })
    expect(await kept(name)).toEqual([])
    expect((await ours(name)).entries.map((entry) => entry.serial)).toEqual([serial])
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
  })

  test('one that is on hold here and revoked in a later CRL is revoked: the hold cannot be lifted', async () => {
    const { ca, name } = await imported({ crlNumber: 70n })
    const { id: authority } = await loadAuthority(world.it, name)
    const profile = await world.save(name, { authority })
    const csr = await newCsr(['held.example.org'])
    const names = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
    const door = world.core.as(acmeAccount())
    const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...names })
    const { id = 0, serial = '' } = (await door.findCertificate({ id: request.id })) ?? {}
    await door.revoke({ protocol: 'acme', certificate: id, grounds: 'account', reason: 'certificateHold' })
    const held = [{ serial, revokedAt: revokedAt(), reason: reasonCodes.certificateHold }]
    await admin().importCrl(name, { crl: await ca.crl({ number: 71, entries: held }) })
    expect(await door.findCertificate({ id })).toMatchObject({ status: 'hold' })
    const entries = [{ serial, revokedAt: revokedAt(), reason: reasonCodes.keyCompromise }]
    await admin().importCrl(name, { crl: await ca.crl({ number: 72, entries }) })
    expect(await door.findCertificate({ id })).toMatchObject({ status: 'revoked', revocationReason: 'keyCompromise' })
    expect((await ours(name)).entries.map(({ reason }) => reason)).toEqual([reasonCodes.keyCompromise])
  })

  test('it needs manage, something to import, and an authority that signs here', async () => {
    const { name } = await imported()
    await expect(people.as(people.alice).admin.importCrl(name, { crlNumber: 5n })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(people.as(people.stranger).admin.importCrl(name, { crlNumber: 5n })).rejects.toMatchObject(
      failure('notFound'),
    )
    await expect(admin().importCrl(name, {})).rejects.toMatchObject(failure('malformed'))
    const { ca, name: manual } = await another()
    await admin().addManualAuthority({ name: manual, pem: ca.certificate })
    await expect(admin().importCrl(manual, { crlNumber: 5n })).rejects.toMatchObject(
      failure('unsupported', /upload-crl/),
    )
  })
})
