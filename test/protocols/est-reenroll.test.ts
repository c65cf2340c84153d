import { beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { implicit, seq } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'
import type { Party } from '../helpers/cms.ts'
import { attribute, buildCsr } from '../helpers/csrs.ts'
import { auto, leafOf, PASSWORD, useEstApp, waits } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]
const same = [{ name: 'same', when: 'certificate.present && certificate.sameNames', auto: true }, ...waits]
const rules = { issue: entitled, renew: same, rekey: same, revoke: auto }
const settings = { certificate: { type: 'client' } }
const day = 86_400_000
const key = (name: string) => device(name, 'P-256')

describe('EST re-enrolment', () => {
  const est = useEstApp()
  const reenroll = (by: Party, client: Party | undefined, wishes: Partial<Parameters<typeof est.app.enroll>[0]>) =>
    est.app.enroll({ by, ...(client ? { client } : {}), operation: 'simplereenroll', ...wishes })

  beforeAll(async () => {
    await est.app.save('windowed', { reenroll: { window: '30d' } }, { settings, rules })
    await est.app.save('graceful', { reenroll: { grace: '7d' } }, { settings, rules })
    await est.app.save('replacing', { reenroll: { revokeReplaced: '1h' } }, { settings, rules })
    await est.app.save('changing', { changeSubjectName: true }, { settings, rules })
  })

  it('RFC 7030 section 4.2.2: the same key renews, a new one rekeys; a repetition gets the same certificate', async () => {
    const cn = 'again.example.org'
    const by = await est.app.enrolled(key('again'), { subject: { CN: cn } })
    const renewed = leafOf(await reenroll(key('again'), by, { subject: { CN: cn } }))
    const rekeyed = leafOf(await reenroll(key('again 2'), by, { subject: { CN: cn } }))
    expect(renewed.spki).toEqual(leafOfParty(by).spki)
    expect(rekeyed.spki).not.toEqual(renewed.spki)
    expect(leafOf(await reenroll(key('again 2'), by, { subject: { CN: cn } })).serial).toBe(rekeyed.serial)
  })

  it('the new certificate opens the next connection', async () => {
    const cn = 'chain.example.org'
    let by = await est.app.enrolled(key('chain 0'), { subject: { CN: cn } })
    for (let turn = 1; turn <= 3; turn++) {
      const next = key(`chain ${turn}`)
      by = { key: next.key, certificate: leafOf(await reenroll(next, by, { subject: { CN: cn } })).der }
    }
    expect(leafOfParty(by).identifiers).toEqual([{ type: 'dns', value: cn }])
  })

  it('21, SC8: names are compared by value', async () => {
    const by = await est.app.enrolled(key('value'), { subject: { CN: 'value.example.org' } })
    expect((await reenroll(key('value 2'), by, { subject: { CN: 'VALUE.example.org' } })).status).toBe(200)
    expect((await reenroll(key('value 3'), by, { dns: ['Value.Example.Org'] })).status).toBe(200)
  })

  it.each([
    ['a name more', { dns: ['wide.example.org', 'wider.example.org'] }],
    ['another name', { subject: { CN: 'other.example.org' } }],
    ['none', {}],
  ])('pitfall "renewal widens names": %s is refused', async (_, wishes) => {
    const by = await est.app.enrolled(key('wide'), { subject: { CN: 'wide.example.org' } })
    const before = await est.app.count()
    expect(await reenroll(key('wide 2'), by, wishes)).toMatchObject({
      status: 403,
      text: expect.stringContaining('has the subject and the names'),
    })
    expect(await est.app.count()).toBe(before)
  })

  it('8: without the certificate there is nothing to renew, whoever asks', async () => {
    const answer = await reenroll(key('none'), undefined, {
      subject: { CN: 'none.example.org' },
      basic: `maker:${PASSWORD}`,
    })
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('as TLS client certificate') })
    expect((await reenroll(key('none'), undefined, { subject: { CN: 'none.example.org' } })).status).toBe(401)
  })

  it('window: too early is refused, and says from when on', async () => {
    const profile = 'windowed'
    const by = await est.app.enrolled(key('early'), { subject: { CN: 'early.example.org' }, profile })
    const wishes = { subject: { CN: 'early.example.org' }, profile }
    const early = await reenroll(key('early 2'), by, wishes)
    expect(early).toMatchObject({ status: 403, text: expect.stringMatching(/renewed from \d{4}-\d\d-\d\dT/) })
    for (const operation of ['simpleenroll', 'serverkeygen'])
      expect(await reenroll(key('early 2'), by, { ...wishes, operation })).toMatchObject({
        status: 403,
        text: early.text,
      })
    est.app.world.time.pass(61 * day)
    expect((await reenroll(key('early 2'), by, wishes)).status).toBe(200)
    expect((await reenroll(key('early 2'), by, { ...wishes, operation: 'simpleenroll' })).status).toBe(200)
  })

  it('grace: an expired certificate renews itself for a while, and does nothing else', async () => {
    const profile = 'graceful'
    const by = await est.app.enrolled(key('late'), { subject: { CN: 'late.example.org' }, profile })
    const strict = await est.app.enrolled(key('strict'), { subject: { CN: 'strict.example.org' } })
    est.app.world.time.pass(93 * day)
    expect((await reenroll(key('late 2'), by, { subject: { CN: 'late.example.org' }, profile })).status).toBe(200)
    expect(
      (await est.app.enroll({ by: key('late 3'), client: by, subject: { CN: 'late.example.org' }, profile })).status,
    ).toBe(401)
    expect(await reenroll(key('strict 2'), strict, { subject: { CN: 'strict.example.org' } })).toMatchObject({
      status: 401,
      text: expect.stringContaining('has expired'),
    })
    est.app.world.time.pass(7 * day)
    expect((await reenroll(key('late 4'), by, { subject: { CN: 'late.example.org' }, profile })).status).toBe(401)
  })

  it('grace: past its end a certificate of a registration authority asks for nobody', async () => {
    const ofAuthority = { certificate: { type: 'registration_authority' } }
    await est.app.save('graceful-ra', { reenroll: { grace: '7d' } }, { settings: ofAuthority, rules })
    const profile = 'graceful-ra'
    const by = await est.app.enrolled(key('ra'), { subject: { CN: 'ra.example.org' }, profile })
    const other = { subject: { CN: 'anybody.example.org' }, profile }
    expect((await reenroll(key('ra 1'), by, other)).status).toBe(200)
    est.app.world.time.pass(93 * day)
    expect(await reenroll(key('ra 2'), by, { subject: { CN: 'nobody.example.org' }, profile })).toMatchObject({
      status: 403,
      text: expect.stringContaining('has the subject and the names'),
    })
    expect((await reenroll(key('ra 3'), by, { subject: { CN: 'ra.example.org' }, profile })).status).toBe(200)
  })

  it('revokeReplaced: the old certificate ends an hour after the new one was fetched, as superseded', async () => {
    const profile = 'replacing'
    const by = await est.app.enrolled(key('old'), { subject: { CN: 'old.example.org' }, profile })
    const wishes = { subject: { CN: 'old.example.org' }, profile }
    const next = leafOf(await reenroll(key('new'), by, wishes))
    expect(await est.app.work()).toBe(0)
    // A client that has lost its answer asks again.
    expect(leafOf(await reenroll(key('new'), by, wishes)).serial).toBe(next.serial)
    est.app.world.time.pass(3_600_001)
    expect(await est.app.work()).toBe(1)
    const { findCertificate } = est.app.world.core.as({ kind: 'system', ref: 'test', name: 'test', people: [] })
    const fingerprintOf = async ({ serial }: { serial: string }) => findCertificate({ serial, authority: 'issuing' })
    expect(await fingerprintOf(leafOfParty(by))).toMatchObject({ status: 'revoked', revocationReason: 'superseded' })
    expect(await fingerprintOf(next)).toMatchObject({ status: 'issued' })
    expect((await reenroll(key('new'), by, wishes)).status).toBe(403)
  })

  it('revokeReplaced: also where simpleenroll is what renews', async () => {
    const wishes = { subject: { CN: 'simple.example.org' }, profile: 'replacing' }
    const by = await est.app.enrolled(key('simple'), wishes)
    expect((await est.app.enroll({ by: key('simple 2'), client: by, ...wishes })).status).toBe(200)
    est.app.world.time.pass(3_600_001)
    expect(await est.app.work()).toBe(1)
    const again = await est.app.enroll({ by: key('simple 3'), client: by, ...wishes })
    expect(again).toMatchObject({ status: 403, text: expect.stringContaining('revoked') })
  })

  describe('ChangeSubjectName (RFC 6402 section 2.8)', () => {
    const change = (subject: Record<string, string> | undefined, dns?: string[]) => {
      const parts = [
        ...(subject ? [encodeName(nameOf(subject))] : []),
        ...(dns
          ? [implicit(1, readValue(encodeGeneralNames(dns.map((value) => ({ type: 'dns', value })))), true)]
          : []),
      ]
      return attribute(OID.cmcChangeSubjectName, seq(...parts))
    }
    const readValue = (der: Buffer) => der.subarray(der[1] === 0x81 ? 3 : 2)

    async function changed(profile: string, by: Party, held: string, attributes: Buffer[]) {
      const { key: own } = key(`changed ${held} ${profile}`)
      const csr = buildCsr({ key: own, subject: nameOf({ CN: held }), algorithm: signerFor(own).algorithm, attributes })
      return est.app.ask('/simplereenroll', {
        profile,
        client: by,
        method: 'POST',
        body: csr.toString('base64'),
        headers: { 'Content-Type': 'application/pkcs10' },
      })
    }

    it('asks for other names, which people see; what they approve is certified', async () => {
      const by = await est.app.enrolled(key('before'), { subject: { CN: 'before.example.org' }, profile: 'changing' })
      const attributes = [change({ CN: 'after.example.org' }, ['after.example.org', 'alias.example.org'])]
      expect((await changed('changing', by, 'before.example.org', attributes)).status).toBe(202)
      await est.app.vote()
      const leaf = leafOf(await changed('changing', by, 'before.example.org', attributes))
      expect(nameText(leaf.subject)).toBe('CN=after.example.org')
      expect(leaf.identifiers.map(({ value }) => value)).toEqual(['after.example.org', 'alias.example.org'])
    })

    it('is refused where the profile does not allow it, and where the other names are not the old ones', async () => {
      const by = await est.app.enrolled(key('fixed'), { subject: { CN: 'fixed.example.org' } })
      const attributes = [change({ CN: 'after.example.org' })]
      expect(await changed('default', by, 'fixed.example.org', attributes)).toMatchObject({
        status: 403,
        text: expect.stringContaining('changes no names'),
      })
      const other = await est.app.enrolled(key('fixed 2'), {
        subject: { CN: 'fixed.example.org' },
        profile: 'changing',
      })
      expect((await changed('changing', other, 'after.example.org', attributes)).status).toBe(403)
    })

    it('one that names nobody, or is none, is 400', async () => {
      const by = await est.app.enrolled(key('empty'), { subject: { CN: 'empty.example.org' }, profile: 'changing' })
      for (const value of [seq(), Buffer.of(5, 0)])
        expect(
          (await changed('changing', by, 'empty.example.org', [attribute(OID.cmcChangeSubjectName, value)])).status,
        ).toBe(400)
    })
  })

  function leafOfParty({ certificate }: Party) {
    return readCertificate(certificate)
  }
})
