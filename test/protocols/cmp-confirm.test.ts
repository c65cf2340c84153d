import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { children, oid, seq } from '../../src/pki/der.ts'
import { OID } from '../../src/pki/oid.ts'
import { auto, ordered, statusOf, useCmpApp, waits } from '../helpers/cmpApp.ts'
import { type CmpReply, certConf, pollReq, wantsNoConf } from '../helpers/cmpClient.ts'
import { ecKey } from '../helpers/csrs.ts'

const used = useCmpApp()
const DAY = 86_400_000

const infoOf = ({ header }: CmpReply) => header.generalInfo.map(({ oid }) => oid)

describe('RFC 9810 section 5.3.18: the certificate is confirmed', () => {
  it('is waited for a day, and is revoked without it', async () => {
    const { app } = used
    const { ip, certificate } = await ordered(app, 'silent.example')
    expect(infoOf(ip)).toEqual([OID.cmpConfirmWaitTime])
    app.world.time.pass(DAY / 2)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('issued')
    app.world.time.pass(DAY / 2 + 1000)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('revoked')
  })

  it('once it is confirmed it stays, and again it is confirmed again', async () => {
    const { app } = used
    const { certificate, sent } = await ordered(app, 'confirmed.example')
    for (const _ of [1, 2])
      expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
        type: 'pkiconf',
      })
    app.world.time.pass(2 * DAY)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('issued')
    expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
      type: 'pkiconf',
    })
  })

  it('confirmed in one transaction, it is in the others about it', async () => {
    const { app } = used
    const [key, mac] = [ecKey(), await app.secret()]
    const send = (transactionId: Buffer) => app.ir({ dns: 'joined.example', key }, { mac, transactionId })
    const [one, two] = [randomBytes(16), randomBytes(16)]
    for (const transactionId of [one, two]) expect((await send(transactionId)).status).toBe('waiting')
    await app.vote()
    await send(one)
    const { header, certificate = Buffer.alloc(0) } = await send(two)
    const sent = { mac, transactionId: two, recipNonce: header.senderNonce ?? Buffer.alloc(0) }
    expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
      type: 'pkiconf',
    })
    app.world.time.pass(2 * DAY)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('issued')
  })

  it('a profile may keep what is not confirmed', async () => {
    const { app } = used
    await app.save('keeps', { unconfirmed: 'keep', confirmWait: '1h' })
    const { certificate, sent } = await ordered(app, 'keeps.example', { profile: 'keeps' })
    app.world.time.pass(DAY)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('issued')
    expect(await app.send({ type: 'certConf', content: certConf(certificate), ...sent })).toMatchObject({
      type: 'pkiconf',
    })
  })

  it('implicitConfirm is granted to who asks for it, where the profile has it, and to nobody else', async () => {
    const { app } = used
    const { ip, certificate } = await ordered(app, 'implicit.example', { info: [wantsNoConf()] })
    expect(infoOf(ip)).toEqual([OID.cmpImplicitConfirm])
    app.world.time.pass(2 * DAY)
    await app.work()
    expect(await statusOf(app, certificate)).toBe('issued')
    await app.save('strict', { implicitConfirm: false })
    const strict = await ordered(app, 'strict.example', { info: [wantsNoConf()], profile: 'strict' })
    expect(infoOf(strict.ip)).toEqual([OID.cmpConfirmWaitTime])
  })

  it('CC4: by its hash, and by no other', async () => {
    const { app } = used
    const { certificate, sent } = await ordered(app, 'hash.example')
    const other = await ordered(app, 'hash2.example')
    const sha512 = seq(oid(OID.sha512))
    for (const [content, failInfo] of [
      [certConf(other.certificate), 'badCertId'],
      [certConf(certificate, { hash: 'sha1' }), 'badCertId'],
      [certConf(certificate, { id: 1 }), 'badCertId'],
      [certConf(certificate, { hash: 'sha512', hashAlg: sha512 }), 'badRequest'],
      [seq(...children(certConf(certificate).subarray(2)).flatMap(({ der }) => [der, der])), 'badRequest'],
    ] as const)
      expect(await app.send({ type: 'certConf', content, ...sent })).toMatchObject({ type: 'error', failInfo })
    const content = certConf(certificate, { hash: 'sha512', hashAlg: sha512 })
    expect(await app.send({ type: 'certConf', content, pvno: 3, ...sent })).toMatchObject({ type: 'pkiconf' })
    expect(await statusOf(app, certificate)).toBe('issued')
  })

  it.each([
    ['P-384', 'sha384'],
    ['Ed25519', 'sha512'],
  ] as const)('under an authority with %s the hash is %s (RFC 9481 section 3)', async (key, hash) => {
    const { app } = used
    const { admin } = app.world.core.as(asRequester(app.maker))
    const name = key.toLowerCase()
    await admin.createAuthority({ name, key, subject: `CN=${name}`, validity: 1000 * DAY })
    const { id: authority } = await loadAuthority(app.world.it, name)
    await app.save(name, {}, { authority })
    const { certificate, sent } = await ordered(app, `${name}.example`, { profile: name })
    const conf = (by: string) => app.send({ type: 'certConf', content: certConf(certificate, { hash: by }), ...sent })
    expect(await conf('sha256')).toMatchObject({ type: 'error', failInfo: 'badCertId' })
    expect(await conf(hash)).toMatchObject({ type: 'pkiconf' })
  })

  it('CC4: rejected, it is revoked; by an empty certConf too', async () => {
    const { app } = used
    for (const [dns, content] of [
      ['rejected.example', (certificate: Buffer) => certConf(certificate, { rejects: 'not my key' })],
      ['nothing.example', () => seq()],
    ] as const) {
      const { certificate, sent } = await ordered(app, dns)
      const conf = await app.send({ type: 'certConf', content: content(certificate), ...sent })
      expect([conf.type, await statusOf(app, certificate)]).toEqual(['pkiconf', 'revoked'])
      const late = await app.send({ type: 'certConf', content: certConf(certificate), ...sent })
      expect(late).toMatchObject({ type: 'error', failInfo: 'certRevoked' })
      expect(await app.send({ type: 'pollReq', content: pollReq(), ...sent })).toMatchObject({
        failInfo: 'certRevoked',
      })
    }
  })

  it('what comes after confirmWaitTime confirms nothing, also before anybody has looked', async () => {
    const { app } = used
    const { certificate, sent } = await ordered(app, 'late.example')
    app.world.time.pass(DAY + 1000)
    const late = await app.send({ type: 'certConf', content: certConf(certificate), ...sent })
    expect(late).toMatchObject({ type: 'error', failInfo: 'badRequest' })
    await app.work()
    expect(await statusOf(app, certificate)).toBe('revoked')
  })

  it.each([
    ['its time has ended', 'ended'],
    ['its client has rejected it', 'rejected'],
  ])(
    'once %s nothing confirms it, while its revocation waits for people and when they refuse that',
    async (_, name) => {
      const { app } = used
      await app.save(name, {}, { rules: { issue: auto, renew: auto, rekey: auto, revoke: waits, export: [] } })
      const { certificate, sent } = await ordered(app, `${name}.example`, { profile: name })
      const conf = (content: Buffer) => app.send({ type: 'certConf', content, ...sent })
      if (name === 'rejected')
        expect(await conf(certConf(certificate, { rejects: 'no' }))).toMatchObject({ type: 'pkiconf' })
      else app.world.time.pass(DAY + 1000)
      await app.work()
      const refused = async () => {
        expect(await statusOf(app, certificate)).toBe('issued')
        expect(await conf(certConf(certificate))).toMatchObject({ type: 'error', failInfo: 'badRequest' })
        const polled = await app.send({ type: 'pollReq', content: pollReq(), ...sent })
        expect([polled.status, polled.failInfo, polled.certificate]).toEqual(['rejection', 'badRequest', undefined])
      }
      await refused()
      await app.voteRevocation({ verdict: 'deny', reason: 'it is in use' })
      await refused()
    },
  )

  it('nobody else’s is confirmed or rejected', async () => {
    const { app } = used
    const { certificate, sent } = await ordered(app, 'victim.example')
    const content = certConf(certificate, { rejects: 'x' })
    const foreign = await app.send({ type: 'certConf', content, ...sent, mac: await app.secret() })
    expect(foreign).toMatchObject({ type: 'error', failInfo: 'badRequest' })
    expect(await statusOf(app, certificate)).toBe('issued')
  })
})
