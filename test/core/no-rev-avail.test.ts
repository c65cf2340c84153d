import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { admit } from '../../src/core/profile/policy.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { hasNoRevAvail } from '../../src/pki/extensions.ts'
import { OID } from '../../src/pki/oid.ts'
import { opensslCsr } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const short = { noRevAvail: true, validity: { default: '2d', max: '6d' } }

describe.each(databases)('certificates without revocation information (RFC 9608) on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('short', { settings: { certificate: short } })
  })
  afterAll(() => close())

  const door = () => world.core.as(acmeAccount())

  async function issue(profileName = 'short', more: { notAfter?: Date } = {}) {
    const csr = await newCsr(['short.example.org'])
    const names = { identifiers: csr.identifiers, validated: csr.identifiers }
    const profile = await world.profile(profileName)
    const order = { profile, protocol: 'acme', action: 'issue', csr, refusal: 'throw', ...names, ...more } as const
    const { request } = await door().sign(order)
    const certificate = await findCertificate(world.it.db, { id: request.id })
    if (!certificate) throw new Error(`the request is ${request.status}: ${request.lastError}`)
    return certificate
  }
  const revoke = (certificate: number, more: { reason?: string; grounds?: 'account' | 'names' } = {}) =>
    door().revoke({ protocol: 'acme', certificate, grounds: 'account', ...more })

  test('say so, and point to no CRL and no OCSP, but to their issuer', async () => {
    const fields = readCertificate((await issue()).der)
    const found = fields.extensions.find(({ oid }) => oid === OID.noRevAvail)
    expect(found).toEqual({ oid: '2.5.29.56', critical: false, value: Buffer.from('0500', 'hex') })
    expect(fields).toMatchObject({ crlUrls: [], ocspUrls: [], issuerUrls: [expect.stringMatching(/^http:.*\.cer$/)] })
    expect(fields.extensions.map(({ oid }) => oid)).not.toContain(OID.freshestCRL)
    expect(fields.extensions.map(({ oid }) => oid)).not.toContain(OID.cRLDistributionPoints)
    expect(hasNoRevAvail(readCertificate((await issue('default')).der).extensions)).toBe(false)
  })

  test('live less than seven days whatever is asked', async () => {
    const days = ({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }) =>
      (notAfter.getTime() - notBefore.getTime()) / 86_400_000
    expect(days(await issue())).toBeLessThan(2.1)
    const longest = await issue('short', { notAfter: new Date(world.time.now.getTime() + 6 * 86_400_000) })
    expect(days(longest)).toBeLessThan(7)
    const tooLong = issue('short', { notAfter: new Date(world.time.now.getTime() + 6.5 * 86_400_000) })
    await expect(tooLong).rejects.toMatchObject(failure('malformed', /at most 6 days/))
  })

  test.each([
    [
      'a default of seven days',
      { certificate: { ...short, validity: { default: '7d', max: '7d' } } },
      /default: .*less than 7 days/,
    ],
    [
      'a longest of seven days',
      { certificate: { ...short, validity: { default: '2d', max: '7d' } } },
      /max: .*less than 7 days/,
    ],
    [
      'a backdate that makes it seven',
      { certificate: { ...short, validity: { default: '6d', max: '6d', backdate: '1d' } } },
      /7 days/,
    ],
    ['the default times', { certificate: { noRevAvail: true } }, /7 days/],
    ['CA certificates', { certificate: { ...short, type: 'ca' } }, /type ca/],
    ['a soft limit of time', { certificate: short, enforcement: { validity: 'soft' } }, /enforcement.validity: hard/],
    [
      'a variant with more time',
      { certificate: short, variants: { long: { description: 'long', validity: { max: '90d' } } } },
      /variants.long.certificate.validity.max/,
    ],
    [
      'a soft limit of time, for a variant',
      { variants: { brief: { description: 'brief', ...short } }, enforcement: { validity: 'soft' } },
      /enforcement.validity/,
    ],
  ])('a profile with %s is refused', async (_, settings, detail) => {
    const { admin } = people.as(people.chief)
    const draft = { name: 'bad', authority: 'issuing', settings, protocols: {}, rules: {} }
    await expect(admin.saveProfile(draft)).rejects.toMatchObject(failure('malformed', detail))
  })

  test('have nothing to staple: must-staple is refused, or left out where the profile only warns', async () => {
    const extra = ['-addext', 'subjectAltName=DNS:s.example.org', '-addext', 'tlsfeature=status_request']
    const csr = parsePkcs10(opensslCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], '/CN=s.example.org', extra))
    const profile = await world.profile('short')
    const hard = admit(profile.settings, csr, {}, world.time.now)
    expect(hard.refusals).toMatchObject([{ policy: 'mustStaple', detail: expect.stringMatching(/noRevAvail/) }])
    const soft = admit({ ...profile.settings, enforcement: { mustStaple: 'soft' } }, csr, {}, world.time.now)
    expect(soft).toMatchObject({ refusals: [], wanted: { mustStaple: false, noRevAvail: true } })
  })

  test('can be a variant of a profile that has others', async () => {
    const variants = { brief: { description: 'brief', ...short } }
    const profile = await world.save('both', { settings: { variants } })
    const brief = door().variant(profile, 'brief')
    expect(brief.settings.certificate).toMatchObject({ noRevAvail: true })
    expect(hasNoRevAvail(readCertificate((await issue('both')).der).extensions)).toBe(false)
  })

  test('a revocation is refused with the day on which it ends, and nothing changes', async () => {
    const certificate = await issue()
    const end = certificate.notAfter.toISOString()
    for (const reason of [undefined, 'superseded', 'certificateHold'])
      await expect(revoke(certificate.id, reason === undefined ? {} : { reason })).rejects.toMatchObject(
        failure('unsupported', new RegExp(`noRevAvail.*ends on ${end}.*keyCompromise`)),
      )
    expect((await findCertificate(world.it.db, { id: certificate.id }))?.status).toBe('issued')
    const requests = await withTables<CoreTables>(world.it.db)
      .selectFrom('revoke_requests')
      .select('id')
      .where('certificate_id', '=', certificate.id)
      .execute()
    expect(requests).toEqual([])
    const { entries } = readCrl((await people.operator.crl({ authority: 'issuing' })).der)
    expect(entries.map(({ serial }) => serial)).not.toContain(certificate.serial)
  })

  test('a compromised key is blocked all the same, and people are told', async () => {
    const certificate = await issue()
    await expect(revoke(certificate.id, { reason: 'keyCompromise' })).rejects.toMatchObject(
      failure('unsupported', /its key is blocked/),
    )
    const blocked = await people.as(people.root).admin.blockedKeys()
    expect(blocked.map(({ spkiSha256 }) => spkiSha256)).toContain(certificate.spkiHash)
    expect(await audited(world, 'certificate.key_blocked')).toMatchObject([{ subject_id: certificate.id }])
    expect((await people.as(people.chief).admin.alerts()).map(({ kind }) => kind)).toContain('key_compromised')
    // Asked again, it is refused again, and no second alert is made.
    await expect(revoke(certificate.id, { reason: 'keyCompromise' })).rejects.toMatchObject(failure('unsupported'))
    const alerts = (await people.as(people.chief).admin.alerts()).filter(({ kind }) => kind === 'key_compromised')
    expect(alerts).toHaveLength(1)
  })

  test('who only holds the names, or needs people for it, blocks no key', async () => {
    const certificate = await issue()
    const named = revoke(certificate.id, { reason: 'keyCompromise', grounds: 'names' })
    await expect(named).rejects.toMatchObject(failure('unsupported', /an administrator/))
    const asked = people.as(people.alice).revoke({
      protocol: 'cli',
      certificate: certificate.id,
      grounds: 'user',
      reason: 'keyCompromise',
    })
    await expect(asked).rejects.toMatchObject(failure('unsupported', /an administrator/))
    const blocked = await people.as(people.root).admin.blockedKeys()
    expect(blocked.map(({ spkiSha256 }) => spkiSha256)).not.toContain(certificate.spkiHash)
  })
})
