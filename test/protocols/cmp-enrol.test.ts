import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { nullValue, oid, seq, utf8 } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, raVerified } from '../helpers/cmc.ts'
import { auto, useCmpApp } from '../helpers/cmpApp.ts'
import { certConf, info, oldCertId, pollReq, wantsNoConf } from '../helpers/cmpClient.ts'
import { buildCsr, ecKey } from '../helpers/csrs.ts'

const used = useCmpApp()
const id = (octet: number) => Buffer.alloc(16, octet)
const subjectAltName = (der: Buffer | undefined) => new X509Certificate(der ?? Buffer.alloc(0)).subjectAltName

describe('RFC 9483 section 4.1.5: an order under a shared secret', () => {
  it('is answered with the certificate, under the same secret, and confirmed', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['one.example'] })
    const [transactionId, senderNonce] = [id(1), id(2)]
    const ip = await app.ir({ dns: 'one.example' }, { mac, transactionId, senderNonce })
    expect(ip).toMatchObject({ type: 'ip', protectedBy: 'mac', status: 'accepted', certReqId: 0 })
    expect(ip.header).toMatchObject({
      transactionId,
      recipNonce: senderNonce,
      pvno: 2,
      senderKid: Buffer.from(mac.reference),
    })
    expect(ip.header.senderNonce).toHaveLength(32)
    const certificate = ip.certificate ?? Buffer.alloc(0)
    expect(subjectAltName(certificate)).toBe('DNS:one.example')
    const recipNonce = ip.header.senderNonce ?? Buffer.alloc(0)
    const conf = await app.send({ type: 'certConf', content: certConf(certificate), mac, transactionId, recipNonce })
    expect(conf).toMatchObject({ type: 'pkiconf', protectedBy: 'mac' })
  })

  it('brings its issuers in extraCerts, without the root, which is in caPubs of ip alone and where the profile has it', async () => {
    const { app } = used
    const ip = await app.ir({ dns: 'root.example' }, { mac: await app.secret({ dns: ['root.example'] }) })
    const [root] = ip.caPubs
    const own = new X509Certificate(ip.certificate ?? Buffer.alloc(0))
    const [issuer] = ip.extraCerts.map((der) => new X509Certificate(der))
    expect(issuer && own.verify(issuer.publicKey)).toBe(true)
    expect(issuer?.verify(new X509Certificate(root ?? Buffer.alloc(0)).publicKey)).toBe(true)
    expect(ip.extraCerts.some((der) => root?.equals(der))).toBe(false)
    const cr = await app.ir({ dns: 'cr.example' }, { type: 'cr', mac: await app.secret({ dns: ['cr.example'] }) })
    expect([cr.type, cr.status, cr.caPubs]).toEqual(['cp', 'accepted', []])
    await app.save('bare', { caPubs: false })
    const bare = { profile: 'bare', mac: await app.secret({ dns: ['bare.example'], profile: 'bare' }) }
    expect((await app.ir({ dns: 'bare.example' }, bare)).caPubs).toEqual([])
  })

  it('takes PBMAC1 and other hashes, and the reference from the sender where there is no senderKID (CC7)', async () => {
    const { app } = used
    for (const [dns, more] of [
      ['pbmac1.example', { pbmac1: true, iterations: 1000 }],
      ['sha512.example', { owf: OID.sha512, mac: OID.hmacWithSHA512 }],
      ['sha1.example', { mac: OID.hmacWithSHA1 }],
    ] as const) {
      const mac = { ...(await app.secret({ dns: [dns] })), ...more }
      expect(await app.ir({ dns }, { mac, senderKid: 'none' })).toMatchObject({
        status: 'accepted',
        protectedBy: 'mac',
      })
    }
  })

  it('waits for a person where the names are not those of the secret, is polled, and names a reason', async () => {
    const { app } = used
    const sent = { mac: await app.secret(), transactionId: id(3) }
    const ip = await app.ir({ dns: 'waits.example', id: 7 }, sent)
    expect(ip).toMatchObject({
      type: 'ip',
      status: 'waiting',
      certReqId: 7,
    })
    expect([ip.certificate, ip.failInfo]).toEqual([undefined, undefined])
    const recipNonce = ip.header.senderNonce ?? Buffer.alloc(0)
    const polled = await app.send({ type: 'pollReq', content: pollReq(7), recipNonce, ...sent })
    expect(polled).toMatchObject({
      type: 'pollRep',
      certReqId: 7,
      checkAfter: 60,
      text: 'the request waits for approval',
    })
    await app.vote()
    const done = await app.send({ type: 'pollReq', content: pollReq(7), recipNonce, ...sent })
    expect(done).toMatchObject({ type: 'ip', status: 'accepted', certReqId: 7 })
    expect(subjectAltName(done.certificate)).toBe('DNS:waits.example')
  })

  it('sent again is the same order; another one under its transactionID is refused', async () => {
    const { app } = used
    const [key, sent] = [ecKey(), { mac: await app.secret(), transactionId: id(4) }]
    await app.ir({ dns: 'again.example', key }, sent)
    const before = await app.count()
    expect(await app.ir({ dns: 'again.example', key }, sent)).toMatchObject({ status: 'waiting' })
    for (const other of [{ dns: 'again.example' }, { dns: 'other.example', key }]) {
      const refused = await app.ir(other, sent)
      expect(refused).toMatchObject({ type: 'error', status: 'rejection', failInfo: 'transactionIdInUse' })
    }
    const kur = await app.ir({ dns: 'again.example', key }, { ...sent, type: 'cr' })
    expect(kur).toMatchObject({ type: 'error', failInfo: 'transactionIdInUse' })
    expect(await app.count()).toBe(before)
  })

  it('the transactionID of somebody else begins another transaction, and disturbs nothing', async () => {
    const { app } = used
    const transactionId = id(5)
    const [mine, theirs] = [await app.secret(), await app.secret()]
    const first = await app.ir({ dns: 'mine.example' }, { mac: mine, transactionId })
    const recipNonce = first.header.senderNonce ?? Buffer.alloc(0)
    const foreign = { mac: theirs, transactionId, recipNonce }
    const polled = await app.send({ type: 'pollReq', content: pollReq(), ...foreign })
    expect(polled).toMatchObject({ type: 'error', failInfo: 'badRequest', protectedBy: 'mac' })
    expect(await app.ir({ dns: 'theirs.example' }, { mac: theirs, transactionId })).toMatchObject({ status: 'waiting' })
    expect(await app.send({ type: 'pollReq', content: pollReq(), mac: mine, transactionId, recipNonce })).toMatchObject(
      {
        type: 'pollRep',
      },
    )
  })

  it('another transaction of the same client about what waits is no second order', async () => {
    const { app } = used
    const [key, mac] = [ecKey(), await app.secret()]
    await app.ir({ dns: 'restart.example', key }, { mac })
    const before = await app.count()
    const sent = { mac, transactionId: id(6) }
    const second = await app.ir({ dns: 'restart.example', key }, sent)
    expect([second.status, await app.count()]).toEqual(['waiting', before])
    await app.vote()
    const recipNonce = second.header.senderNonce ?? Buffer.alloc(0)
    expect(await app.send({ type: 'pollReq', content: pollReq(-1), recipNonce, ...sent })).toMatchObject({
      status: 'accepted',
    })
  })

  it('is refused for names that the secret is not for, and once a single use is used', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['bound.example'], singleUse: true })
    const other = await app.ir({ dns: 'unbound.example' }, { mac })
    expect(other).toMatchObject({ type: 'ip', status: 'rejection', failInfo: 'badCertTemplate', protectedBy: 'mac' })
    expect(await app.ir({ dns: 'bound.example' }, { mac })).toMatchObject({ status: 'accepted' })
    const twice = await app.ir({ dns: 'bound.example' }, { mac })
    expect(twice).toMatchObject({
      status: 'rejection',
      failInfo: 'notAuthorized',
      text: expect.stringContaining('good once'),
    })
  })

  it('of many at once with a single use, one has it', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['race.example'], singleUse: true })
    const replies = await Promise.all(Array.from({ length: 8 }, () => app.ir({ dns: 'race.example' }, { mac })))
    expect(replies.filter(({ status }) => status === 'accepted')).toHaveLength(1)
  })

  it('of the same message many times at once there is one order', async () => {
    const { app } = used
    const [key, sent] = [ecKey(), { mac: await app.secret({ dns: ['same.example'] }), transactionId: id(8) }]
    const before = await app.count()
    const replies = await Promise.all(Array.from({ length: 8 }, () => app.ir({ dns: 'same.example', key }, sent)))
    // To some it is still being made.
    for (const { status } of replies) expect(['accepted', 'waiting']).toContain(status)
    expect(new Set(replies.flatMap(({ certificate }) => certificate?.toString('hex') ?? [])).size).toBe(1)
    expect(await app.count()).toBe(before + 1)
  })

  it('whoever made the secret does not decide on what is asked with it', async () => {
    const { app } = used
    await app.save(
      'owned',
      {},
      { rules: { issue: [{ name: 'the maker', require: [{ users: ['maker'] }] }], revoke: auto } },
    )
    const mac = await app.secret({ profile: 'owned' })
    expect(await app.ir({ dns: 'owned.example' }, { mac, profile: 'owned' })).toMatchObject({ status: 'waiting' })
    const { approvals } = app.world.core.as(asRequester(app.maker))
    const newest = await app.newest()
    const { hash } = await approvals.review('sign', newest)
    await expect(approvals.vote('sign', newest, { verdict: 'approve', hash })).rejects.toMatchObject({
      code: 'forbidden',
    })
  })

  it('denied, it is rejected with the reason', async () => {
    const { app } = used
    const [key, sent] = [ecKey(), { mac: await app.secret(), transactionId: id(7) }]
    await app.ir({ dns: 'denied.example', key }, sent)
    await app.vote({ verdict: 'deny', reason: 'sold last year' })
    const refused = { type: 'ip', status: 'rejection', failInfo: 'notAuthorized', text: 'sold last year' }
    expect(await app.ir({ dns: 'denied.example', key }, sent)).toMatchObject(refused)
  })
})

describe('RFC 9810 section 5.2.8: proof of possession', () => {
  it.each([
    ['by another key', { proof: undefined, sign: () => Buffer.alloc(70, 1) }],
    ['raVerified by no registration authority', { proof: raVerified() }],
    ['none', { proof: 'absent' as const }],
  ])('%s is badPOP, and nothing is stored', async (_, { proof, ...request }) => {
    const { app } = used
    const before = await app.count()
    const mac = await app.secret({ dns: ['pop.example'] })
    const reply = await app.ir({ dns: 'pop.example', ...request, ...(proof ? { proof } : {}) }, { mac })
    expect(reply).toMatchObject({ type: 'ip', status: 'rejection', failInfo: 'badPOP' })
    expect(reply.certificate).toBeUndefined()
    expect(await app.count()).toBe(before)
  })

  it('raVerified is for a registration authority, whose certificate says so, and who orders for others', async () => {
    const { app } = used
    const settings = { certificate: { type: 'registration_authority' } }
    await app.save('ra', {}, { settings })
    const by = await app.enrolled('ra.example', { profile: 'ra' })
    const reply = await app.ir({ dns: 'thing.example', proof: raVerified() }, { by, type: 'cr' })
    expect(reply).toMatchObject({ type: 'cp', status: 'accepted', protectedBy: 'signature' })
    await app.save('alone', { registrationAuthorities: false })
    expect(await app.ir({ dns: 'thing.example' }, { by, profile: 'alone' })).toMatchObject({
      type: 'error',
      failInfo: 'signerNotTrusted',
    })
  })

  it('p10cr goes by the signature of the CSR; its certReqId is -1', async () => {
    const { app } = used
    const by = await app.enrolled('p10.example')
    const key = ecKey()
    const cp = await app.send({ type: 'p10cr', content: buildCsr({ key, subject: nameOf({ CN: 'p10.example' }) }), by })
    expect(cp).toMatchObject({ type: 'cp', certReqId: -1, protectedBy: 'signature' })
    const forged = buildCsr({ key, sign: () => Buffer.alloc(70, 1) })
    expect(await app.send({ type: 'p10cr', content: forged, by })).toMatchObject({
      type: 'cp',
      certReqId: -1,
      status: 'rejection',
      failInfo: 'badPOP',
    })
  })
})

describe('RFC 9483 section 4.1.3: kur', () => {
  it('renews by the key of the certificate, with a new key, and needs no secret', async () => {
    const { app } = used
    const by = await app.enrolled('kur.example')
    const controls = [oldCertId(by.certificate)]
    const kup = await app.ir({ dns: 'kur.example', controls }, { type: 'kur', by, info: [wantsNoConf()] })
    expect(kup).toMatchObject({ type: 'kup', status: 'accepted', protectedBy: 'signature' })
    expect(kup.header.generalInfo.map(({ oid }) => oid)).toEqual([OID.cmpImplicitConfirm])
    const [signer] = kup.extraCerts.map((der) => new X509Certificate(der))
    expect(signer?.subject).toContain('RA default')
    expect(await app.ir({ dns: 'kur.example', key: by.key }, { type: 'kur', by })).toMatchObject({ status: 'accepted' })
  })

  it('CC6: not for another certificate, other names, nor under a shared secret', async () => {
    const { app } = used
    const [by, other] = [await app.enrolled('own.example'), await app.enrolled('else.example')]
    const kur = { type: 'kur', by } as const
    const wrongId = { dns: 'own.example', controls: [oldCertId(other.certificate)] }
    expect(await app.ir(wrongId, kur)).toMatchObject({ type: 'kup', failInfo: 'badCertId' })
    expect(await app.ir({ dns: 'else.example' }, kur)).toMatchObject({ type: 'kup', failInfo: 'badCertTemplate' })
    const mac = await app.secret({ dns: ['own.example'] })
    expect(await app.ir({ dns: 'own.example' }, { type: 'kur', mac })).toMatchObject({ failInfo: 'notAuthorized' })
  })
})

describe('what a message asks for', () => {
  it('controls that mean nothing here, other issuers and several requests at once are refused', async () => {
    const { app } = used
    const sent = { mac: await app.secret({ dns: ['x.example'] }) }
    const archived = { dns: 'x.example', controls: [seq(oid('1.3.6.1.5.5.7.5.1.4'), nullValue())] }
    expect(await app.ir(archived, sent)).toMatchObject({ type: 'ip', failInfo: 'badCertTemplate' })
    const two = seq(buildCrmf({ id: 0 }), buildCrmf({ id: 1 }))
    expect(await app.send({ type: 'ir', content: two, ...sent })).toMatchObject({ type: 'ip', failInfo: 'badRequest' })
    expect(await app.ir({ template: [] }, sent)).toMatchObject({ type: 'ip', failInfo: 'badCertTemplate' })
  })

  it('certProfile names a variant of the profile that is listed', async () => {
    const { app } = used
    const mac = await app.secret({ dns: ['y.example'] })
    const named = { mac, info: [info(OID.cmpCertProfile, seq(utf8('servers')))] }
    const text = expect.stringContaining('no certificate profile servers')
    expect(await app.ir({ dns: 'y.example' }, named)).toMatchObject({ failInfo: 'badRequest', text })
  })

  it('what the profile leaves out makes it grantedWithMods', async () => {
    const { app } = used
    const usage = seq(oid(OID.keyUsage), Buffer.from('0404030204f0', 'hex').subarray(0, 6))
    const reply = await app.ir(
      { dns: 'mods.example', extensions: [usage] },
      { mac: await app.secret({ dns: ['mods.example'] }) },
    )
    expect(reply).toMatchObject({ status: 'grantedWithMods', text: expect.stringContaining('key usages') })
  })
})
