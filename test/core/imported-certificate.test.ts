import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { currentCrl } from '../../src/core/crl/crl.ts'
import { readRevoked } from '../../src/core/crl/crlRead.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('a certificate that an authority signed before it was imported, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let ca: ForeignCa
  const held = '0a0b0c0d'
  const compromised = `ff${'cd'.repeat(19)}`
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    ca = await foreignCa(world.time.now, { name: 'Old CA' })
    const revokedAt = new Date(Math.floor(world.time.now.getTime() / 1000) * 1000 - day)
    const crl = await ca.crl({
      number: 7,
      entries: [
        { serial: held, revokedAt, reason: reasonCodes.certificateHold },
        { serial: compromised, revokedAt, reason: reasonCodes.keyCompromise, invalidityDate: revokedAt },
      ],
    })
    await people.as(people.chief).admin.importAuthority({ name: 'old', pem: ca.withKey, crl })
  })
  afterAll(() => close())

  const admin = (user = people.chief) => people.as(user).admin
  const bringIn = async (draft: Parameters<ForeignCa['issue']>[0] = {}) =>
    admin().importCertificate('old', (await ca.issue(draft)).der)
  const revoke = ({ id }: { id: number }, reason?: string, user = people.chief) =>
    people.as(user).revoke({ protocol: 'cli', certificate: id, grounds: 'user', ...(reason ? { reason } : {}) })
  const listed = async () => {
    const crl = readCrl((await currentCrl(world.it, { authority: 'old' })).der)
    return new Map(crl.entries.map(({ serial, reason }) => [serial, reason]))
  }
  const ocsp = async (serial: string) => {
    const { issuer } = await loadAuthority(world.it, 'old')
    if (!issuer) throw new Error('no issuer')
    return statusOf(world, issuer, serial)
  }

  test('is unknown before, good afterwards, and revoked when it is revoked here', async () => {
    const { der } = await ca.issue({ subject: nameOf({ CN: 'old.example.org' }) })
    const { serial } = readCertificate(der)
    expect(await ocsp(serial)).toBe('unknown')
    const certificate = await admin().importCertificate('old', der)
    expect(certificate).toMatchObject({ serial, source: 'uploaded', status: 'issued', subject: 'CN=old.example.org' })
    expect(await ocsp(serial)).toBe('good')
    expect((await revoke(certificate, 'superseded')).status).toBe('revoked')
    expect(await ocsp(serial)).toMatch(/^revoked .* 4$/)
    expect((await listed()).get(serial)).toBe(reasonCodes.superseded)
    const [trail] = await audited(world, 'certificate.imported')
    expect(trail).toMatchObject({
      subject_id: certificate.id,
      details: { serial, fingerprint: certificate.fingerprint },
    })
  })

  test('is held and released', async () => {
    const certificate = await bringIn()
    await revoke(certificate, 'certificateHold')
    expect((await listed()).get(certificate.serial)).toBe(reasonCodes.certificateHold)
    await people.as(people.chief).unhold({ protocol: 'cli', certificate: certificate.id })
    expect((await listed()).has(certificate.serial)).toBe(false)
    expect(await ocsp(certificate.serial)).toBe('good')
  })

  test.each([
    ['of one octet', '05'],
    ['of 20 octets', `7e${'ab'.repeat(19)}`],
    ['with its top bit set', `fe${'cd'.repeat(19)}`],
  ])('has a serial number %s', async (_, serial) => {
    const certificate = await bringIn({ serial })
    expect(certificate.serial).toBe(serial)
    await revoke(certificate)
    expect((await listed()).has(serial)).toBe(true)
    expect(await ocsp(serial)).toMatch(/^revoked/)
  })

  test('that the last CRL had revoked is revoked, on hold if it was on hold; then that can be lifted', async () => {
    const before = await listed()
    const gone = await bringIn({ serial: compromised })
    expect(gone).toMatchObject({ status: 'revoked', revocationReason: 'keyCompromise' })
    await expect(revoke(gone)).rejects.toMatchObject(failure('alreadyRevoked'))
    const blocked = await admin(people.root).blockedKeys()
    expect(blocked.map(({ spkiSha256 }) => spkiSha256)).toContain(gone.spkiHash)
    const waiting = await bringIn({ serial: held })
    expect(waiting).toMatchObject({ status: 'hold', revocationReason: 'certificateHold' })
    // Once each, as before.
    expect(await listed()).toEqual(before)
    expect([await ocsp(held), await ocsp(compromised)]).toEqual([
      expect.stringMatching(/^revoked .* 6$/),
      expect.stringMatching(/^revoked .* 1$/),
    ])
    await people.as(people.chief).unhold({ protocol: 'cli', certificate: waiting.id })
    expect((await listed()).has(held)).toBe(false)
    expect(await ocsp(held)).toBe('good')
    expect((await listed()).has(compromised)).toBe(true)
  })

  test('that the last CRL had revoked stands on a CRL whose entries are read at a moment before', async () => {
    const serial = '0d0e0f'
    const { issuer } = await loadAuthority(world.it, 'old')
    const issuerId = issuer?.id ?? 0
    const entries = [{ serial, revokedAt: world.time.now }]
    const idp = { onlyUserCertificates: true }
    const crl = await ca.crl({ number: 2n ** 60n, entries, idp })
    await admin().importCrl('old', { crl })
    const { revocations } = await withTables<CoreTables>(world.it.db)
      .selectFrom('authorities')
      .select('revocations')
      .where('name', '=', 'old')
      .executeTakeFirstOrThrow()
    const at = async (revocations: number) => {
      const { count } = await readRevoked(world.it.db, { issuerId, shard: 0, revocations }, 0)
      return count
    }
    const before = await at(revocations)
    await bringIn({ serial })
    expect([await at(revocations), await at(revocations + 1)]).toEqual([before, before])
  })

  test('is listed and shown with those issued here', async () => {
    const certificate = await bringIn({ subject: nameOf({ CN: 'listed.example.org' }) })
    const { rows } = await people.as(people.chief).list.certificates({ authority: 'old', search: 'listed.example' })
    expect(rows).toMatchObject([{ id: certificate.id, profile: '@old/imported', status: 'issued' }])
    const detail = await people.as(people.chief).list.request(certificate.id)
    expect(detail).toMatchObject({
      status: 'signed',
      protocol: 'import',
      csr: null,
      certificate: { id: certificate.id },
    })
  })

  describe('is refused', () => {
    const refuse = (der: Buffer, code: Parameters<typeof failure>[0], detail?: RegExp, authority = 'old') =>
      expect(admin().importCertificate(authority, der)).rejects.toMatchObject(failure(code, detail))

    test('a second time', async () => {
      const { der } = await ca.issue()
      const { id } = await admin().importCertificate('old', der)
      await refuse(der, 'conflict', new RegExp(`number ${id}$`))
      const another = (await ca.issue()).der
      const asked = await Promise.allSettled([1, 2, 3].map(() => admin().importCertificate('old', another)))
      expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject(failure('conflict'))
    })

    test('with the serial number of another', async () => {
      const certificate = await bringIn()
      await refuse((await ca.issue({ serial: certificate.serial })).der, 'conflict')
    })

    test('by another key, also under the same name, and of another authority', async () => {
      const other = await foreignCa(world.time.now, { name: 'Old CA' })
      await refuse((await other.issue()).der, 'malformed', /not signed by a key of old/)
      await refuse((await ca.issue()).der, 'malformed', /not signed by a key of issuing/, 'issuing')
    })

    test('with a signature that was changed', async () => {
      const { der } = await ca.issue()
      der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1
      await refuse(der, 'malformed')
    })

    test.each([
      ['that has ended', () => ca.issue({ notAfter: new Date(world.time.now.getTime() - 1000) }), /ended/],
      [
        'without revocation',
        () => ca.issue({ noRevAvail: true, notAfter: new Date(world.time.now.getTime() + day) }),
        /noRevAvail/,
      ],
      ['of the authority itself', async () => ({ der: ca.fields.der }), /of old itself/],
      ['that is none', async () => ({ der: Buffer.from('3003020101', 'hex') }), /./],
      [
        'with something left over',
        async () => ({ der: Buffer.concat([(await ca.issue()).der, Buffer.alloc(1)]) }),
        /./,
      ],
    ])('one %s', async (_, make, detail) => {
      await refuse((await make()).der, 'malformed', detail)
    })

    test('to who does not manage the authority', async () => {
      const { der } = await ca.issue()
      for (const [user, code] of [
        [people.alice, 'forbidden'],
        [people.stranger, 'notFound'],
      ] as const)
        await expect(admin(user).importCertificate('old', der)).rejects.toMatchObject(failure(code))
      await refuse(der, 'notFound', undefined, 'nothing')
    })
  })

  test('who may revoke it is who may revoke for its authority', async () => {
    const certificate = await bringIn()
    await expect(revoke(certificate, 'superseded', people.stranger)).rejects.toMatchObject(failure('notFound'))
    expect((await revoke(certificate, 'superseded', people.alice)).status).toBe('requested')
  })

  test('renews nothing, whatever order names it', async () => {
    const certificate = await bringIn()
    const csr = await newCsr(['renewed.example.org'])
    const { identifiers } = csr
    const draft = { protocol: 'acme', action: 'renew', csr, identifiers, validated: identifiers } as const
    const order = { ...draft, profile: await world.profile(), renews: certificate.id, refusal: 'throw' } as const
    await expect(sign(world.it, acmeAccount(), order)).rejects.toMatchObject(failure('forbidden', /renews nothing/))
  })

  test('of an authority that signs elsewhere: what its CRL said is its status, and a revocation waits for it', async () => {
    const manual = await manualAuthority(world)
    const entries = [{ serial: '0777', revokedAt: world.time.now, reason: reasonCodes.superseded }]
    await admin().uploadCrl(manual.name, await manual.ca.crl({ number: 1, entries }))
    const make = async (draft: Parameters<ForeignCa['issue']>[0] = {}) =>
      admin().importCertificate(manual.name, (await manual.ca.issue(draft)).der)
    expect(await make({ serial: '0777' })).toMatchObject({ status: 'revoked', revocationReason: 'superseded' })
    const good = await make()
    expect((await revoke(good, 'superseded')).status).toBe('revoking')
    const next = [...entries, { serial: good.serial, revokedAt: world.time.now, reason: reasonCodes.superseded }]
    const { revoked } = await admin().uploadCrl(manual.name, await manual.ca.crl({ number: 2, entries: next }))
    expect(revoked).toEqual([good.serial])
    expect(await findCertificate(world.it.db, { id: good.id })).toMatchObject({ status: 'revoked' })
  })

  test('the audit trail agrees', async () => {
    expect((await admin(people.root).verifyAudit()).problems).toEqual([])
  })
})
