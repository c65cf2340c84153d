import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { readRevokeRequest } from '../../src/core/request/records.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { integer, seq } from '../../src/pki/der.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('an authority that signs elsewhere, on $name', ({ open }) => {
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

  const admin = () => people.as(people.chief).admin
  const second = (time: number) => new Date(Math.floor(time / 1000) * 1000)
  const at = () => second(world.time.now.getTime() - day)
  const statusOf = async ({ id }: { id: number }) => (await readRevokeRequest(world.it.db, id)).status
  const stored = (id: number) => findCertificate(world.it.db, { id })

  /** Its next CRL, uploaded. */
  async function publish(entries: { serial: string; reason?: number; invalidityDate?: Date }[] = []) {
    number += 1
    const dated = entries.map((entry) => ({ revokedAt: at(), ...entry }))
    return admin().uploadCrl(manual.name, await manual.ca.crl({ number, entries: dated }))
  }

  test('its CRL is served here as it was signed', async () => {
    number += 1
    const crl = await manual.ca.crl({ number })
    const { warnings, ...answer } = await admin().uploadCrl(manual.name, Buffer.from(pemEncode('X509 CRL', crl)))
    expect(answer).toMatchObject({ number: String(number), entries: 0, confirmed: [], revoked: [] })
    expect(warnings).toEqual([])
    expect((await people.operator.crl({ authority: manual.name })).der).toEqual(crl)
    expect((await admin().authority(manual.name)).crlUrl).toMatch(new RegExp(`^http://ca.test/crl/${manual.name}/`))
    expect((await audited(world, 'authority.crl_uploaded')).at(-1)?.details).toMatchObject({ number: String(number) })
  })

  test('a revocation waits until the CRL lists the certificate, and has its date and reason', async () => {
    const certificate = await manual.issue('a.example.org')
    const request = await manual.revoke(certificate, 'superseded')
    expect(request.status).toBe('revoking')
    expect((await stored(certificate.id))?.status).toBe('issued')
    expect((await publish()).warnings).toEqual([
      expect.stringMatching(new RegExp(`still to be revoked.*r${request.id} `)),
    ])
    expect(await statusOf(request)).toBe('revoking')

    const invalidityDate = second(world.time.now.getTime() - 9 * day)
    const answer = await publish([
      { serial: certificate.serial, reason: reasonCodes.cessationOfOperation, invalidityDate },
    ])
    expect(answer).toMatchObject({ confirmed: [request.id], revoked: [certificate.serial], warnings: [] })
    expect(await statusOf(request)).toBe('revoked')
    expect(await stored(certificate.id)).toMatchObject({
      status: 'revoked',
      revokedAt: at(),
      revocationReason: 'cessationOfOperation',
    })
    const row = await withTables<CoreTables>(world.it.db)
      .selectFrom('certificates')
      .select('invalidity_at')
      .where('id', '=', certificate.id)
      .executeTakeFirstOrThrow()
    expect(row.invalidity_at).toBe(invalidityDate.getTime())
    expect(await publish([{ serial: certificate.serial, reason: reasonCodes.cessationOfOperation }])).toMatchObject({
      confirmed: [],
      revoked: [],
    })
  })

  test('retrying it does not say that it was done', async () => {
    const certificate = await manual.issue('retry.example.org')
    const request = await manual.revoke(certificate)
    await people.as(people.chief).approvals.retry('revoke', request.id)
    expect(await statusOf(request)).toBe('revoking')
  })

  test('one that failed is not tried again while another is open', async () => {
    const certificate = await manual.issue('failed.example.org')
    const { approvals } = people.as(people.chief)
    const failed = await manual.revoke(certificate)
    await approvals.markFailed('revoke', failed.id, 'not there')
    const open = await manual.revoke(certificate)
    await expect(approvals.retry('revoke', failed.id)).rejects.toMatchObject(failure('conflict', /still open/))
    expect([await statusOf(failed), await statusOf(open)]).toEqual(['failed', 'revoking'])
    await approvals.cancel('revoke', open.id)
    expect(await approvals.retry('revoke', failed.id)).toMatchObject({ status: 'revoking' })
  })

  test('who manages the authority says that it was done; nobody else, and only once', async () => {
    const certificate = await manual.issue('confirmed.example.org')
    const request = await manual.revoke(certificate, 'keyCompromise')
    const confirm = (user: Parameters<People['as']>[0]) => people.as(user).approvals.confirmRevoked(request.id)
    await expect(people.operator.approvals.confirmRevoked(request.id)).rejects.toMatchObject(
      failure('forbidden', /a person/),
    )
    await expect(confirm(people.alice)).rejects.toMatchObject(failure('forbidden'))
    await expect(confirm(people.stranger)).rejects.toMatchObject(failure('notFound'))
    expect(await statusOf(request)).toBe('revoking')
    expect(await confirm(people.chief)).toEqual({ status: 'revoked' })
    expect(await stored(certificate.id)).toMatchObject({ status: 'revoked', revocationReason: 'keyCompromise' })
    await expect(confirm(people.chief)).rejects.toMatchObject(failure('conflict'))
    const blocked = await people.as(people.root).admin.blockedKeys()
    expect(blocked.map(({ spkiSha256 }) => spkiSha256)).toContain(certificate.publicKey.spkiHash)
    const { warnings } = await publish()
    expect(warnings[0]).toMatch(new RegExp(`missing in this CRL.*${certificate.serial}`))
    await publish([{ serial: certificate.serial, reason: reasonCodes.keyCompromise }])
  })

  test('what it revoked without being asked here is revoked here too, and a request that waited for people ends', async () => {
    const certificate = await manual.issue('elsewhere.example.org')
    const profile = await world.save(manual.name, {
      authority: manual.id,
      rules: { issue: [], revoke: [{ name: 'people', require: [{ users: ['chief'] }] }] },
    })
    const request = await manual.revoke(certificate)
    expect([profile.name, request.status]).toEqual([manual.name, 'requested'])
    const answer = await publish([{ serial: certificate.serial, reason: reasonCodes.keyCompromise }])
    expect(answer).toMatchObject({ confirmed: [], revoked: [certificate.serial] })
    expect(await readRevokeRequest(world.it.db, request.id)).toMatchObject({
      status: 'canceled',
      reason: expect.stringMatching(/revoked it already/),
    })
    expect(await stored(certificate.id)).toMatchObject({ status: 'revoked', revocationReason: 'keyCompromise' })
    await world.save(manual.name, { authority: manual.id })
  })

  test('the key of one that it says is compromised is blocked, also where it was revoked here for another reason', async () => {
    const certificate = await manual.issue('compromised.example.org')
    await manual.revoke(certificate, 'superseded')
    await publish([{ serial: certificate.serial, reason: reasonCodes.superseded }])
    const isBlocked = async () =>
      (await people.as(people.root).admin.blockedKeys()).some(
        ({ spkiSha256 }) => spkiSha256 === certificate.publicKey.spkiHash,
      )
    expect(await isBlocked()).toBe(false)
    await publish([{ serial: certificate.serial, reason: reasonCodes.keyCompromise }])
    expect(await isBlocked()).toBe(true)
    expect(await stored(certificate.id)).toMatchObject({ revocationReason: 'superseded' })
  })

  test('on hold there is on hold here, and does not do for a revocation', async () => {
    const certificate = await manual.issue('hold.example.org')
    const request = await manual.revoke(certificate, 'superseded')
    const hold = { serial: certificate.serial, reason: reasonCodes.certificateHold }
    expect(await publish([hold])).toMatchObject({ confirmed: [], revoked: [certificate.serial] })
    expect(await stored(certificate.id)).toMatchObject({ status: 'hold' })
    expect(await statusOf(request)).toBe('revoking')
    await publish([{ ...hold, reason: reasonCodes.superseded }])
    expect(await stored(certificate.id)).toMatchObject({ status: 'revoked', revocationReason: 'superseded' })
    expect(await statusOf(request)).toBe('revoked')
  })

  test('serials that are not ours are kept for OCSP', async () => {
    await publish([{ serial: 'abcdef', reason: reasonCodes.superseded }])
    const kept = () =>
      withTables<CoreTables>(world.it.db).selectFrom('imported_revocations').select(['serial', 'reason']).execute()
    expect(await kept()).toEqual([{ serial: 'abcdef', reason: 'superseded' }])
    await publish()
    expect(await kept()).toEqual([])
  })

  test('its number must grow, also beyond what numbers hold', async () => {
    const upload = async (wanted: bigint) => admin().uploadCrl(manual.name, await manual.ca.crl({ number: wanted }))
    await expect(upload(BigInt(number))).rejects.toMatchObject(failure('conflict', /not newer/))
    await expect(upload(BigInt(number - 1))).rejects.toMatchObject(failure('conflict'))
    const other = await manualAuthority(world)
    const to = async (wanted: bigint) => admin().uploadCrl(other.name, await other.ca.crl({ number: wanted }))
    await to(2n ** 100n)
    await to(2n ** 140n)
    await expect(to(2n ** 140n)).rejects.toMatchObject(failure('conflict'))
    await expect(to(2n ** 120n)).rejects.toMatchObject(failure('conflict'))
  })

  test.each([
    [
      'that has ended',
      () => manual.ca.crl({ number: 999, nextUpdate: new Date(world.time.now.getTime() - 1) }),
      /ended/,
    ],
    ['of another CA', async () => (await foreignCa(world.time.now)).crl({ number: 999 }), /one of CN=Foreign CA/],
    ['that is a delta', () => manual.ca.crl({ number: 999, deltaBase: 3 }), /delta/],
    ['that is none', async () => seq(integer(1)), /./],
  ])('a CRL %s is refused, and the last one stands', async (_, write, detail) => {
    await publish()
    const before = await people.operator.crl({ authority: manual.name })
    await expect(admin().uploadCrl(manual.name, await write())).rejects.toMatchObject(failure('malformed', detail))
    expect((await people.operator.crl({ authority: manual.name })).der).toEqual(before.der)
  })

  test('uploads need manage, and an authority that signs elsewhere', async () => {
    const crl = await manual.ca.crl({ number: 9_999 })
    const { pem } = await manual.ca.responder()
    for (const [user, code] of [
      [people.alice, 'forbidden'],
      [people.stranger, 'notFound'],
    ] as const) {
      const { admin } = people.as(user)
      await expect(admin.uploadCrl(manual.name, crl)).rejects.toMatchObject(failure(code))
      await expect(admin.uploadResponder(manual.name, { pem })).rejects.toMatchObject(failure(code))
    }
    await expect(admin().uploadCrl('issuing', crl)).rejects.toMatchObject(failure('unsupported'))
    await expect(admin().uploadResponder('issuing', { pem })).rejects.toMatchObject(failure('unsupported'))
  })

  test('the audit trail has all of it', async () => {
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
  })

  describe('its OCSP responder', () => {
    test('is stored, its key sealed', async () => {
      const { pem } = await manual.ca.responder()
      const answer = await admin().uploadResponder(manual.name, { pem })
      expect(answer.warnings).toEqual([])
      const rows = await withTables<CoreTables>(world.it.db)
        .selectFrom('responders')
        .innerJoin('sealed_keys', 'sealed_keys.id', 'responders.key_id')
        .innerJoin('authority_certificates', 'authority_certificates.id', 'responders.authority_certificate_id')
        .select(['sealed', 'purpose', 'responders.not_after'])
        .where('authority_id', '=', manual.id)
        .execute()
      expect(rows).toMatchObject([{ purpose: 'ocsp', not_after: answer.notAfter.getTime() }])
      await expect(admin().uploadResponder(manual.name, { pem })).rejects.toMatchObject(failure('conflict'))
    })

    test('without nocheck is taken with a warning', async () => {
      const { pem } = await manual.ca.responder({ ocspNoCheck: false })
      expect((await admin().uploadResponder(manual.name, { pem })).warnings).toEqual([expect.stringMatching(/nocheck/)])
    })

    test.each([
      ['by another CA', async () => (await foreignCa(world.time.now)).responder(), /not signed by the key/],
      ['of another use', () => manual.ca.responder({ extendedKeyUsage: [] }), /OCSPSigning/],
      ['that may not sign', () => manual.ca.responder({ keyUsage: ['keyEncipherment'] }), /digitalSignature/],
      ['that has ended', () => manual.ca.responder({ notAfter: new Date(world.time.now.getTime() - 1000) }), /ended/],
      [
        'that has not begun',
        () => manual.ca.responder({ notBefore: new Date(world.time.now.getTime() + day) }),
        /begins/,
      ],
      ['that is a CA', () => manual.ca.responder({ type: 'ca' }), /one of a CA/],
      [
        'with the key of another',
        async () => ({
          pem:
            pemEncode('CERTIFICATE', (await manual.ca.responder()).der) +
            (await manual.ca.responder()).pem.replace(/^.*END CERTIFICATE-----\n/s, ''),
        }),
        /belongs to the private key/,
      ],
      [
        'without a key',
        async () => ({ pem: pemEncode('CERTIFICATE', (await manual.ca.responder()).der) }),
        /key .* is missing/,
      ],
      ['that is nothing', async () => ({ pem: '' }), /is missing/],
    ])('%s is refused', async (_, write, detail) => {
      const { pem } = await write()
      await expect(admin().uploadResponder(manual.name, { pem })).rejects.toMatchObject(failure('malformed', detail))
    })
  })
})
