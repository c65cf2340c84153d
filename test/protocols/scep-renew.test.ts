import { beforeAll, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { integer, oid, seq, set, TAG, tlv } from '../../src/pki/der.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'
import type { Party } from '../helpers/cms.ts'
import { buildCsr } from '../helpers/csrs.ts'
import { auto, useScepApp, waits } from '../helpers/scepApp.ts'
import { csrOf, device, issuerAndSubject, leafOf } from '../helpers/scepClient.ts'

const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]
const first = [{ name: 'a first one', when: 'requester.kind == "key-holder"', auto: true }]

describe('SCEP renewal', () => {
  const scep = useScepApp()
  const rules = { issue: [...first, ...waits], renew: sameNames, rekey: sameNames, revoke: auto }

  beforeAll(async () => {
    await scep.app.save('fleet', {}, { rules })
    await scep.app.save('other', {}, { rules })
  })

  /** A device with its first certificate. */
  async function enrolled(name: string, profile = 'fleet'): Promise<Party> {
    const by = device(name)
    const reply = await scep.app.enrol(by, { subject: { CN: name }, profile, transactionId: `first ${name}` })
    return { key: by.key, certificate: leafOf(reply).der }
  }

  /** An order for a new key, signed by an earlier certificate. */
  const renew = (
    by: Party,
    cn: string,
    more: Partial<Parameters<typeof scep.app.send>[0]> & { dns?: string[] } = {},
  ) => {
    const { dns, ...sent } = more
    const data = csrOf(device(`new key ${cn}`), { subject: { CN: cn }, ...(dns ? { dns } : {}) })
    return scep.app.send({ type: 'RenewalReq', data, by, profile: 'fleet', transactionId: `renewal ${cn}`, ...sent })
  }

  it.each(['RenewalReq', 'PKCSReq'] as const)(
    '38: a %s signed by a certificate of ours renews it, with a new key',
    async (type) => {
      const name = `${type.toLowerCase()}.example.org`
      const old = await enrolled(name)
      const reply = await renew(old, name, { type })
      expect(reply.pkiStatus).toBe('SUCCESS')
      const leaf = leafOf(reply)
      expect(nameText(leaf.subject)).toBe(`CN=${name}`)
      expect(leaf.spki.equals(leafOf({ ...reply, certificates: [old.certificate] }).spki)).toBe(false)
    },
  )

  it('SC7: the same key, transactionID and challengePassword, signed by the old certificate, gives a new one; its resend gives the same', async () => {
    const name = 'certmonger.example.org'
    const by = device(name)
    const asked = { subject: { CN: name }, profile: 'fleet', transactionId: '7'.repeat(77) }
    const old = leafOf(await scep.app.enrol(by, asked))
    const party = { key: by.key, certificate: old.der }
    const again = await scep.app.enrol(party, { ...asked, challenge: 'consumed long ago' })
    expect(leafOf(again).serial).not.toBe(old.serial)
    expect(leafOf(await scep.app.enrol(party, { ...asked, challenge: 'consumed long ago' })).serial).toBe(
      leafOf(again).serial,
    )
  })

  it('SC8: string types and letter case of the subject mean nothing', async () => {
    const name = 'types.example.org'
    const old = await enrolled(name)
    const { key } = device('types new')
    const value = tlv(TAG.bmp, Buffer.from('Types.example.org', 'utf16le').swap16())
    const subject = seq(set(seq(oid(OID.commonName), value)))
    const data = buildCsr({ key, subject, algorithm: signerFor(key).algorithm })
    expect((await renew(old, name, { data })).pkiStatus).toBe('SUCCESS')
  })

  it('what the profile leaves out of a subject makes no other name', async () => {
    const name = 'attributes.example.org'
    const old = await enrolled(name)
    const data = csrOf(device('new key attributes'), { subject: { O: 'Acme', CN: name } })
    const reply = await renew(old, name, { data })
    expect(reply.pkiStatus).toBe('SUCCESS')
    expect(nameText(leafOf(reply).subject)).toBe(`CN=${name}`)
  })

  it('pitfall "renewal widens names": a RenewalReq for another name or subject is refused, a PKCSReq goes to people', async () => {
    const old = await enrolled('narrow.example.org')
    const before = await scep.app.count()
    const wider = { dns: ['narrow.example.org', 'wide.example.org'] }
    for (const refused of [await renew(old, 'narrow.example.org', wider), await renew(old, 'boss.example.org')])
      expect(refused).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(await scep.app.count()).toBe(before)
    for (const [cn, more] of [
      ['narrow.example.org', wider],
      ['boss.example.org', {}],
    ] as const)
      expect(await renew(old, cn, { type: 'PKCSReq', ...more })).toMatchObject({ pkiStatus: 'PENDING' })
    expect((await scep.app.count()) - before).toBe(2)
  })

  it('pitfall "RenewalReq without chain check": a certificate of another profile, of another CA, or of its own making does not renew', async () => {
    const elsewhere = await enrolled('elsewhere.example.org', 'other')
    for (const by of [elsewhere, device('elsewhere.example.org self-made')])
      expect(await renew(by, 'elsewhere.example.org')).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
  })

  it('38: a PKCSReq signed by a certificate of another profile is an order of its key alone', async () => {
    const by = await enrolled('foreign.example.org', 'other')
    await scep.app.save('watched')
    expect(await renew(by, 'foreign.example.org', { type: 'PKCSReq', profile: 'watched' })).toMatchObject({
      pkiStatus: 'PENDING',
    })
  })

  it.each(['RenewalReq', 'PKCSReq'] as const)('a %s by a revoked certificate is refused', async (type) => {
    const name = `revoked-${type.toLowerCase()}.example.org`
    const old = await enrolled(name)
    const { world } = scep.app
    const admin = await findUser(world.it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const door = world.core.as(asRequester(admin))
    const id = await scep.app.newest()
    await door.revoke({ protocol: 'test', certificate: id, grounds: 'user', reason: 'keyCompromise' })
    const before = await scep.app.count()
    const reply = await renew(old, name, { type })
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(reply.text).toContain('revoked')
    expect(await scep.app.count()).toBe(before)
  })

  it('pitfall "approval race": what waits for people ends when the certificate that asked for it is revoked', async () => {
    const old = await enrolled('thief.example.org')
    const { world } = scep.app
    const admin = await findUser(world.it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const certificate = await scep.app.newest()
    expect((await renew(old, 'thief2.example.org', { type: 'PKCSReq' })).pkiStatus).toBe('PENDING')
    const door = world.core.as(asRequester(admin))
    await door.revoke({ protocol: 'test', certificate, grounds: 'user', reason: 'cessationOfOperation' })
    await expect(scep.app.vote()).rejects.toMatchObject({ code: 'conflict' })
    const transactionId = 'renewal thief2.example.org'
    const asked = { type: 'CertPoll', by: old, profile: 'fleet', transactionId, data: Buffer.alloc(0) } as const
    const reply = await scep.app.send({ ...asked, data: issuerAndSubject({ CN: 'a' }, { CN: 'b' }) })
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(reply.text).toContain('revoked')
  })

  it('pitfall "POP missing on RenewalReq": the signature of the PKCS #10 request is checked all the same', async () => {
    const old = await enrolled('pop.example.org')
    const data = csrOf(device('pop new'), { subject: { CN: 'pop.example.org' } })
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 1
    expect(await renew(old, 'pop.example.org', { data })).toMatchObject({
      pkiStatus: 'FAILURE',
      failInfo: 'badMessageCheck',
    })
  })

  describe('access', () => {
    const wanted = (certificate: Buffer, serial?: Buffer) => {
      const { issuerDer, serial: own } = leafOf({ certificates: [certificate] } as Parameters<typeof leafOf>[0])
      return seq(issuerDer, integer(serial ?? Buffer.from(own, 'hex')))
    }

    it('RFC 8894 section 4.5: GetCert gives a certificate of the authority to one who has one', async () => {
      const by = await enrolled('getcert.example.org')
      const reply = await scep.app.send({ type: 'GetCert', data: wanted(by.certificate), by, profile: 'fleet' })
      expect(reply.pkiStatus).toBe('SUCCESS')
      expect(reply.certificates.map((der) => der.equals(by.certificate))).toEqual([true])
      expect(reply.crls).toEqual([])
      const none = { data: wanted(by.certificate, Buffer.from('0123456789', 'hex')), by, profile: 'fleet' }
      expect(await scep.app.send({ type: 'GetCert', ...none })).toMatchObject({
        pkiStatus: 'FAILURE',
        failInfo: 'badCertId',
      })
      const stranger = { data: wanted(by.certificate), by: device('stranger'), profile: 'fleet' }
      expect(await scep.app.send({ type: 'GetCert', ...stranger })).toMatchObject({
        pkiStatus: 'FAILURE',
        failInfo: 'badRequest',
      })
    })

    it('GetCert by a certificate that was revoked, or has ended, gives nothing', async () => {
      const by = await enrolled('getcert-revoked.example.org')
      const { world } = scep.app
      const admin = await findUser(world.it.db, { name: 'admin' })
      if (!admin) throw new Error('no administrator')
      const certificate = await scep.app.newest()
      const other = await enrolled('getcert-ended.example.org')
      const asked = { type: 'GetCert', data: wanted(other.certificate), profile: 'fleet' } as const
      expect((await scep.app.send({ ...asked, by })).pkiStatus).toBe('SUCCESS')
      const door = world.core.as(asRequester(admin))
      await door.revoke({ protocol: 'test', certificate, grounds: 'user' })
      expect(await scep.app.send({ ...asked, by })).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
      const { now } = world.time
      world.time.pass(91 * 86_400_000)
      const ended = await scep.app.send({ ...asked, by: other })
      world.time.now = now
      expect(ended).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    })

    it('RFC 8894 section 4.6.1: GetCRL gives the CRL alone, in crls', async () => {
      const by = await enrolled('getcrl.example.org')
      const reply = await scep.app.send({ type: 'GetCRL', data: wanted(by.certificate), by, profile: 'fleet' })
      expect(reply).toMatchObject({ pkiStatus: 'SUCCESS', certificates: [] })
      expect(reply.crls.map((der) => nameText(readCrl(der).issuer))).toEqual(['CN=countersign Issuing CA'])
    })

    it('GetCRL for another issuer is badCertId, and for what is no IssuerAndSerialNumber badMessageCheck', async () => {
      const by = await enrolled('getcrl2.example.org')
      const data = seq(encodeName(nameOf({ CN: 'somebody else' })), integer(5))
      expect(await scep.app.send({ type: 'GetCRL', data, by, profile: 'fleet' })).toMatchObject({
        failInfo: 'badCertId',
      })
      const wrong = issuerAndSubject({ CN: 'a' }, { CN: 'b' })
      expect(await scep.app.send({ type: 'GetCRL', data: wrong, by, profile: 'fleet' })).toMatchObject({
        failInfo: 'badMessageCheck',
      })
    })
  })

  it('an expired certificate does not renew; a PKCSReq by it is an order of its key alone', async () => {
    const name = 'expired.example.org'
    const old = await enrolled(name)
    scep.app.world.time.pass(91 * 86_400_000)
    const reply = await renew(old, name)
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(reply.text).toContain('expired')
    expect((await renew(old, name, { type: 'PKCSReq' })).pkiStatus, 'as the rule for keys says').toBe('SUCCESS')
  })
})
